"""Taking what was deleted from an SQLite file out of its write-ahead log as well."""

from __future__ import annotations

import logging
import sqlite3
from time import monotonic, sleep

CLEAN = "PRAGMA wal_checkpoint(TRUNCATE)"
PATIENCE = 10.0
"""Seconds to try for, beside those that the connection itself waits for who reads."""
LOOK = 0.02

logger = logging.getLogger("jobledger")


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
