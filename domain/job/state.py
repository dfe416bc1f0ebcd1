"""What is remembered of a job between two commands: no more than decisions need."""

from __future__ import annotations

from enum import StrEnum
from uuid import UUID, uuid5

import msgspec

from domain.definition import TaskDefinition


class JobStatus(StrEnum):
    """The states of a job, in the words of the REST API."""

    PENDING = "PENDING"
    """Accepted; no runner has taken its first task."""
    SCHEDULED = "SCHEDULED"
    """A runner has taken the first task; no container has run."""
    RUNNING = "RUNNING"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"

    @property
    def is_active(self) -> bool:
        """Whether the job has yet to end."""
        return self in _ACTIVE


_ACTIVE = frozenset({JobStatus.PENDING, JobStatus.SCHEDULED, JobStatus.RUNNING})


class TaskStatus(StrEnum):
    """The states of one attempt of a task."""

    SCHEDULED = "SCHEDULED"
    """It waits in its queue."""
    CLAIMED = "CLAIMED"
    """A runner prepares its container; the REST API shows SCHEDULED."""
    STARTING = "STARTING"
    """The one start of its container has been announced; the REST API shows SCHEDULED."""
    RUNNING = "RUNNING"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"
    LOST = "LOST"
    """It never ran; the REST API shows FAILED."""

    @property
    def is_held(self) -> bool:
        """Whether a runner is at work on it."""
        return self in _HELD


_HELD = frozenset({TaskStatus.CLAIMED, TaskStatus.STARTING, TaskStatus.RUNNING})


class Attempt(msgspec.Struct):
    """One attempt to run a task."""

    id: UUID
    position: int
    number: int
    status: TaskStatus = TaskStatus.SCHEDULED
    runner: UUID | None = None
    epoch: int = 0
    container: str = ""
    stopped: bool = True
    """Whether no runner has a container to see to any more."""


class Job(msgspec.Struct):
    """A job as its events tell it. `evolve` may change it in place, so that each event costs the same."""

    id: UUID = UUID(int=0)
    tasks: tuple[TaskDefinition, ...] = ()
    """As submitted; a job that was has at least one."""
    status: JobStatus = JobStatus.PENDING
    attempts: dict[UUID, Attempt] = {}
    """In the order of their scheduling."""

    @property
    def latest(self) -> Attempt:
        """The attempt, of the task at which the job stands, that counts."""
        return next(reversed(self.attempts.values()))


def initial() -> Job:
    """Return the state of a stream without events."""
    return Job()


def attempt_id(job: UUID, position: int, number: int) -> UUID:
    """Compute the id of an attempt, so that scheduling it again is scheduling the same."""
    return uuid5(job, f"{position}#{number}")
