"""Following the log into the runner's own view of it, and telling what has come."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from threading import Condition, Event, Thread

from eventsourcing.persistence import Notification

from app.log import Log, SQLiteSubscription
from app.log.subscription import BATCH
from domain.event import Recorded
from projections import queue
from projections.store import Store

logger = logging.getLogger("jobledger.runner")

FAR = 10_000
"""Events that may be looked at again after a start."""
PACE = 0.03
"""Seconds until more is taken, so that what comes in drops costs a transaction for many and not for each."""
RETRY = 1.0
"""Seconds until a follower that failed, on a full disk say, tries again."""


class Follower:
    """A thread that brings the queue up to the log's end, again and again."""

    def __init__(
        self, log: Log, folder: Path, queues: Sequence[str], told: Callable[[Sequence[Recorded]], None]
    ) -> None:
        """Open the view of some queues; `told` is called with new events once they are in it."""
        self._log = log
        self._queues = frozenset(queues)
        self.path = _file(folder, self._queues)
        self._store = Store(self.path, [queue])
        log.see_known(self._store.position, self.path)
        self._told = told
        self._moved = Condition()
        self._stopped = Event()
        self._subscription: SQLiteSubscription | None = None
        self.position = self._store.position
        """The last event that was looked at."""
        self._thread = Thread(target=self._run, name="follower", daemon=True)

    def start(self) -> None:
        """Begin to follow."""
        self._thread.start()

    def stop(self) -> None:
        """End, with what was begun finished."""
        self._stopped.set()
        if self._subscription is not None:
            self._subscription.stop()
        self._thread.join()
        self._store.close()

    def has_reached(self, position: int, seconds: float) -> bool:
        """Wait until the queue holds all up to a position, or the seconds are over."""
        with self._moved:
            return self._moved.wait_for(lambda: self.position >= position, seconds)

    def _run(self) -> None:
        while not self._stopped.is_set():
            try:
                self._follow()
            except Exception:
                logger.exception("the queue can not be brought up to date after event %d", self.position)
                self._stopped.wait(RETRY)

    def _follow(self) -> None:
        with self._log.subscribe(self.position) as self._subscription:
            if self._stopped.is_set():
                return
            for batch in self._subscription.batches():
                self._take(batch)
                if len(batch) < BATCH:
                    self._stopped.wait(PACE)

    def _take(self, batch: Sequence[Notification]) -> None:
        opened = (self._log.open(each) for each in batch if each.topic in queue.TOPICS)
        events = [recorded for recorded in opened if queue.concerns(recorded, self._queues)]
        if events:
            self._store.apply(events)
        elif batch[-1].id > self._store.position + FAR:
            self._store.apply([self._log.open(batch[-1])])  # so that the next start need not look at all of it again
        with self._moved:
            self.position = batch[-1].id
            self._moved.notify_all()
        if events:
            self._told(events)


def _file(folder: Path, queues: frozenset[str]) -> Path:
    """Name the file of the view, and remove those of other views, for queues that nobody asks for any more."""
    name = queue.file_name(queues)
    for other in folder.glob("queue-*"):
        if not other.name.startswith(name):
            other.unlink()
    return folder / name
