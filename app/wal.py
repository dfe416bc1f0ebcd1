"""Beginning the write-ahead log of an SQLite file, and taking out of it what was deleted from the file."""

from __future__ import annotations

import logging
import sqlite3
from time import monotonic, sleep

BEGIN = "PRAGMA journal_mode=WAL"
CLEAN = "PRAGMA wal_checkpoint(TRUNCATE)"
PATIENCE = 10.0
"""Seconds to try for, beside those that the connection itself waits for who reads."""
LOOK = 0.02

logger = logging.getLogger("jobledger")


def begin(connection: sqlite3.Connection) -> None:
    """Have a file written by way of a write-ahead log; of several who begin it, all but one are refused at once."""
    end = monotonic() + PATIENCE
    while not _has_begun(connection):
        if monotonic() > end:
            connection.execute(BEGIN)  # and say why it can not
        sleep(LOOK)


def _has_begun(connection: sqlite3.Connection) -> bool:
    try:
        connection.execute(BEGIN)
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode != sqlite3.SQLITE_BUSY:
            raise
        return False
    return True


def clean(connection: sqlite3.Connection) -> bool:
    """Bring what deletion wrote to the file, and empty the write-ahead log, which still has what was there.

    Tells whether it could be done. What could not is done by the next one, or when the file is closed by all.
    """
    end = monotonic() + PATIENCE
    while connection.execute(CLEAN).fetchone()[0]:  # at once, when somebody else does the same
        if monotonic() > end:
            logger.warning("what was deleted is still in a write-ahead log: somebody reads for a long time")
            return False
        sleep(LOOK)
    return True
