"""What a course tells the log of its attempt before the verdict."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime

from app.runner.ledger import Ledger
from app.runner.runtime import Work
from app.runner.signals import Cancelled
from domain import job
from domain.errors import Refused


class Reporter:
    """Speaks for one attempt."""

    def __init__(self, ledger: Ledger, work: Work) -> None:
        """Begin with nothing told."""
        self._ledger = ledger
        self._place = work.place
        self._cause = work.claim.position
        self.has_started = False
        """Whether a phase was seen to have run."""
        self._percent = 0

    def intend(self, phase: str, container: str, image: str = "") -> None:
        """Announce the one start of a phase, which may be refused: a cancel was first."""
        facts = {"phase": phase, "container": container, "image": image}
        try:
            self._ledger.report(self._place, job.IntendStart, self._cause, **facts)
        except Refused:
            if self._ledger.is_called_off(self._place):
                raise Cancelled from None
            raise

    def started(self, at: datetime) -> None:
        """Tell when the first phase began; of the others nothing is to be told."""
        if not self.has_started:
            self._ledger.report(self._place, job.Start, self._cause, at=at)
            self.has_started = True

    def progressed(self, percent: int) -> None:
        """Tell how far the task is, if that is new."""
        if percent == self._percent:
            return
        self._percent = percent
        with suppress(Refused):  # it was called off a moment ago; who else refuses it will refuse the verdict too
            self._ledger.report(self._place, job.Progress, self._cause, progress=float(percent))
