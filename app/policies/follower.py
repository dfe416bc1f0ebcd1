"""Following the log into the agenda, and telling what has come."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable, Collection, Sequence
from contextlib import closing
from pathlib import Path
from threading import Event, Thread
from uuid import UUID

from eventsourcing.persistence import Notification

from app.log import Log, SQLiteSubscription
from domain.job import JobSubmitted
from projections.agenda import Agenda
from projections.store import Store

FAR = 10_000
"""Events that may be looked at again after a start."""
LINGER = 0.03
"""Seconds between two looks at a busy log."""
POLL = 0.1
"""Seconds until it is seen at the latest what a runner wrote: nobody waits for it, and to look costs something too."""
RETRY = 1.0
"""Seconds until a follower that failed, on a full disk say, tries again."""

Touched = Collection[tuple[str, int]]
"""Jobs and the numbers of their lanes."""

logger = logging.getLogger("jobledger.policies")


class Follower:
    """A thread that brings the agenda up to the log's end, again and again."""

    def __init__(self, log: Log, path: Path, secrets_kept: float) -> None:
        """Open the agenda, and make it if it is not there."""
        path.parent.mkdir(parents=True, exist_ok=True)
        self._log = log
        self._agenda = Agenda(secrets_kept, self._origin)
        self._store = Store(path, [self._agenda])
        log.see_known(self._store.position, path)
        self._told: Callable[[Touched], None] = _ignored
        self._stopped = Event()
        self._subscription: SQLiteSubscription | None = None
        self._end = log.acknowledged
        self.position = self._store.position
        """The last event that was looked at."""
        self._thread = Thread(target=self._run, name="policies", daemon=True)

    def start(self, told: Callable[[Touched], None]) -> None:
        """Begin to follow; `told` is called when there is something new in the agenda, once it is up to date."""
        self._told = told
        self._thread.start()

    def stop(self) -> None:
        """End, with what was begun finished."""
        self._stopped.set()
        if self._subscription is not None:
            self._subscription.stop()
        self._thread.join()
        self._store.close()

    @property
    def is_up_to_date(self) -> bool:
        """Whether the agenda knows all that happened before this process began: before, what it says may be done."""
        return self.position >= self._end

    def _run(self) -> None:
        while not self._stopped.is_set():
            try:
                self._follow()
            except Exception:
                logger.exception("the agenda can not be brought up to date after event %d", self.position)
                self._stopped.wait(RETRY)

    def _follow(self) -> None:
        self._store.refresh()
        self.position = self._store.position
        with closing(sqlite3.connect(self._store.path)) as connection:
            self._agenda.load(connection)
        logger.info("policies follow the log from event %d on, %d behind", self.position, self._lag())
        if self.is_up_to_date:
            self._told(())
        with self._log.subscribe(self.position) as self._subscription:
            if self._stopped.is_set():
                return
            for batch in self._subscription.batches(linger=LINGER, poll=POLL):
                self._take(batch)

    def _take(self, batch: Sequence[Notification]) -> None:
        was_behind = not self.is_up_to_date
        events = self._agenda.concerning(batch, self._log.open)
        if events:
            self._store.apply(events)
        elif batch[-1].id > self._store.position + FAR:
            self._store.apply([self._log.open(batch[-1])])  # so that the next start need not look at all of it again
        self.position = batch[-1].id
        if was_behind and self.is_up_to_date:
            logger.info("policies are up to date at event %d", self.position)
        touched, self._agenda.touched = self._agenda.touched, set()
        if self.is_up_to_date and (events or was_behind):
            self._told(touched)

    def _lag(self) -> int:
        return max(0, self._log.acknowledged - self.position)

    def _origin(self, job: UUID) -> JobSubmitted:
        submitted: JobSubmitted = next(self._log.read(job, limit=1)).event
        return submitted


def _ignored(_: Touched) -> None:
    """Be told, and do nothing."""
