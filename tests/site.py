"""A data folder with its log, and the runners that work on it with a real Docker Engine."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import docker
import msgspec

from app import output
from app.log import Log
from app.log.log import now
from app.runner import Engine, Runner
from app.runner.docker_runtime import DockerRuntime
from app.settings import Settings
from app.vault import Vault
from domain import job
from domain.definition import AuxiliaryTask, JobDefinition, PostTask, Sidecar, TaskDefinition
from domain.job import Attempt, Job, JobStatus
from domain.secrets import conceal
from scripts import private_engine
from scripts.packages import as_root
from tests import controls as c
from tests.waiting import PATIENCE, until

ROOT = Path(__file__).parent.parent


def task(run: str = "", **given: Any) -> TaskDefinition:
    return TaskDefinition(**{"name": "t", "image": "busybox:stable", "run": run} | given)


def pre(run: str = "", **given: Any) -> AuxiliaryTask:
    return AuxiliaryTask(**{"name": "before", "image": "busybox:stable", "run": run} | given)


def post(run: str = "", **given: Any) -> PostTask:
    return PostTask(**{"name": "after", "image": "busybox:stable", "run": run} | given)


def sidecar(run: str = "", **given: Any) -> Sidecar:
    return Sidecar(**{"name": "Side Car", "image": "busybox:stable", "run": run} | given)


class Installation:
    """A data folder with its log."""

    def __init__(self, data: Path) -> None:
        self.settings = Settings(data=data, name=f"runner-{uuid4().hex[:8]}", slots=4)
        self.settings.prepare()
        self.log = Log(self.settings.log)

    def close(self) -> None:
        self.log.close()

    def submit(self, *tasks: TaskDefinition, secrets: dict[str, str] | None = None) -> UUID:
        job_id = uuid4()
        definition, values = conceal(JobDefinition(name="job", tasks=tasks, secrets=secrets or {}))
        if values:
            with closing(Vault(self.settings.secrets)) as vault:
                vault.put(job_id, values)
        self.execute(job_id, job.Submit(at=now(), job=job_id, definition=definition))
        return job_id

    def given(self, **settings: Any) -> None:
        """Have the runners to come work with other settings."""
        self.settings = msgspec.structs.replace(self.settings, **settings)

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

    def printed(self, job_id: UUID) -> bytes:
        attempts = [attempt.id.hex for attempt in self.attempts(job_id)]
        return b"".join(output.whole(self.settings.output, attempts))

    def folders(self) -> list[str]:
        return [path.name for path in (self.settings.runner / "attempts").glob("*")]

    def recorded(self) -> list[Any]:
        return [self.log.open(each) for each in self.log.recorder.select_notifications(0, 10_000)]


class Site(Installation):
    """An installation whose runners work with a real Docker Engine."""

    def __init__(self, data: Path, docker_host: str, client: docker.DockerClient) -> None:
        super().__init__(data)
        self.address = docker_host
        self.client = client
        self.said = data / "said.txt"
        """What the latest runner process said."""

    def close(self) -> None:
        """Let go of the log, and of what a failed test left."""
        for job_id in {recorded.originator_id for recorded in self.recorded()}:
            for container in self.containers(job_id):
                container.remove(force=True)
            for other in self.shared(job_id):
                other.remove()
        super().close()

    def ends(self, job_id: UUID, seconds: float = PATIENCE) -> JobStatus:
        """Wait until the job has ended, and its containers are gone."""
        until(lambda: not self.state(job_id).status.is_active, seconds)
        until(lambda: all(attempt.stopped for attempt in self.attempts(job_id)))
        until(lambda: not self.containers(job_id) and not self.shared(job_id))
        return self.state(job_id).status

    def containers(self, job_id: UUID) -> list[Any]:
        found: list[Any] = self.client.containers.list(
            all=True, filters={"label": f"jobledger.job={job_id.hex}"}, ignore_removed=True
        )
        return found

    def shared(self, job_id: UUID) -> list[Any]:
        """Return the networks and volumes of a job."""
        label = {"label": f"jobledger.job={job_id.hex}"}
        return [*self.client.networks.list(filters=label), *self.client.volumes.list(filters=label)]

    def starts(self, job_id: UUID) -> list[str]:
        """Name the phases of which a container of a job was started, as the Engine saw it."""
        wanted = {"label": f"jobledger.job={job_id.hex}", "event": "start"}
        until_ = int(now().timestamp()) + 1
        seen = self.client.events(since=until_ - 120, until=until_, filters=wanted, decode=True)
        return [each["Actor"]["Attributes"]["jobledger.phase"] for each in seen]

    def runner(self, address: str = "") -> Runner:
        """Make a runner of this installation."""
        return Runner(self.log, self.settings, DockerRuntime(self.settings, Engine(address or self.address)))

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
    def process(self, address: str = "") -> Iterator[subprocess.Popen[bytes]]:
        """Run a runner as a process of its own, in the Engine's network; at the end it drains, or is killed."""
        engine = Path(self.address.removeprefix("unix://")).parent
        beside = as_root("nsenter", f"--net=/proc/{private_engine.first_process(engine)}/ns/net")
        command = [sys.executable, "-m", "app", "runner", "--data", self.settings.data, "--name", self.settings.name]
        environment = os.environ | {"DOCKER_HOST": address or self.address}
        with (
            self.said.open("wb") as said,
            subprocess.Popen([*beside, *command, "--slots", "4"], cwd=ROOT, env=environment, stderr=said) as process,
        ):
            try:
                yield process
            finally:
                process.terminate()
                with suppress(subprocess.TimeoutExpired):
                    process.wait(PATIENCE)
                process.kill()
