"""Building read models anew from event 1, beside the live ones, and proving that both say the same."""

from __future__ import annotations

import hashlib
import sqlite3
from contextlib import closing
from itertools import zip_longest
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from projections.store import POSITION

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from domain.event import Recorded
    from projections.store import Store

TABLES = {
    "jobs": "SELECT * FROM jobs ORDER BY number",
    "job_tags": "SELECT tag, number FROM job_tags ORDER BY tag, number",
    "details": "SELECT * FROM details ORDER BY id",
    "attempts": "SELECT * FROM attempts ORDER BY number",
    "branches": "SELECT * FROM branches ORDER BY id",
    "results": "SELECT * FROM results ORDER BY job, var",
    "_counts": 'SELECT "table", count FROM _counts ORDER BY "table"',
    "jobs_fts": "SELECT term, doc, col, offset FROM temp.words ORDER BY term, doc, col, offset",
}
"""Every row of the read models, in an order that does not depend on how they came there."""
WORDS = "CREATE VIRTUAL TABLE temp.words USING fts5vocab(main, jobs_fts, 'instance')"

_encode = msgspec.json.Encoder().encode


class Difference(NamedTuple):
    """The first row in which two files of read models differ."""

    table: str
    left: Sequence[object] | None
    right: Sequence[object] | None


def build(store: Store, batches: Iterable[Sequence[Recorded]]) -> Iterator[int]:
    """Bring a store up to the end of the batches; yields the position after each, for whoever shows progress."""
    for batch in batches:
        store.apply(batch)
        yield store.position


class Snapshot:
    """A file of read models as it is at one moment, whatever is written to it meanwhile. Use it with `closing`."""

    def __init__(self, path: Path) -> None:
        """Hold the moment."""
        self._connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None)
        self._connection.execute(WORDS)
        self._connection.execute("BEGIN")
        row = self._connection.execute(POSITION).fetchone()
        self.position: int = row[0] if row else 0
        """The last event that is in the rows."""

    def close(self) -> None:
        """Let go of the moment."""
        self._connection.close()

    def rows(self, table: str) -> Iterator[Sequence[object]]:
        """Yield the rows of one of TABLES."""
        return self._connection.execute(TABLES[table])

    def digest(self) -> str:
        """Return the SHA-256 over all rows of all tables."""
        digest = hashlib.sha256()
        for table in TABLES:
            digest.update(f"{table}\n".encode())
            for row in self.rows(table):
                digest.update(_encode(row) + b"\n")
        return digest.hexdigest()


def difference(left: Snapshot, right: Snapshot) -> Difference | None:
    """Find the first row in which two snapshots differ; None when they are equal."""
    for table in TABLES:
        for one, other in zip_longest(left.rows(table), right.rows(table)):
            if one != other:
                return Difference(table, one, other)
    return None


def snapshot(path: Path) -> closing[Snapshot]:
    """Hold a file's present moment within a `with`."""
    return closing(Snapshot(path))
