# long: each event there is, in the order in which they can happen
"""What can happen to a job. These names and fields are the storage format: a promise for ever."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

import msgspec

from domain.definition import JobDefinition, TaskDefinition
from domain.event import Event

Cause = Literal["exit", "oom", "timeout", "image", "container", "result", "unknown", "child", "subjob"]
"""Why an attempt failed: its program, its memory, its time, its image, the Engine, its result, or nobody can tell;
or a task inside it did, or the job that it had started."""


class Output(msgspec.Struct, frozen=True, gc=False):
    """What an attempt printed, by measure: the text itself is kept outside the log."""

    length: int
    """Bytes, stdout and stderr together."""
    sha256: str


class Parent(msgspec.Struct, frozen=True, gc=False):
    """The task that started a job."""

    job: UUID
    attempt: UUID


class JobSubmitted(Event, frozen=True):
    """Someone handed in a job."""

    at: datetime
    job: UUID
    definition: JobDefinition
    """As it was written, nothing evaluated, no default filled in; secrets are placeholders."""
    parent: Parent | None = None
    """The task that started it and waits for its end; nothing when a client handed it in, or nobody waits."""


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
    parent: UUID | None = None
    """The attempt of the composite task to which it belongs; nothing for a task of the job itself."""
    path: str = ""
    """The way to the task, as `2.1` for the first one inside the second; older events have none: it is the position."""
    retries: int = 0
    """How many failures this attempt makes good since the task was first begun, or the job was restarted."""
    due: datetime | None = None
    """When it may run at the earliest; nothing for at once."""
    losses: int = 0
    """How many attempts in a row, just before this one, were never started."""


class TaskExpanded(Event, frozen=True):
    """A parallel or an each task began: from now on it is what its children make of it."""

    at: datetime
    attempt: UUID
    position: int
    number: int
    task: TaskDefinition
    """Evaluated as far as it is its own; the children as they were written."""
    size: int
    """How many children it has."""
    limit: int
    """How many of them wait or run at the same time, at most."""
    items: tuple[Any, ...] | None = None
    """What an each task found in its list: one child an item."""
    parent: UUID | None = None
    path: str = ""


class SubjobStarted(Event, frozen=True):
    """A task asked for a job of its own; unless that is detached, the task ends when the job does."""

    at: datetime
    attempt: UUID
    position: int
    number: int
    task: TaskDefinition
    """Evaluated: what the job will be is in its `subjob`."""
    job: UUID
    """The id of the new job."""
    parent: UUID | None = None
    path: str = ""


class TaskSkipped(Event, frozen=True):
    """The condition of a task did not hold: it counts as done."""

    at: datetime
    attempt: UUID
    position: int
    number: int
    task: TaskDefinition
    parent: UUID | None = None
    path: str = ""


class TaskRejected(Event, frozen=True):
    """A task could not be made ready, as when an expression of it has no value: it has failed without having run."""

    at: datetime
    attempt: UUID
    position: int
    number: int
    task: TaskDefinition
    """As it was written."""
    error: str
    parent: UUID | None = None
    path: str = ""


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
    """A container was created and is about to be started, once."""

    at: datetime
    attempt: UUID
    container: str
    image: str = ""
    """The id of the very image, whatever its tag names later."""
    phase: str = ""
    """Which container of the attempt: `pre-1`, `post-1`, `sidecar-1` and so on; empty for the task's own."""


class TaskStarted(Event, frozen=True):
    """The container runs."""

    at: datetime
    attempt: UUID


class TaskProgressed(Event, frozen=True):
    """The task told how far it is."""

    at: datetime
    attempt: UUID
    progress: float
    """From 0 to 100."""


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
    result: str = ""
    delete_at: datetime | None = None
    """When the job deletes itself; nothing for never."""


class JobFailed(Event, frozen=True):
    """A task failed and the job with it; what else of the job waited or ran is cancelled."""

    at: datetime
    error: str


class JobCancelled(Event, frozen=True):
    """Someone called the job off before it ended."""

    at: datetime


class JobRestarted(Event, frozen=True):
    """Someone asked to go on with a failed or cancelled job, at the task where it ended."""

    at: datetime
    position: int
    """The task of the job, from 1; a composite one begins anew, with all that is in it."""


class JobDeleted(Event, frozen=True):
    """The job is to be seen no more: its output and its secrets are gone; its history stays."""

    at: datetime


class WebhookAttempted(Event, frozen=True):
    """A delivery failed, and will be tried again."""

    at: datetime
    webhook: int
    """Its place among the job's webhooks, from 0."""
    cause: int
    """The number, in the job's stream, of the event of which it tells."""
    number: int
    """The how-manieth try it was, from 1."""
    error: str
    due: datetime
    """When it will be tried again."""
    status: int | None = None
    """The HTTP status of the answer, if there was one."""


class WebhookDelivered(Event, frozen=True):
    """The receiver took a delivery."""

    at: datetime
    webhook: int
    cause: int
    number: int
    status: int


class WebhookGaveUp(Event, frozen=True):
    """A delivery failed and will not be tried again."""

    at: datetime
    webhook: int
    cause: int
    number: int
    error: str
    status: int | None = None


Beginning = TaskScheduled | TaskExpanded | SubjobStarted | TaskSkipped | TaskRejected
"""Events with which an attempt begins."""
JobEvent = (
    JobSubmitted
    | TaskScheduled
    | TaskExpanded
    | SubjobStarted
    | TaskSkipped
    | TaskRejected
    | TaskClaimed
    | TaskAdopted
    | TaskStartIntended
    | TaskStarted
    | TaskProgressed
    | TaskCompleted
    | TaskFailed
    | TaskLost
    | TaskStopped
    | JobCompleted
    | JobFailed
    | JobCancelled
    | JobRestarted
    | JobDeleted
    | WebhookAttempted
    | WebhookDelivered
    | WebhookGaveUp
)
