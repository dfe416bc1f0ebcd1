"""What may come between an attempt and its end: a cancel, its time, the runner's own end."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime
from threading import Event

from app.log.log import now


class Interrupted(Exception):
    """An attempt does not go on as it began."""


class Cancelled(Interrupted):
    """The job was called off."""


class TimedOut(Interrupted):
    """The time of the task is over."""


class Left(Interrupted):
    """The runner ends and leaves the attempt to its next start."""


class Signals:
    """Wakes one attempt's thread, and tells it why."""

    def __init__(self) -> None:
        """Begin with nothing to tell, and no end of the time."""
        self.cancelled = 0
        """The position in the log of the event by which the job was called off."""
        self.left = False
        self.deadline: float | None = None
        """The end of the task's time, by the clock that only goes forward."""
        self._woken = Event()

    def cancel(self, position: int) -> None:
        """Tell that the job was called off."""
        self.cancelled = position
        self.wake()

    def leave(self) -> None:
        """Tell that the runner ends."""
        self.left = True
        self.wake()

    def wake(self) -> None:
        """Have the thread look around."""
        self._woken.set()

    def check(self) -> None:
        """Go no further if something came between."""
        if self.left:
            raise Left
        if self.cancelled:
            raise Cancelled
        if self.deadline is not None and time.monotonic() >= self.deadline:
            raise TimedOut

    def limit(self, end: datetime | None) -> None:
        """Set the end of the time, by the clock on the wall."""
        self.deadline = None if end is None else time.monotonic() + (end - now()).total_seconds()

    def wait(self, done: Callable[[], bool], seconds: float | None = None) -> bool:
        """Wait until it is so, or the seconds are over, or something comes between."""
        end = None if seconds is None else time.monotonic() + seconds
        while not done():
            self.check()
            if end is not None and time.monotonic() >= end:
                return False
            self._woken.wait(_remaining(self.deadline, end))
            self._woken.clear()
        return True

    def settle(self, done: Callable[[], bool], seconds: float) -> bool:
        """Wait until it is so, or the seconds are over; only the runner's own end comes between."""
        end = time.monotonic() + seconds
        while not done() and time.monotonic() < end:
            if self.left:
                raise Left
            self._woken.wait(max(0.0, end - time.monotonic()))
            self._woken.clear()
        return done()


def _remaining(*ends: float | None) -> float | None:
    """Return the seconds until the first of some ends."""
    return min((max(0.0, end - time.monotonic()) for end in ends if end is not None), default=None)
