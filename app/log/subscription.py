"""Following the log: woken at once by commits of this process, within milliseconds by those of others."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from threading import Event
from typing import TYPE_CHECKING

from eventsourcing.persistence import Notification, Subscription

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from app.log.recorder import LogRecorder

POLL = 0.015
"""Seconds between two looks at `data_version`, which tells of commits by other connections for some microseconds."""
BATCH = 500
"""Events fetched at a time."""


class SQLiteSubscription(Subscription["LogRecorder"]):
    """The events after a position, in order, for ever; one thread may iterate it, any may `stop` it."""

    def __init__(self, recorder: LogRecorder, gt: int | None = None, topics: Sequence[str] = ()) -> None:
        """Start after position `gt`; with `topics`, only events with these tags."""
        super().__init__(recorder, gt, topics)
        self._woken = Event()
        self._hurried = Event()
        self._fetched: Iterator[Notification] = iter(())

    def __next__(self) -> Notification:
        """Wait for the next event."""
        notification = next(self._fetched, None)
        if notification is None:
            self._fetched = iter(next(self.batches()))
            return next(self._fetched)
        return notification

    def batches(
        self, idle: float | None = None, linger: float = 0.0, poll: float = POLL
    ) -> Iterator[Sequence[Notification]]:
        """Yield events in lists as they come.

        With `idle`, an empty list when none came for so many seconds. With `linger`, so many seconds between two
        looks at a busy log, unless someone calls `hurry`: fewer and longer lists cost their reader less. With `poll`,
        so many seconds between two looks at whether other processes have committed.
        """
        with closing(sqlite3.connect(self._recorder.datastore.pool.db_name)) as connection:
            while self._goes_on():
                version = _data_version(connection)
                batch = self._fetch()
                if batch or not self._wait(connection, version, idle, poll):
                    yield batch
                if linger and len(batch) < BATCH and not self._has_been_stopped:
                    self._hurried.wait(linger)

    def stop(self) -> None:
        """End the iteration, at once."""
        super().stop()
        self._recorder.unsubscribe(self)
        self._woken.set()
        self._hurried.set()

    def wake(self) -> None:
        """Say that there is something new."""
        self._woken.set()

    def hurry(self) -> None:
        """Say that someone waits for what is new."""
        self._hurried.set()

    def _goes_on(self) -> bool:
        """Forget earlier calls, and only then look whether one of them was to stop."""
        self._woken.clear()
        self._hurried.clear()
        return not self._has_been_stopped

    def _fetch(self) -> Sequence[Notification]:
        batch = self._recorder.select_notifications(
            self._last_notification_id or 0, BATCH, topics=self._topics, inclusive_of_start=False
        )
        if batch:
            self._last_notification_id = batch[-1].id
        return batch

    def _wait(self, connection: sqlite3.Connection, version: int, idle: float | None, poll: float) -> bool:
        """Wait until something was committed or the subscription stopped; false when `idle` seconds were over first."""
        looks = None if idle is None else int(idle / poll)
        while not self._woken.wait(poll) and _data_version(connection) == version:
            if looks is not None:
                looks -= 1
                if looks <= 0:
                    return False
        return True


def _data_version(connection: sqlite3.Connection) -> int:
    version: int = connection.execute("PRAGMA data_version").fetchone()[0]
    return version
