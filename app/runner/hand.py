"""The attempts that a runner has in hand, and the slots that they take."""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock
from uuid import UUID

from app.runner.attempt import Attempt


class Hand:
    """An attempt takes a slot until its outcome is recorded; it is in hand until nothing of it is left."""

    def __init__(self, slots: int, changed: Callable[[], None]) -> None:
        """Be empty; `changed` is called when there may be room again."""
        self._slots = slots
        self._changed = changed
        self._attempts: dict[UUID, Attempt] = {}
        self._running: set[Attempt] = set()
        self._lock = Lock()

    def take(self, attempt: Attempt) -> None:
        """Take an attempt in hand, which says itself when it is over."""
        attempt.recorded = lambda: self._free(attempt)
        attempt.over = lambda: self.drop(attempt)
        with self._lock:
            self._attempts[attempt.place.attempt] = attempt
            self._running.add(attempt)

    def drop(self, attempt: Attempt) -> None:
        """Let go of an attempt."""
        with self._lock:
            if self._attempts.get(attempt.place.attempt) is attempt:  # else it was taken in hand anew
                del self._attempts[attempt.place.attempt]
        self._free(attempt)

    def room(self) -> int:
        """Tell how many more may run; those that are being cleaned up must not become many either."""
        with self._lock:
            return max(0, min(self._slots - len(self._running), 2 * self._slots - len(self._attempts)))

    def keys(self) -> frozenset[UUID]:
        """Name the attempts in hand."""
        with self._lock:
            return frozenset(self._attempts)

    def cancel(self, job: UUID, position: int) -> None:
        """Stop what was scheduled of a job before it was called off, or had failed."""
        with self._lock:
            attempts = [each for each in self._attempts.values() if each.place.job == job]
        for attempt in attempts:
            if attempt.place.position < position:
                attempt.signals.cancel(position)

    def leave(self) -> None:
        """Tell all attempts that the runner ends."""
        with self._lock:
            attempts = tuple(self._attempts.values())
        for attempt in attempts:
            attempt.signals.leave()

    def _free(self, attempt: Attempt) -> None:
        with self._lock:
            self._running.discard(attempt)
        self._changed()
