"""A data folder with its log, and the runners that work on it with a real Docker Engine."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import docker

from app import output
from app.log import Log
from app.log.log import now
from app.runner import Engine, Runner
from app.settings import Settings
from domain import job
from domain.definition import JobDefinition, TaskDefinition
from domain.job import Attempt, Job, JobStatus
from tests import controls as c
from tests.waiting import PATIENCE, until

ROOT = Path(__file__).parent.parent


def task(run: str = "", **given: Any) -> TaskDefinition:
    return TaskDefinition(**{"name": "t", "image": "busybox:stable", "run": run} | given)


class Site:
    """One installation."""

    def __init__(self, data: Path, docker_host: str, client: docker.DockerClient) -> None:
        self.settings = Settings(data=data, name=f"runner-{uuid4().hex[:8]}", slots=4)
        self.settings.prepare()
        self.log = Log(self.settings.log)
        self.address = docker_host
        self.client = client
        self.said = data / "said.txt"
        """What the latest runner process said."""

    def close(self) -> None:
        """Let go of the log, and of containers that a failed test left."""
        for job_id in {recorded.originator_id for recorded in self.recorded()}:
            for container in self.containers(job_id):
                container.remove(force=True)
        self.log.close()

    def submit(self, *tasks: TaskDefinition) -> UUID:
        job_id = uuid4()
        definition = JobDefinition(name="job", tasks=tasks)
        self.execute(job_id, job.Submit(at=now(), job=job_id, definition=definition))
        return job_id

    def cancel(self, job_id: UUID) -> None:
        self.execute(job_id, job.Cancel(at=now()))

    def restart(self, job_id: UUID) -> None:
        self.execute(job_id, job.Restart(at=now()))

    def execute(self, job_id: UUID, command: Any) -> Job:
        state: Job = self.log.execute(job, job_id, command, c.CLIENT).state
        return state

    def state(self, job_id: UUID) -> Job:
        state: Job = self.log.load(job, job_id)
        return state

    def attempts(self, job_id: UUID) -> list[Attempt]:
        return list(self.state(job_id).attempts.values())

    def events(self, job_id: UUID) -> list[Any]:
        return [recorded.event for recorded in self.log.read(job_id)]

    def types(self, job_id: UUID) -> list[str]:
        return [type(event).__name__ for event in self.events(job_id)]

    def last(self, job_id: UUID, kind: type[Any]) -> Any:
        return [event for event in self.events(job_id) if isinstance(event, kind)][-1]

    def happens(self, job_id: UUID, name: str, seconds: float = PATIENCE) -> None:
        """Wait until the job's history holds an event."""
        until(lambda: name in self.types(job_id), seconds)

    def ends(self, job_id: UUID, seconds: float = PATIENCE) -> JobStatus:
        """Wait until the job has ended, and its containers are gone."""
        until(lambda: not self.state(job_id).status.is_active, seconds)
        until(lambda: all(attempt.stopped for attempt in self.attempts(job_id)))
        until(lambda: not self.containers(job_id))
        return self.state(job_id).status

    def printed(self, job_id: UUID) -> bytes:
        attempts = [attempt.id.hex for attempt in self.attempts(job_id)]
        return b"".join(output.whole(self.settings.output, attempts))

    def containers(self, job_id: UUID) -> list[Any]:
        found: list[Any] = self.client.containers.list(
            all=True, filters={"label": f"jobledger.job={job_id.hex}"}, ignore_removed=True
        )
        return found

    def folders(self) -> list[str]:
        return [path.name for path in (self.settings.runner / "attempts").glob("*")]

    def recorded(self) -> list[Any]:
        return [self.log.open(each) for each in self.log.recorder.select_notifications(0, 10_000)]

    def runner(self, address: str = "") -> Runner:
        """Make a runner of this installation."""
        return Runner(self.log, self.settings, Engine(address or self.address))

    @contextmanager
    def running(self, address: str = "") -> Iterator[Runner]:
        """Run a runner in this process; at the end it drains."""
        runner = self.runner(address)
        thread = threading.Thread(target=runner.run)
        thread.start()
        try:
            yield runner
        finally:
            runner.drain()
            thread.join(PATIENCE)
            if thread.is_alive():
                runner.leave()
                thread.join(PATIENCE)

    @contextmanager
    def process(self) -> Iterator[subprocess.Popen[bytes]]:
        """Run a runner as a process of its own; at the end it is killed, if it still runs."""
        command = [sys.executable, "-m", "app", "runner", "--data", self.settings.data, "--name", self.settings.name]
        environment = os.environ | {"DOCKER_HOST": self.address}
        with (
            self.said.open("wb") as said,
            subprocess.Popen([*command, "--slots", "4"], cwd=ROOT, env=environment, stderr=said) as process,
        ):
            try:
                yield process
            finally:
                if process.poll() is None:
                    process.send_signal(signal.SIGKILL)
