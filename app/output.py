"""What tasks print: kept in parts in one SQLite file outside the log, which holds only its length and hash."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from uuid import UUID, uuid5

from app.wal import begin, clean
from projections.wire import Document

RUNNER, STDOUT, STDERR = 0, 1, 2
"""Who spoke: the runner itself, as about the pull of an image, or the task."""

TABLE = f"""
CREATE TABLE IF NOT EXISTS parts (
    attempt TEXT NOT NULL,
    number INTEGER NOT NULL,
    created_at TEXT NOT NULL,
    stream INTEGER NOT NULL CHECK (stream IN ({RUNNER}, {STDOUT}, {STDERR})),
    content BLOB NOT NULL,
    phase TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (attempt, number)
) STRICT
"""
HAS_PHASE = "SELECT 1 FROM pragma_table_info('parts') WHERE name = 'phase'"
ADD_PHASE = "ALTER TABLE parts ADD COLUMN phase TEXT NOT NULL DEFAULT ''"
"""For files from before an attempt could have several containers."""
READY = "SELECT 1 FROM sqlite_schema WHERE name = 'parts'"
COUNT = "SELECT coalesce(max(number), 0) FROM parts WHERE attempt = ?"
NEWEST = """
SELECT number, created_at, content FROM parts WHERE attempt = ? AND number <= ? ORDER BY number DESC LIMIT ?
"""
LENGTHS = "SELECT number, length(content) FROM parts WHERE attempt = ? ORDER BY number"
SOME = "SELECT number, content FROM parts WHERE attempt = ? AND number > ? ORDER BY number LIMIT 16"
DROP = """
DELETE FROM parts WHERE attempt = :attempt
AND number > (SELECT max(number) FROM parts WHERE attempt = :attempt) - 64
"""
"""The last parts first: what is left has no gap, and others come to write in between."""
PATIENCE = 30
"""Seconds to wait for others that write."""

Row = tuple[int, str, bytes]


class Part(Document, frozen=True):
    """Some output of one attempt of a task."""

    id: str
    number: int
    """Its place in the output of the attempt, from 1."""
    task_id: str
    contents: str
    created_at: str


def create(connection: sqlite3.Connection) -> None:
    """Make a file ready for output; what is lost with the power is not what an acknowledged command said."""
    begin(connection)
    connection.execute("PRAGMA synchronous=NORMAL")
    connection.execute(TABLE)
    if connection.execute(HAS_PHASE).fetchone() is None:
        _add_phase(connection)


def _add_phase(connection: sqlite3.Connection) -> None:
    with connection:
        connection.execute("BEGIN IMMEDIATE")
        if connection.execute(HAS_PHASE).fetchone() is None:  # another process may just have done it
            connection.execute(ADD_PHASE)


def connect(path: Path) -> sqlite3.Connection:
    """Open the output for reading only; a file that no runner has made ready yet is made so."""
    place = f"{path.absolute().as_uri()}?mode=ro"
    if not path.exists() or not _is_ready(place):
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            create(connection)
    return sqlite3.connect(place, uri=True, isolation_level=None, check_same_thread=False)


def _is_ready(place: str) -> bool:
    """Tell whether the table is there: a moment after the file it may not be."""
    with closing(sqlite3.connect(place, uri=True)) as connection:
        return connection.execute(READY).fetchone() is not None


def drop(path: Path, attempts: Iterable[str]) -> None:
    """Remove what some attempts printed from the disk; who reads it meanwhile finds less and less of it."""
    with closing(sqlite3.connect(path, timeout=PATIENCE, isolation_level=None)) as connection:
        create(connection)
        connection.execute("PRAGMA secure_delete=ON")
        for attempt in attempts:
            while connection.execute(DROP, {"attempt": attempt}).rowcount:
                pass
        clean(connection)


def page(path: Path, attempts: Sequence[str], place: tuple[int, int], query: str = "") -> tuple[list[Part], int]:
    """Return a page (its number and size are given) of the parts with each word, newest first, and count them all."""
    number, size = place
    words = query.casefold().split()
    with closing(connect(path)) as connection:
        find = _containing if words else _all
        return find(connection, attempts, range((number - 1) * size, number * size), words)


def whole(path: Path, attempts: Sequence[str], start: int = 0) -> Iterator[bytes]:
    """Yield all that was printed, oldest first, from a byte on, a little at a time."""
    with closing(connect(path)) as connection:
        for attempt in attempts:
            number, start = _skip(connection, attempt, start)
            for content in contents(connection, attempt, number):
                yield content[start:]
                start = 0


def contents(connection: sqlite3.Connection, attempt: str, after: int = 0) -> Iterator[bytes]:
    """Yield an attempt's parts in order; no transaction stays open meanwhile, however slow the reader is."""
    while rows := connection.execute(SOME, (attempt, after)).fetchall():
        yield from (content for _, content in rows)
        after = rows[-1][0]


def _skip(connection: sqlite3.Connection, attempt: str, start: int) -> tuple[int, int]:
    """Find the last part that lies wholly before a byte, and how far into the next one the byte is."""
    before = 0
    for number, length in connection.execute(LENGTHS, (attempt,)):
        if length > start:
            break
        before, start = number, start - length
    return before, start


def _all(
    connection: sqlite3.Connection, attempts: Sequence[str], wanted: range, _: Sequence[str]
) -> tuple[list[Part], int]:
    """Find a page by counting, for an attempt's parts have no gaps."""
    parts: list[Part] = []
    total = 0
    for attempt in reversed(attempts):
        count: int = connection.execute(COUNT, (attempt,)).fetchone()[0]
        first, end = max(wanted.start - total, 0), min(wanted.stop - total, count)
        if first < end:
            rows = connection.execute(NEWEST, (attempt, count - first, end - first))
            parts.extend(_part(attempt, row) for row in rows)
        total += count
    return parts, total


def _containing(
    connection: sqlite3.Connection, attempts: Sequence[str], wanted: range, words: Sequence[str]
) -> tuple[list[Part], int]:
    parts: list[Part] = []
    total = 0
    for attempt, row in _each(connection, attempts):
        text = row[2].decode(errors="replace").casefold()
        if all(word in text for word in words):
            if total in wanted:
                parts.append(_part(attempt, row))
            total += 1
    return parts, total


def _each(connection: sqlite3.Connection, attempts: Sequence[str]) -> Iterator[tuple[str, Row]]:
    for attempt in reversed(attempts):
        count = connection.execute(COUNT, (attempt,)).fetchone()[0]
        for row in connection.execute(NEWEST, (attempt, count, -1)):
            yield attempt, row


def _part(attempt: str, row: Row) -> Part:
    number, created_at, content = row
    return Part(
        id=uuid5(UUID(attempt), str(number)).hex,
        number=number,
        task_id=attempt,
        contents=content.decode(errors="replace"),
        created_at=created_at,
    )
