"""A file of read models: rows and the position to which they were brought move in one transaction."""

from __future__ import annotations

import os
from itertools import islice
from typing import TYPE_CHECKING, Protocol

from eventsourcing.persistence import Tracking
from eventsourcing.sqlite import SQLiteDatastore, SQLiteTrackingRecorder
from sqlite_utils import Database

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from domain.event import Recorded

LOG = "jobledger"
"""The name under which the position in the log is tracked."""


POSITION = f"SELECT notification_id FROM tracking WHERE application_name = '{LOG}'"  # noqa: S608 - constants
ROWS = 250
"""Rows in one statement, far from the number of values at which SQLite refuses one."""


class ReadModel(Protocol):
    """What `projections.jobs` and its like offer."""

    def create(self, database: Database, /) -> None:
        """Create its tables."""

    def apply(self, cursor: sqlite3.Cursor, batch: Sequence[Recorded], /) -> None:
        """Write what some events, in order, change."""


class Store:
    """Writes one file of read models; there must be one writer only."""

    def __init__(self, path: Path, models: Sequence[ReadModel]) -> None:
        """Open the file, and create it with its tables when it is new."""
        self.path = path
        self._models = models
        self._datastore = SQLiteDatastore(str(path), pool_size=1, max_overflow=0)
        self._tracking = SQLiteTrackingRecorder(self._datastore)
        self._prepare()
        self.position = 0
        """The last event that is in the rows."""
        self.refresh()

    def refresh(self) -> None:
        """Look in the file how far it is, which another writer may have moved."""
        self.position = self._tracking.max_tracking_id(LOG) or 0

    def apply(self, batch: Sequence[Recorded]) -> None:
        """Bring the rows up to the last event of the batch: all of it or nothing."""
        with self._datastore.transaction(commit=True) as cursor:
            self._tracking._insert_tracking(cursor, Tracking(LOG, batch[-1].position))  # noqa: SLF001 - made for this
            for model in self._models:
                model.apply(cursor.sqlite_cursor, batch)
        self.position = batch[-1].position

    def close(self) -> None:
        """Let go of the file, with nothing left in its write-ahead log."""
        self._pragmas("wal_checkpoint(TRUNCATE)")
        self._datastore.close()

    def unguarded(self) -> None:
        """Write without a journal and without syncs: for a new file that nobody reads before it is `sealed`."""
        self._pragmas("journal_mode=OFF", "synchronous=OFF", "cache_size=-65536")

    def sealed(self) -> None:
        """Write with care again, all that was written being on the disk."""
        with self.path.open("rb") as file:
            os.fsync(file.fileno())
        self._pragmas("journal_mode=WAL", "synchronous=NORMAL", "cache_size=-2000")

    def _pragmas(self, *settings: str) -> None:
        with self._datastore.get_connection(commit=True) as connection:
            for setting in settings:
                connection.cursor().execute(f"PRAGMA {setting}")

    def _prepare(self) -> None:
        """Create tables once; the position is safe without a sync each, since the log can always tell again."""
        with self._datastore.get_connection(commit=True) as connection:
            connection.cursor().execute("PRAGMA synchronous=NORMAL")
            database = Database(connection._sqlite_conn)  # noqa: SLF001 - the library's own wrapper lacks its methods
            if not database.table_names():
                with database.atomic():
                    for model in self._models:
                        model.create(database)
        self._tracking.create_table()


def insert(
    cursor: sqlite3.Cursor, statement: str, rows: Iterable[Sequence[str | int | None]], conflict: str = ""
) -> None:
    """Insert many rows by few statements: a thread gives up its turn with each statement, and waits for the next.

    The statement ends where the rows come: `INSERT INTO jobs (number, id) VALUES`. After them it may be said what is
    done with rows that are there already.
    """
    left = iter(rows)
    while chunk := list(islice(left, ROWS)):
        places = ",".join([f"({','.join('?' * len(chunk[0]))})"] * len(chunk))
        cursor.execute(f"{statement} {places} {conflict}", [value for row in chunk for value in row])
