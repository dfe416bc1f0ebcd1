"""A job as it goes, told in a few words: commands by the path of a task, events as `TaskScheduled 2.1`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import reduce
from typing import Any

from domain import job
from domain.definition import JobDefinition, TaskDefinition
from domain.job import Attempt, JobEvent, TaskStatus
from tests.controls import ENGINE, EPOCH, JOB, NOON, RUNNER


def task(name: str = "t", **given: Any) -> TaskDefinition:
    """Make a task that runs a container, unless something else is given."""
    composite = {"each", "parallel", "subjob"} & given.keys()
    return TaskDefinition(**({"name": name} | ({} if composite else {"image": "busybox:stable"}) | given))


class Story:
    """One job, from its submission on."""

    def __init__(self, *tasks: TaskDefinition, at: datetime = NOON, **given: Any) -> None:
        self.at = at
        self.events: list[JobEvent] = []
        self.state = job.initial()
        definition = JobDefinition(**{"name": "story", "tasks": tasks} | given)
        self.began = self.do(job.Submit(at=at, job=JOB, definition=definition))

    def do(self, command: Any) -> list[str]:
        """Decide a command, take over what follows, and tell it."""
        new = job.decide(command, self.state)
        self.state = reduce(job.evolve, new, self.state)
        self.events.extend(new)
        return self.told(new)

    def told(self, events: Sequence[JobEvent]) -> list[str]:
        return [" ".join(filter(None, (type(event).__name__, self.path_of(event)))) for event in events]

    def path_of(self, event: Any) -> str:
        attempt = self.state.attempts.get(getattr(event, "attempt", None))  # type: ignore[arg-type]  # None is in no dict
        return attempt.path if attempt else ""

    def attempt(self, path: str) -> Attempt:
        """Return the latest attempt at a path."""
        return next(each for each in reversed(self.state.attempts.values()) if each.path == path)

    def last(self, kind: type[Any]) -> Any:
        return next(event for event in reversed(self.events) if isinstance(event, kind))

    def start(self, path: str) -> list[str]:
        """Claim a task and start its container."""
        attempt = self.attempt(path).id
        claimed = self.do(job.Claim(at=self.at, attempt=attempt, runner=RUNNER, epoch=EPOCH, engine=ENGINE))
        intended = self.report(path, job.IntendStart, container="c")
        return [*claimed, *intended, *self.report(path, job.Start)]

    def report(self, path: str, kind: Any, **facts: Any) -> list[str]:
        attempt = self.attempt(path).id
        return self.do(kind(at=self.at, attempt=attempt, runner=RUNNER, epoch=EPOCH, **facts))

    def complete(self, path: str, result: str = "") -> list[str]:
        """Run a task to a good end, and tell what follows from that end."""
        if self.attempt(path).status is TaskStatus.SCHEDULED:
            self.start(path)
        return self.report(path, job.Complete, result=result)

    def fail(self, path: str, error: str = "exit code 1", cause: job.Cause = "exit") -> list[str]:
        if self.attempt(path).status is TaskStatus.SCHEDULED:
            self.start(path)
        return self.report(path, job.Fail, error=error, cause=cause)

    def waiting(self) -> list[str]:
        """Name the tasks that wait for a runner."""
        return [each.path for each in self.state.active.values() if each.status is TaskStatus.SCHEDULED]
