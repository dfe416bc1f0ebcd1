"""Group commit: appends that wait at the same time share one transaction, so one sync of the disk."""

from __future__ import annotations

import asyncio
from concurrent.futures import Future
from contextlib import suppress
from queue import SimpleQueue
from threading import Thread
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from eventsourcing.persistence import StoredEvent

MOST_AT_ONCE = 256
"""Appends in one transaction: enough to hide a slow disk, few enough to keep each one's wait short."""

Positions = list[int]
Outcome = Positions | Exception


class Append:
    """One writer's events, and the promise of their positions, to a thread or to an event loop."""

    def __init__(self, events: Sequence[StoredEvent], loop: asyncio.AbstractEventLoop | None = None) -> None:
        """Hold the events of one decision; they are stored together or not at all."""
        self.events = events
        self.loop = loop
        self.positions: Future[Positions] | asyncio.Future[Positions] = loop.create_future() if loop else Future()

    def settle(self, outcome: Outcome) -> None:
        """Keep the promise; for an event loop's, to be called in that loop."""
        if self.positions.done():
            return  # who waited has gone away
        if isinstance(outcome, Exception):
            self.positions.set_exception(outcome)
        else:
            self.positions.set_result(outcome)


class GroupCommit:
    """The one thread of a process that writes to the log."""

    def __init__(
        self,
        write: Callable[[Sequence[Sequence[StoredEvent]]], list[Outcome]],
        committed: Callable[[int], None],
    ) -> None:
        """Write lists of events by `write`, and call `committed` with the last position after each commit."""
        self._write = write
        self._committed = committed
        self._waiting: SimpleQueue[Append | None] = SimpleQueue()
        self._thread = Thread(target=self._run, name="group-commit", daemon=True)
        self._thread.start()

    def submit(self, append: Append) -> None:
        """Queue events; the promise is kept when they are durable, or broken with what hindered them."""
        self._waiting.put(append)

    def is_alive(self) -> bool:
        """Tell whether it can write."""
        return self._thread.is_alive()

    def close(self) -> None:
        """Write what still waits, then end."""
        self._waiting.put(None)
        self._thread.join()

    def _run(self) -> None:
        while batch := self._next_batch():
            try:
                outcomes = self._write([append.events for append in batch])
            except Exception as error:  # noqa: BLE001 - whoever waits for the batch is told, and the thread lives on
                outcomes = [error] * len(batch)
            last = max((outcome[-1] for outcome in outcomes if isinstance(outcome, list)), default=0)
            if last:
                self._committed(last)
            _settle(zip(batch, outcomes, strict=True))

    def _next_batch(self) -> list[Append]:
        """Wait for a first append and take along all that are there; empty when closed."""
        batch: list[Append] = []
        while len(batch) < MOST_AT_ONCE and not (batch and self._waiting.empty()):
            append = self._waiting.get()
            if append is None:
                self._waiting.put(None)  # for the next round, when there is something to write first
                break
            batch.append(append)
        return batch


def _settle(outcomes: zip[tuple[Append, Outcome]]) -> None:
    """Keep all promises, those to an event loop by waking it once."""
    loops: dict[asyncio.AbstractEventLoop, list[tuple[Append, Outcome]]] = {}
    for append, outcome in outcomes:
        if append.loop is None:
            append.settle(outcome)
        else:
            loops.setdefault(append.loop, []).append((append, outcome))
    for loop, settled in loops.items():
        with suppress(RuntimeError):  # it is closed, and nobody waits there any more
            loop.call_soon_threadsafe(_settle_all, settled)


def _settle_all(settled: list[tuple[Append, Outcome]]) -> None:
    for append, outcome in settled:
        append.settle(outcome)
