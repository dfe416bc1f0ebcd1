"""The interface behind which runtimes live: what runs tasks, be it a Docker Engine, this machine, or nothing at all.

An attempt is claimed, its course is run to a verdict, the verdict is recorded, and only then is it cleaned up after.
A runner may be killed at any point of this: what a runtime started must be found again by its next start, and nothing
may be started twice. So each program, a *phase* of the attempt (`pre-1`, `sidecar-1`, `post-1`, or the empty word for
the task's own), is announced in the log by `IntendStart` before its only start.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from functools import reduce
from threading import Event
from typing import TYPE_CHECKING, NamedTuple, Protocol
from uuid import UUID

from app.runner.signals import Signals
from app.runner.verdict import Verdict
from domain.definition import TaskDefinition
from domain.job import TaskScheduled, TaskStatus, attempt_id
from projections.queue import Claim, Place

if TYPE_CHECKING:
    from app.runner.tools import Tools


class RuntimeAway(Exception):
    """What runs tasks is not there, or hangs: nothing is known of what was asked."""


class Work(NamedTuple):
    """A claimed attempt, and what it shall run."""

    log: UUID
    """The log's own id: what is left of attempts of other logs is not ours to touch."""
    runner: UUID
    place: Place
    claim: Claim
    scheduled: TaskScheduled
    task: TaskDefinition
    """Ready to run, its secrets put in: it must neither be stored nor shown."""

    @property
    def key(self) -> str:
        """The attempt's name, as it is written in the output's file and elsewhere."""
        return self.place.attempt.hex

    @property
    def path(self) -> str:
        """The way to the task in its job; in events from before there were ways, it is the position."""
        return self.scheduled.path or str(self.scheduled.position)

    @property
    def may_follow(self) -> bool:
        """Whether something of a former attempt at the task may be left: each first attempt has the id of a first."""
        places = map(int, self.path.split("."))
        return self.place.attempt != reduce(lambda owner, place: attempt_id(owner, place, 1), places, self.place.job)


class Leftover(Protocol):
    """What is left of an attempt that is over."""

    def clean(self) -> None:
        """Remove it, as far as it is possible now; what can not be removed is found again later."""


class Course(Leftover, Protocol):
    """One attempt on its way. What it finds decides how it goes on, not what it remembers."""

    def run(self, status: TaskStatus, phases: Collection[str]) -> Verdict:
        """Go on from what the log says to a verdict.

        CLAIMED: nothing was started yet. STARTING or RUNNING: after a crash, with the phases whose start was announced.
        CANCELLED: the same, but only to call it off. `Left` is raised when the runner ends before the attempt does.
        """


class Runtime(Protocol):
    """Runs attempts; any thread may ask."""

    lost: Callable[[], None]
    """Set by its user; called when it is found not to answer any more."""

    @property
    def id(self) -> str:
        """Where attempts belong from their claim on: a Docker Engine's own id, or a machine's; known once connected."""

    @property
    def name(self) -> str:
        """What it is called when people are told of it, after `the` or `no`."""

    @property
    def is_there(self) -> Event:
        """Set while it answers."""

    def connect(self) -> None:
        """Make sure that it answers, and learn which one it is, or raise `RuntimeAway`."""

    def course(self, work: Work, tools: Tools, signals: Signals) -> Course:
        """Take an attempt upon itself; nothing happens yet."""

    def found(self, log: UUID, runner: UUID) -> Collection[Place]:
        """Name the attempts of a runner of which something is left, or raise `RuntimeAway`.

        Of their places only the ids count.
        """

    def leftover(self, log: UUID, place: Place) -> Leftover:
        """Take what is left of an attempt, which is over."""

    def close(self) -> None:
        """Let go of what it holds; what runs goes on running."""
