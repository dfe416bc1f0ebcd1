"""What is remembered of a job between two commands: no more than decisions need."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID, uuid5

import msgspec

from domain.definition import JobDefinition, TaskDefinition
from domain.errors import Missing, Refused
from domain.job.events import Parent

WIDEST = 500
"""Children of composite tasks that wait or run at the same time, all of a job together.

Ample for every runner, and a bound for one append: the others are scheduled as these end.
"""


class JobStatus(StrEnum):
    """The states of a job, in the words of the REST API."""

    PENDING = "PENDING"
    """Accepted; no runner has taken a task."""
    SCHEDULED = "SCHEDULED"
    """A runner has taken a task; no container has run."""
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
    """A runner prepares its containers; the REST API shows SCHEDULED."""
    STARTING = "STARTING"
    """The one start of its first container has been announced; the REST API shows SCHEDULED."""
    RUNNING = "RUNNING"
    """Its containers run; or it is a composite task whose children do."""
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"
    SKIPPED = "SKIPPED"
    LOST = "LOST"
    """It never ran; the REST API shows FAILED."""

    @property
    def is_held(self) -> bool:
        """Whether a runner is at work on it, if it is for a runner."""
        return self in _HELD


_HELD = frozenset({TaskStatus.CLAIMED, TaskStatus.STARTING, TaskStatus.RUNNING})


class Branch(msgspec.Struct):
    """Tasks that together are one: the job itself, or a composite task. Its children begin in their order."""

    size: int
    limit: int = 1
    """How many children may wait or run at the same time."""
    room: int = WIDEST
    """How many tasks below it may, all together."""
    begun: int = 0
    running: int = 0
    """Children that have begun and not ended."""
    done: int = 0
    items: tuple[Any, ...] | None = None
    task: TaskDefinition | None = None
    """The composite task; none for the job."""
    scope: dict[str, Any] = {}
    """What expressions of its children see of the loops around them."""

    @property
    def has_room(self) -> bool:
        """Whether another child may begin."""
        return self.begun < self.size and self.running < self.limit

    @property
    def is_done(self) -> bool:
        """Whether all children have ended well."""
        return self.done == self.size

    @property
    def share(self) -> int:
        """How many tasks may wait or run in one child."""
        return max(1, self.room // max(1, min(self.limit, self.size)))

    def begin(self, place: int) -> None:
        """Count a child that begins, or begins again."""
        self.begun = max(self.begun, place)
        self.running += 1

    def end(self) -> None:
        """Count a child that ended well."""
        self.running -= 1
        self.done += 1

    def rewind(self, place: int) -> None:
        """Stand before a child as if it had never begun."""
        self.begun = self.done = place - 1
        self.running = 0


class Attempt(msgspec.Struct):
    """One attempt to run a task."""

    id: UUID
    position: int
    number: int
    status: TaskStatus = TaskStatus.SCHEDULED
    runner: UUID | None = None
    epoch: int = 0
    engine: str = ""
    """Where it was claimed for: what runs it is there, and nowhere else."""
    container: str = ""
    stopped: bool = True
    """Whether no runner has a container to see to any more."""
    parent: UUID | None = None
    """The attempt of the composite task around it."""
    path: str = ""
    task: TaskDefinition | None = None
    """What is run; none once that is over."""
    retries: int = 0
    losses: int = 0
    due: datetime | None = None
    phases: tuple[str, ...] = ()
    """The containers whose start has been announced; the empty word is the task's own."""
    progress: float = 0.0
    branch: Branch | None = None
    """Of a composite task."""
    job: UUID | None = None
    """The job that it started and waits for."""

    @property
    def place(self) -> int:
        """Its place among its siblings, from 1."""
        return int(self.path.rpartition(".")[2])


class Job(msgspec.Struct):
    """A job as its events tell it. `evolve` may change it in place, so that each event costs the same."""

    id: UUID = UUID(int=0)
    definition: JobDefinition | None = None
    """As submitted; none for a job that was not."""
    parent: Parent | None = None
    status: JobStatus = JobStatus.PENDING
    root: Branch = msgspec.field(default_factory=lambda: Branch(0))
    attempts: dict[UUID, Attempt] = {}
    """In the order in which they began."""
    active: dict[UUID, Attempt] = {}
    """Those that have yet to end."""
    latest: Attempt | None = None
    """The latest attempt of a task of the job itself: it tells at which task the job stands."""
    results: dict[str, str] = {}
    """What tasks returned, by the names of their variables."""
    has_begun: bool = False
    """Whether a task was ever taken by a runner, or started a job."""
    deleted: bool = False
    settled: dict[int, int] = {}
    """For each webhook the number of the last event of which its delivery is settled."""

    @property
    def submitted(self) -> JobDefinition:
        """What was submitted; raises `Missing` when nothing was."""
        if self.definition is None:
            raise Missing("job not found")
        return self.definition

    def branch(self, owner: UUID | None) -> Branch:
        """Return the branch of a composite task's attempt that has not ended, or the job's own."""
        branch = self.root if owner is None else self.attempts[owner].branch
        if branch is None:
            raise Refused(f"attempt {owner} is not a composite task under way")
        return branch


def initial() -> Job:
    """Return the state of a stream without events."""
    return Job()


def attempt_id(owner: UUID, place: int, number: int) -> UUID:
    """Compute the id of an attempt, so that scheduling it again is scheduling the same.

    The owner is the job, or the attempt of the composite task around it; the place is the one among its siblings.
    """
    return uuid5(owner, f"{place}#{number}")
