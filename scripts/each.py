"""Measuring one large `each` against many small ones, with a runtime that does nothing, and what others feel of it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from statistics import median
from threading import Event, Thread
from time import perf_counter, sleep
from typing import Any, NamedTuple, Protocol, Self
from uuid import uuid4

from scripts import containers

ENDED = {"COMPLETED", "FAILED", "CANCELLED"}
SLOTS = 8
LOOK = 0.1
"""Seconds between two looks at what a job costs: to look costs something too."""
PROBE = b"name: probe\ntasks:\n  - name: t\n    image: a\n"


class Client(Protocol):
    """What a service offers."""

    process: subprocess.Popen[bytes]

    def get(self, path: str) -> Any:
        """Ask for a document."""

    def submit(self, body: bytes) -> str:
        """Hand in a job."""


class Cost(NamedTuple):
    """What one item cost."""

    seconds: float
    memory: float
    """Bytes that the runner and the API grew by, at most."""
    slowest_start: float
    """Seconds from the submission of another job to the start of its task, at worst."""
    median_start: float


def loop(name: str, items: int) -> bytes:
    """Write a job of one each."""
    text = f"name: {name}\ntasks:\n  - name: loop\n    each:\n      list: sequence(0, {items})\n"
    return f"{text}      task: {{name: step, image: a, env: {{I: '{{{{ item.value }}}}'}}}}\n".encode()


@contextmanager
def runner(data: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run a runner whose tasks end well at once."""
    command = [sys.executable, "-P", "-m", "scripts.noop_runtime", "--data", str(data), "--slots", str(SLOTS)]
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parent.parent)}
    with subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL) as process:
        try:
            yield process
        finally:
            process.terminate()


class Neighbour:
    """Someone who submits a small job now and then, and sees how soon it starts."""

    def __init__(self, service: Client) -> None:
        """Use a service."""
        self._service = service
        self._over = Event()
        self._thread = Thread(target=self._submit)
        self._jobs: list[str] = []

    def __enter__(self) -> Self:
        """Begin."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """End."""
        self._over.set()
        self._thread.join()

    def starts(self) -> list[float]:
        """Return the seconds that each job waited for its start."""
        return [_waited(self._service, job) for job in self._jobs]

    def _submit(self) -> None:
        while not self._over.wait(0.1):
            self._jobs.append(self._service.submit(PROBE))


def cost(service: Client, worker: subprocess.Popen[bytes], jobs: int, items: int) -> Cost:
    """Run so many jobs of so many items, one after another, and see what an item cost."""
    pids = [service.process.pid, worker.pid]
    before, began = containers.memory(pids), perf_counter()
    with Neighbour(service) as neighbour:
        peak = max(_memory_until_ended(service, pids, _submitted(service, items)) for _ in range(jobs))
        seconds = perf_counter() - began
    starts = neighbour.starts()
    count = jobs * items
    return Cost(seconds / count, max(0, peak - before) / count, max(starts), median(starts))


def _submitted(service: Client, items: int) -> str:
    name = f"each{uuid4().hex}"
    service.submit(loop(name, items))
    return name


def _memory_until_ended(service: Client, pids: list[int], name: str) -> int:
    peak = containers.memory(pids)
    while (state := _state(service, name)) not in ENDED:
        sleep(LOOK)
        peak = max(peak, containers.memory(pids))
    if state != "COMPLETED":
        raise SystemExit(f"job {name} ended {state}")
    return peak


def _state(service: Client, name: str) -> str:
    """Look a job up in the list: its document would be large."""
    return str(service.get(f"/jobs?q={name}")["items"][0]["state"])


def _waited(service: Client, job: str) -> float:
    events: list[dict[str, str]] = []
    while not any(event["type"] == "TaskStarted" for event in events):
        events = service.get(f"/jobs/{job}/events")["items"]
    times = {event["type"]: datetime.fromisoformat(event["time"]) for event in events}
    return (times["TaskStarted"] - times["JobSubmitted"]).total_seconds()
