"""An installation whose runners run tasks as processes of this machine."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

from app.log import Log
from app.log.log import now
from app.runner import Runner
from app.runner.ledger import Ledger
from app.runner.processes import warden
from app.settings import Settings
from app.vault import Vault
from domain import job
from domain.definition import JobDefinition, TaskDefinition
from domain.job import JobStatus
from domain.secrets import placeholder
from projections.queue import Place
from tests.site import ROOT, Site
from tests.waiting import PATIENCE, until

LONG = "600"
"""Seconds that a program sleeps which a test ends."""
BROKEN = """
import os, pathlib, sys
from app import bootstrap
from app.runner import attempt, reporter
from app.runner.processes import home, lookout, program, remains, ward
from app.settings import Settings

def die(*_, **__):
    os.kill(os.getpid(), 9)

def broken(function, when, count):
    calls = []
    def call(*given, **named):
        calls.append(1)
        if len(calls) == count and when == "before":
            die()
        found = function(*given, **named)
        if len(calls) == count:
            die()
        return found
    return call

data, name, where, when, count = sys.argv[1:]
if where:
    owner, _, attribute = where.rpartition(".")
    target = eval(owner)
    setattr(target, attribute, broken(getattr(target, attribute), when, int(count)))
bootstrap.run_runner(Settings(data=pathlib.Path(data), name=name, slots=4, runtime="process"))
"""
"""A runner that kills itself when it comes to some place, the how-manieth time it does."""


def task(run: str = "", **given: Any) -> TaskDefinition:
    return TaskDefinition(**{"name": "t", "run": run} | given)


class ProcessSite(Site):
    """One installation; what its tasks shall do together they do in a folder of their own."""

    def __init__(self, data: Path, meeting: Path) -> None:
        self.settings = Settings(data=data, name=f"runner-{uuid4().hex[:8]}", slots=4, runtime="process")
        self.settings.prepare()
        self.log = Log(self.settings.log)
        self.said = data / "said.txt"
        self.meeting = meeting
        meeting.mkdir()
        self._opened: list[int] = []

    def close(self) -> None:
        """Let go of the log, and kill what a failed test left."""
        for pid in self.processes():
            warden.send(pid, warden.begun(pid), signal.SIGKILL)
        for gate in self._opened:
            os.close(gate)
        self.log.close()

    def processes(self) -> list[int]:
        """Find all processes that know this installation by its folder: wardens, programs and runners of their own."""
        return [int(path.name) for path in Path("/proc").glob("[0-9]*") if self._knows(path)]

    def _knows(self, process: Path) -> bool:
        """Tell whether a process is a warden, or has a warden's program somewhere above it."""
        mark = os.fsencode(self.settings.data / "runner")
        try:
            known = (process / "cmdline").read_bytes() + (process / "environ").read_bytes()
        except OSError:
            return False
        return mark in known

    def ends(self, job_id: UUID, seconds: float = PATIENCE) -> JobStatus:
        """Wait until the job has ended, and nothing is left of its attempts."""
        until(lambda: not self.state(job_id).status.is_active, seconds)
        until(lambda: all(attempt.stopped for attempt in self.attempts(job_id)))
        until(lambda: not {each.id.hex for each in self.attempts(job_id)} & set(self.folders()))
        return self.state(job_id).status

    def folders(self) -> list[str]:
        return [path.name for path in (self.settings.runner / "processes").glob("*")]

    def home(self, job_id: UUID) -> Path:
        """Return the folder of the only attempt of a job."""
        return self.settings.runner.absolute() / "processes" / self.attempts(job_id)[-1].id.hex

    def ledger(self) -> Ledger:
        """Be the runner, in a new epoch."""
        return Ledger(self.log, self.settings.runner_name)

    def place(self, job_id: UUID) -> Place:
        return Place(0, self.attempts(job_id)[-1].id, job_id, 0)

    def submit_with(self, secrets: dict[str, str], *tasks: TaskDefinition) -> UUID:
        """Submit a job that has secrets, as the API does."""
        job_id = uuid4()
        with closing(Vault(self.settings.secrets)) as vault:
            vault.put(job_id, secrets)
        kept = {name: str(placeholder(name)) for name in secrets}
        definition = JobDefinition(name="job", tasks=tasks, secrets=kept)
        self.execute(job_id, job.Submit(at=now(), job=job_id, definition=definition))
        return job_id

    def runner(self, address: str = "") -> Runner:  # noqa: ARG002 - there is only one machine
        return Runner(self.log, self.settings)

    @contextmanager
    def process(self, where: str = "", when: str = "", count: int = 1) -> Iterator[subprocess.Popen[bytes]]:
        """Run a runner as a process of its own, which may be one that kills itself; at the end it is killed."""
        given = [str(self.settings.data), self.settings.name, where, when, str(count)]
        command = [sys.executable, "-c", BROKEN, *given]
        with self.said.open("ab") as said, subprocess.Popen(command, cwd=ROOT, stderr=said) as process:
            try:
                yield process
            finally:
                if process.poll() is None:
                    process.send_signal(signal.SIGKILL)

    def gate(self, name: str) -> Path:
        """Make a pipe at which a task waits for a line."""
        path = self.meeting / name
        os.mkfifo(path)
        return path

    def open(self, gate: Path) -> None:
        """Let through who waits at a gate, or will."""
        self._opened.append(os.open(gate, os.O_RDWR | os.O_CLOEXEC))
        os.write(self._opened[-1], b"go\n")

    def says(self, name: str) -> str:
        """Wait for a whole line in a file of the meeting place, and return it all."""
        path = self.meeting / name
        until(lambda: path.exists() and path.read_text().endswith("\n"))
        return path.read_text().strip()

    def stored(self, job_id: UUID) -> bytes:
        """Return what is stored by now of a job's output; nothing while there is no file."""
        return self.printed(job_id) if self.settings.output.exists() else b""
