"""The runtime of processes, from the outside."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection
from threading import Event
from uuid import UUID

from app.runner.processes import machine
from app.runner.processes.course import ProcessCourse
from app.runner.processes.home import Home, homes
from app.runner.processes.leg import Means
from app.runner.processes.remains import Remains
from app.runner.reporter import Reporter
from app.runner.runtime import RuntimeAway, Work
from app.runner.signals import Signals
from app.runner.tools import Tools
from app.settings import Settings
from projections.queue import Place


class ProcessRuntime:
    """Runs tasks as processes of this machine, under the runner's own account."""

    name = "process runtime"

    def __init__(self, settings: Settings) -> None:
        """Know where attempts have their folders; they are looked after here alone."""
        self._settings = settings
        self._folder = settings.runner.absolute() / "processes"
        self.id = ""
        self.is_there = Event()
        self.lost: Callable[[], None] = lambda: None

    def connect(self) -> None:
        """Learn which machine this is."""
        try:
            os.close(os.pidfd_open(os.getpid()))
        except (AttributeError, OSError) as error:
            msg = f"this system can not tell a process from a later one with the same number: {error}"
            raise RuntimeAway(msg) from None
        self.id = machine.identity(self._settings.runner)
        self.is_there.set()

    def course(self, work: Work, tools: Tools, signals: Signals) -> ProcessCourse:
        """Take an attempt upon itself; nothing happens yet."""
        return ProcessCourse(Means(work, tools, signals, Reporter(tools.ledger, work), self._home(work.place)))

    def found(self, log: UUID, runner: UUID) -> Collection[Place]:  # noqa: ARG002 - no other has this folder
        """Name the attempts of which something is left; of their places only the ids count."""
        return [Place(0, plate.attempt, plate.job, 0) for _, plate in homes(self._folder) if plate.log == log]

    def leftover(self, log: UUID, place: Place) -> Remains:  # noqa: ARG002 - as above
        """Take what is left of an attempt, which is over."""
        return Remains(self._home(place), place.attempt.hex)

    def close(self) -> None:
        """Let go of nothing: what runs goes on running."""

    def _home(self, place: Place) -> Home:
        return Home(self._folder / place.attempt.hex)
