"""Reading the list of jobs: pages, newest first, and the words and tags of a query."""

from __future__ import annotations

import re
import sqlite3
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from projections.wire import JobStand, encode, joined, percent

if TYPE_CHECKING:
    from collections.abc import Sequence

COLUMNS = """
j.head, j.state, j.started_at, j.completed_at, j.failed_at, j.cancelled_at, j.position, j.progress, j.result, j.error
"""
ALL = f"SELECT {COLUMNS} FROM jobs j ORDER BY j.number DESC LIMIT :limit OFFSET :offset"  # noqa: S608 - constants
COUNT_ALL = "SELECT count FROM _counts WHERE \"table\" = 'jobs'"
STATES = "SELECT s.name FROM states_fts JOIN states s ON s.rowid = states_fts.rowid WHERE states_fts MATCH ?"

FOUND = f"SELECT {COLUMNS} FROM jobs j WHERE j.number IN (%s) ORDER BY j.number DESC"  # noqa: S608 - constants

WITH_TEXT = "FROM jobs_fts WHERE jobs_fts MATCH ?"
TAG_OF_FOUND = " AND +rowid IN (SELECT number FROM job_tags WHERE tag IN (SELECT value FROM json_each(?)))"
STATE_OF_FOUND = """ AND ((SELECT state FROM jobs WHERE number = +jobs_fts.rowid) = ?
OR +rowid IN (SELECT rowid FROM jobs_fts WHERE jobs_fts MATCH ?))"""
"""The plus keeps SQLite from asking the index of words once more for each row that the right side has."""

WITHOUT_TEXT = "FROM jobs WHERE 1"
TAG = " AND number IN (SELECT number FROM job_tags WHERE tag IN (SELECT value FROM json_each(?)))"
STATE = """ AND number IN (SELECT number FROM jobs WHERE state = ?
UNION ALL SELECT rowid FROM jobs_fts WHERE jobs_fts MATCH ?)"""
NOTHING = " AND 0"

_WORD = re.compile(r"\w")
_LETTERS = re.compile(r"[A-Za-z]+")
_STATE_STARTS = frozenset({"pen", "sch", "run", "com", "fai", "can"})


class Page(NamedTuple):
    """One page of a longer list."""

    items: list[bytes]
    total: int


class Query(NamedTuple):
    """What was typed into the search box, taken apart."""

    words: tuple[str, ...]
    tags: tuple[str, ...]
    """Any of them will do."""


def parse(text: str) -> Query:
    """Take a query apart; whatever is typed means something or nothing, and is never an error."""
    words: list[str] = []
    tags: list[str] = []
    for word in text.replace("\0", " ").split():
        if word.startswith("tag:"):
            tags.append(word.removeprefix("tag:"))
        elif word.startswith("tags:"):
            tags.extend(filter(None, word.removeprefix("tags:").split(",")))
        else:
            words.append(word)
    return Query(tuple(dict.fromkeys(words)), tuple(dict.fromkeys(tags)))


def newest(connection: sqlite3.Connection, number: int, size: int) -> Page:
    """Return a page of all jobs."""
    rows = connection.execute(ALL, {"limit": size, "offset": (number - 1) * size})
    counted = connection.execute(COUNT_ALL).fetchone()
    return Page([summary(row) for row in rows], counted[0] if counted else 0)


def count(connection: sqlite3.Connection, query: Query) -> int:
    """Return in how many jobs every word and any of the tags is found."""
    found, values = _condition(connection, query)
    total: int = connection.execute(f"SELECT count(*) {found}", values).fetchone()[0]
    return total


def search(connection: sqlite3.Connection, query: Query, number: int, size: int) -> list[bytes]:
    """Return a page of the jobs in which every word and any of the tags is found."""
    found, values = _condition(connection, query)
    numbers = f"SELECT rowid {found} ORDER BY rowid DESC LIMIT ? OFFSET ?"
    rows = connection.execute(FOUND % numbers, [*values, size, (number - 1) * size])
    return [summary(row) for row in rows]


def _condition(connection: sqlite3.Connection, query: Query) -> tuple[str, list[str]]:
    """Put the query in SQL, out of constant pieces; what was typed goes in as values."""
    words = [word for word in query.words if _WORD.search(word)]
    states = {word: state for word in words if (state := _state(connection, word))}
    text = " ".join(_quoted(word) for word in words if word not in states)
    condition, values = (WITH_TEXT, [text]) if text else (WITHOUT_TEXT, [])
    for word, state in states.items():
        condition += STATE_OF_FOUND if text else STATE
        values += [state, _quoted(word)]
    if query.tags:
        condition += TAG_OF_FOUND if text else TAG
        values.append(msgspec.json.encode(query.tags).decode())
    if query.words and not words:
        condition += NOTHING  # only punctuation was typed: no job has that for a word
    return condition, values


def _state(connection: sqlite3.Connection, word: str) -> str | None:
    """Tell which state a word names, stemmed as the text is: "complete" is COMPLETED."""
    letters = _LETTERS.search(word)
    if letters is None or letters[0][:3].lower() not in _STATE_STARTS:
        return None
    row = connection.execute(STATES, [_quoted(word)]).fetchone()
    return row[0] if row else None


def _quoted(word: str) -> str:
    return '"' + word.replace('"', '""') + '"'


def summary(row: Sequence[Any]) -> bytes:
    """Make the document of a row of COLUMNS."""
    stand = JobStand(
        state=row[1],
        started_at=row[2],
        completed_at=row[3],
        failed_at=row[4],
        cancelled_at=row[5],
        position=row[6],
        progress=percent(row[7]),
        result=row[8],
        error=row[9],
    )
    return joined(row[0].encode(), encode(stand))
