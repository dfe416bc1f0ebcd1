"""One phase of a course on its way, whatever runs it: its time, its progress, its result."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from datetime import datetime

from app.runner.exchange import BadResult, Exchange
from app.runner.limits import Limit, phase_limit
from app.runner.phases import OWN, Phase
from app.runner.progress import PERIOD, Gauge
from app.runner.reporter import Reporter
from app.runner.runtime import Work
from app.runner.signals import Signals
from app.runner.verdict import Failure


class Leg(ABC):
    """What is the same for all runtimes."""

    def __init__(self, work: Work, phase: Phase, signals: Signals, exchange: Exchange, *, tidying: bool) -> None:
        """Name what runs, and whether it only tidies up after a failure."""
        self._work = work
        self._phase = phase
        self._signals = signals
        self._exchange = exchange
        self._tidying = tidying
        self._limit: Limit | None = None

    @abstractmethod
    def run(self, *, announced: bool) -> None:
        """Bring the phase to its end from wherever it is; whatever is not a good end is raised."""

    @abstractmethod
    def call_off(self) -> int | None:
        """See to what is left of a phase that was called off while no runner was there; return its exit code."""

    def result(self) -> str:
        """Return what the phase left as its result."""
        try:
            return self._exchange.result()
        except BadResult as error:
            raise Failure(str(error), "result", 0) from None

    def _allow(self, began: datetime, *, has_ended: bool = False) -> None:
        """Set the time that there is; what has ended needs none, but it may have ended too late."""
        self._limit = phase_limit(self._work, self._phase, began, tidying=self._tidying)
        self._signals.limit(self._limit.at if self._limit and not has_ended else None)

    def _outlast(self, ended: Callable[[], bool], reporter: Reporter, say: Callable[[str], None]) -> None:
        """Wait for the end of what runs; meanwhile, of the task's own phase, tell how far it is."""
        if self._phase.name != OWN:
            self._signals.wait(ended)
            return
        gauge = Gauge(self._exchange.progress, reporter.progressed, say)
        while not self._signals.wait(ended, PERIOD):
            gauge.look()
        gauge.look()
