"""What can happen to a job. These names and fields are the storage format: a promise for ever."""

from __future__ import annotations

from datetime import datetime
from typing import Literal
from uuid import UUID

import msgspec

from domain.definition import JobDefinition, TaskDefinition
from domain.event import Event

Cause = Literal["exit", "oom", "timeout", "image", "container", "result", "unknown"]
"""Why an attempt failed: its program, its memory, its time, its image, the Engine, its result, or nobody can tell."""


class Output(msgspec.Struct, frozen=True):
    """What an attempt printed, by measure: the text itself is kept outside the log."""

    length: int
    """Bytes, stdout and stderr together."""
    sha256: str


class JobSubmitted(Event, frozen=True):
    """Someone handed in a job."""

    at: datetime
    job: UUID
    definition: JobDefinition
    """As it was written, nothing evaluated, no default filled in."""


class TaskScheduled(Event, frozen=True):
    """A new attempt of a task waits in a queue for a runner."""

    at: datetime
    attempt: UUID
    position: int
    """The place of the task in the job, from 1."""
    number: int
    """The how-manieth attempt of this task it is, from 1."""
    task: TaskDefinition
    """What will be run: evaluated, with its defaults."""


class TaskClaimed(Event, frozen=True):
    """A runner took the attempt upon itself; of all that race for it, exactly one does."""

    at: datetime
    attempt: UUID
    runner: UUID
    epoch: int
    """Which start of the runner it was: later ones fence off earlier ones."""
    engine: str
    """The id of the Docker Engine to which the attempt belongs from now on."""


class TaskAdopted(Event, frozen=True):
    """The runner came back after a crash and took its attempt up again."""

    at: datetime
    attempt: UUID
    epoch: int


class TaskStartIntended(Event, frozen=True):
    """The container was created and is about to be started, once."""

    at: datetime
    attempt: UUID
    container: str
    image: str = ""
    """The id of the very image, whatever its tag names later."""


class TaskStarted(Event, frozen=True):
    """The container runs."""

    at: datetime
    attempt: UUID


class TaskCompleted(Event, frozen=True):
    """The attempt ended well."""

    at: datetime
    attempt: UUID
    result: str = ""
    output: Output | None = None


class TaskFailed(Event, frozen=True):
    """The attempt ended badly."""

    at: datetime
    attempt: UUID
    error: str
    cause: Cause
    exit_code: int | None = None
    output: Output | None = None


class TaskLost(Event, frozen=True):
    """The attempt certainly never ran and never will: a new one may take its place."""

    at: datetime
    attempt: UUID
    reason: str


class TaskStopped(Event, frozen=True):
    """The container of a cancelled attempt is gone. The exit code is for information: the state stays."""

    at: datetime
    attempt: UUID
    exit_code: int | None = None
    output: Output | None = None


class JobCompleted(Event, frozen=True):
    """The last task ended well."""

    at: datetime


class JobFailed(Event, frozen=True):
    """A task failed and the job with it."""

    at: datetime
    error: str


class JobCancelled(Event, frozen=True):
    """Someone called the job off before it ended."""

    at: datetime


class JobRestarted(Event, frozen=True):
    """Someone asked to go on with a failed or cancelled job, at the task where it ended."""

    at: datetime
    position: int


JobEvent = (
    JobSubmitted
    | TaskScheduled
    | TaskClaimed
    | TaskAdopted
    | TaskStartIntended
    | TaskStarted
    | TaskCompleted
    | TaskFailed
    | TaskLost
    | TaskStopped
    | JobCompleted
    | JobFailed
    | JobCancelled
    | JobRestarted
)
