"""What can be asked of a job."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from domain.definition import JobDefinition
from domain.event import Command
from domain.job.events import Cause, Output, Parent


class Submit(Command, frozen=True):
    """Hand in a new job."""

    job: UUID
    definition: JobDefinition
    parent: Parent | None = None


class Cancel(Command, frozen=True):
    """Call the job off."""


class Restart(Command, frozen=True):
    """Go on with a failed or cancelled job, at the task where it ended."""


class Claim(Command, frozen=True):
    """Take a scheduled attempt."""

    attempt: UUID
    runner: UUID
    epoch: int
    engine: str


class RunnerCommand(Command, frozen=True):
    """What only the runner that holds the attempt may say; the epoch keeps out those it was before a crash."""

    attempt: UUID
    runner: UUID
    epoch: int


class Adopt(RunnerCommand, frozen=True):
    """Take up, with a new epoch, an attempt of one's own from before a crash, where it was claimed for."""

    engine: str


class IntendStart(RunnerCommand, frozen=True):
    """Announce the one start of a container."""

    container: str
    image: str = ""
    phase: str = ""


class Start(RunnerCommand, frozen=True):
    """Say that the container runs."""


class Progress(RunnerCommand, frozen=True):
    """Say how far the task is, from 0 to 100."""

    progress: float


class Complete(RunnerCommand, frozen=True):
    """Say that the attempt ended well."""

    result: str = ""
    output: Output | None = None


class Fail(RunnerCommand, frozen=True):
    """Say that the attempt ended badly."""

    error: str
    cause: Cause
    exit_code: int | None = None
    output: Output | None = None


class Lose(RunnerCommand, frozen=True):
    """Say that the attempt certainly never ran, nor ever will."""

    reason: str


class Stop(RunnerCommand, frozen=True):
    """Say that the container of a cancelled attempt is gone."""

    exit_code: int | None = None
    output: Output | None = None


class EndSubjob(Command, frozen=True):
    """Say how the job ended that a task had started."""

    attempt: UUID
    result: str = ""
    error: str | None = None
    """Why it did not end well; nothing when it did."""


class Delete(Command, frozen=True):
    """Let a job that has ended be seen no more."""


class RecordDelivery(Command, frozen=True):
    """Say how a try to deliver a webhook went."""

    webhook: int
    """Its place among the job's webhooks, from 0."""
    cause: int
    """The number, in the job's stream, of the event of which it tells."""
    number: int
    """The how-manieth try, from 1."""
    status: int | None = None
    """The HTTP status of the answer, if there was one."""
    error: str = ""
    """Why it failed; empty when it did not."""
    due: datetime | None = None
    """When it will be tried again, if it will be."""


JobCommand = (
    Submit
    | Cancel
    | Restart
    | Claim
    | Adopt
    | IntendStart
    | Start
    | Progress
    | Complete
    | Fail
    | Lose
    | Stop
    | EndSubjob
    | Delete
    | RecordDelivery
)
