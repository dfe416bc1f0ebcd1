"""Measuring containers: through Jobledger, and straight on the Engine's API."""

from __future__ import annotations

import http.client
import json
import os
import random
import socket
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from statistics import median
from time import perf_counter, sleep
from typing import Any, Protocol

IMAGE = "busybox:stable"
ENDED = {"COMPLETED", "FAILED", "CANCELLED"}
TICKS = os.sysconf("SC_CLK_TCK")
FIXED = range(20_000, 32_000)
"""Ports below those that Linux gives out by itself."""


class Client(Protocol):
    """What a service offers."""

    def get(self, path: str) -> Any:
        """Ask for a document."""

    def submit(self, body: bytes) -> str:
        """Hand in a job."""


def job(number: int) -> bytes:
    """Write a job of one container."""
    task = f"  - name: hello\n    image: {IMAGE}\n    run: echo -n hello {number}\n"
    return f"name: bench {number}\ntasks:\n{task}".encode()


def many(service: Client, count: int) -> float:
    """Return how many jobs a second ran, from the first submission to the last end."""
    ended = _ended(service, [service.submit(job(number)) for number in range(count)])
    return count / (max(_time(each["completedAt"]) for each in ended) - min(_time(each["createdAt"]) for each in ended))


def single(service: Client, count: int) -> float:
    """Return the median seconds from a submission to the end of the job, one after another."""
    return median(_taken(_ended(service, [service.submit(job(number))])[0]) for number in range(count))


def _taken(document: Any) -> float:
    return _time(document["completedAt"]) - _time(document["createdAt"])


def _ended(service: Client, ids: list[str]) -> list[Any]:
    documents = []
    for each in ids:
        while (document := service.get(f"/jobs/{each}"))["state"] not in ENDED:
            sleep(0.05)
        if document["state"] != "COMPLETED":
            raise SystemExit(f"job {each} ended {document['state']}: {document.get('error')}")
        documents.append(document)
    return documents


def _time(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


class EngineConnection(http.client.HTTPConnection):
    """HTTP over the Engine's socket."""

    def connect(self) -> None:
        """Connect to the socket instead of a host."""
        path = os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock").removeprefix("unix://")
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(path)


def need_an_engine() -> None:
    """End with a word about it when there is no Engine: jobs would wait for one."""
    try:
        EngineConnection("engine").connect()
    except OSError as error:
        raise SystemExit(f"no Docker Engine answers ({error}): DOCKER_HOST=$(scripts/engine) gives one") from None


def raw_one(number: int) -> float:
    """Create, start, wait for and remove one container; return the seconds from the first to the end of the wait."""
    began = perf_counter()
    connection = EngineConnection("engine", timeout=60)

    def call(method: str, path: str, body: object = None) -> Any:
        connection.request(method, path, json.dumps(body) if body else None, {"Content-Type": "application/json"})
        content = connection.getresponse().read()
        return json.loads(content) if content else None

    create = {"Image": IMAGE, "Cmd": ["sh", "-c", f"echo -n hello {number}"]}
    container = call("POST", "/containers/create", create)["Id"]
    call("POST", f"/containers/{container}/start")
    if call("POST", f"/containers/{container}/wait")["StatusCode"]:
        raise SystemExit("a raw container failed")
    call("DELETE", f"/containers/{container}")
    connection.close()
    return perf_counter() - began


def raw_rate(count: int, at_a_time: int) -> float:
    """Return how many containers a second the Engine runs by itself."""
    began = perf_counter()
    with ThreadPoolExecutor(at_a_time) as threads:
        list(threads.map(raw_one, range(count)))
    return count / (perf_counter() - began)


def raw_median(count: int) -> float:
    """Return the median seconds of a container, create to remove, one after another."""
    return median(raw_one(number) for number in range(count))


def free_port() -> int:
    """Return a port of this machine that nobody listens on, and that the system gives to nobody who asks for any."""
    while True:
        port = random.choice(FIXED)  # noqa: S311 - so that two who ask at once hardly get the same
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port


def family(pid: int) -> list[int]:
    """Return a process and all that it started; some of them may end while one looks."""
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except (FileNotFoundError, ProcessLookupError):
        return [pid]
    return [pid, *(each for child in children for each in family(int(child)))]


def processor_seconds(pids: list[int]) -> float:
    """Return the processor time that processes have used."""
    return sum(_processor_seconds(pid) for pid in pids)


def _processor_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def memory(pids: list[int]) -> int:
    """Return the bytes that processes hold, what they share counted once each."""
    return sum(_field(pid, "Rss") for pid in pids)


def _field(pid: int, name: str) -> int:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{name}:"))
