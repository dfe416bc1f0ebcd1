"""The table of events in SQLite: append-only by trigger, written by group commit, followed by subscription."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from functools import cache
from itertools import accumulate, pairwise
from threading import Lock
from typing import TYPE_CHECKING, Any

from eventsourcing.persistence import IntegrityError, OperationalError
from eventsourcing.sqlite import SQLiteApplicationRecorder

from app.log.commit import Append, GroupCommit, Outcome, Positions
from app.log.subscription import SQLiteSubscription

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from eventsourcing.persistence import StoredEvent
    from eventsourcing.sqlite import SQLiteCursor, SQLiteDatastore

REFUSE_UPDATE = """
CREATE TRIGGER IF NOT EXISTS stored_events_are_not_updated BEFORE UPDATE ON stored_events
BEGIN SELECT RAISE(ABORT, 'the log is append-only'); END
"""
REFUSE_DELETE = """
CREATE TRIGGER IF NOT EXISTS stored_events_are_not_deleted BEFORE DELETE ON stored_events
BEGIN SELECT RAISE(ABORT, 'the log is append-only'); END
"""
REFUSE_REPLACE = """
CREATE TRIGGER IF NOT EXISTS stored_events_are_not_replaced BEFORE INSERT ON stored_events
WHEN EXISTS (
    SELECT 1 FROM stored_events
    WHERE originator_id = NEW.originator_id AND originator_version = NEW.originator_version
) OR EXISTS (SELECT 1 FROM stored_events WHERE rowid = NEW.rowid)
BEGIN SELECT RAISE(ABORT, 'the log is append-only'); END
"""
"""For INSERT OR REPLACE, which deletes what is in its way without asking the triggers for deletion."""
PROBE_TABLE = "CREATE TABLE IF NOT EXISTS probe (id INTEGER PRIMARY KEY CHECK (id = 1), writes INTEGER) STRICT"
PROBE = "INSERT INTO probe VALUES (1, 1) ON CONFLICT DO UPDATE SET writes = writes + 1"
MOST_ROWS = 4_000
"""Events in one statement: SQLite takes 32,766 values, of which each needs four."""
FULL = 2
"""SQLite's number for `synchronous=FULL`: a commit is on the disk before it is answered."""


class LogRecorder(SQLiteApplicationRecorder):
    """Keeps the events of all streams, in one order."""

    def __init__(self, datastore: SQLiteDatastore, events_table_name: str = "stored_events") -> None:
        """Take up the library's table; `create_table` adds what makes it append-only."""
        super().__init__(datastore, events_table_name)
        self.last_position = 0
        """The last position that this process has written or, when it began, has found."""
        self._subscriptions: set[SQLiteSubscription] = set()
        self._lock = Lock()
        self._commits = GroupCommit(self._write, self._committed)

    def construct_create_table_statements(self) -> list[str]:
        """Add the triggers that refuse to change history, and the table on which `probe` writes."""
        statements = super().construct_create_table_statements()
        return [*statements, REFUSE_UPDATE, REFUSE_DELETE, REFUSE_REPLACE, PROBE_TABLE]

    def create_table(self) -> None:
        """Create what is not there, and see that commits are durable."""
        super().create_table()
        with self.datastore.transaction(commit=False) as cursor:
            cursor.execute("PRAGMA synchronous")
            if cursor.fetchone()[0] != FULL:
                raise OperationalError("this SQLite does not sync each commit: synchronous=FULL is needed")
        self.last_position = self.max_notification_id() or 0

    def insert_events(self, stored_events: Sequence[StoredEvent], **_: Any) -> Sequence[int]:
        """Append the events of one decision; return their positions once they are durable.

        Raises `IntegrityError` when their place in the stream is taken: another writer was first.
        """
        append = Append(stored_events)
        self._commits.submit(append)
        positions: Future[list[int]] = append.positions  # type: ignore[assignment]  # no event loop was given
        return positions.result()

    async def insert_events_soon(self, stored_events: Sequence[StoredEvent]) -> Sequence[int]:
        """Do the same as `insert_events`, and let the event loop go on meanwhile."""
        append = Append(stored_events, asyncio.get_running_loop())
        self._commits.submit(append)
        positions: asyncio.Future[list[int]] = append.positions  # type: ignore[assignment]  # a loop was given
        return await positions

    def probe(self) -> None:
        """Write one small row durably, beside the events: it fails when the log can not be written."""
        if not self._commits.is_alive():
            raise OperationalError("the thread that writes has died")
        with _translated(), self.datastore.transaction(commit=True) as cursor:
            cursor.execute(PROBE)

    def subscribe(self, gt: int | None = None, topics: Sequence[str] = ()) -> SQLiteSubscription:
        """Follow the log from after a position, in this process or any other of the host."""
        subscription = SQLiteSubscription(self, gt, topics)
        with self._lock:
            self._subscriptions.add(subscription)
        return subscription

    def unsubscribe(self, subscription: SQLiteSubscription) -> None:
        """Wake it no more."""
        with self._lock:
            self._subscriptions.discard(subscription)

    def close(self) -> None:
        """Write what still waits, then end."""
        self._commits.close()

    def _committed(self, position: int) -> None:
        self.last_position = position
        with self._lock:
            for subscription in self._subscriptions:
                subscription.wake()

    def _write(self, appends: Sequence[Sequence[StoredEvent]]) -> list[Outcome]:
        """Store several writers' events in one transaction; a writer who comes too late does not hinder the others.

        One statement is a transaction by itself, and gives up this thread's turn but once.
        """
        with self.datastore.get_connection(commit=True) as connection, _translated():
            if sum(map(len, appends)) <= MOST_ROWS:
                with suppress(sqlite3.IntegrityError):
                    return [*_insert_all(connection.cursor(), appends)]
            with connection.transaction(commit=True) as cursor:
                return [_insert_one(cursor, events) for events in appends]


@contextmanager
def _translated() -> Iterator[None]:
    """Raise errors of SQLite as the library's."""
    try:
        yield
    except sqlite3.Error as error:
        raise OperationalError(error) from error


def _insert_all(cursor: SQLiteCursor, appends: Sequence[Sequence[StoredEvent]]) -> list[Positions]:
    """Store all in one statement: it is all or nothing."""
    values = [value for events in appends for event in events for value in _row(event)]
    cursor.execute(_insertion(len(values) // 4), values)
    last = cursor.lastrowid
    ends = accumulate((len(events) for events in appends), initial=last - len(values) // 4)
    return [list(range(start + 1, end + 1)) for start, end in pairwise(ends)]


def _insert_one(cursor: SQLiteCursor, events: Sequence[StoredEvent]) -> Outcome:
    """Store one writer's events; if their place is taken, then that of the first, so that none is left behind."""
    positions: list[int] = []
    try:
        for start in range(0, len(events), MOST_ROWS):
            positions += _insert_all(cursor, [events[start : start + MOST_ROWS]])[0]
    except sqlite3.IntegrityError as error:
        return IntegrityError(error)
    return positions


@cache
def _insertion(rows: int) -> str:
    return f"INSERT INTO stored_events VALUES {','.join(['(?,?,?,?)'] * rows)}"  # noqa: S608 - constants


def _row(event: StoredEvent) -> tuple[str, int, str, bytes]:
    stream: UUID = event.originator_id  # type: ignore[assignment]  # our streams are UUIDs
    return (stream.hex, event.originator_version, event.topic, event.state)
