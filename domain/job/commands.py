"""What can be asked of a job."""

from __future__ import annotations

from uuid import UUID

from domain.definition import JobDefinition
from domain.event import Command
from domain.job.events import Cause, Output


class Submit(Command, frozen=True):
    """Hand in a new job."""

    job: UUID
    definition: JobDefinition


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
    """Take up, with a new epoch, an attempt of one's own from before a crash."""


class IntendStart(RunnerCommand, frozen=True):
    """Announce the one start of the container."""

    container: str
    image: str = ""


class Start(RunnerCommand, frozen=True):
    """Say that the container runs."""


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


JobCommand = Submit | Cancel | Restart | Claim | Adopt | IntendStart | Start | Complete | Fail | Lose | Stop
