"""Reading one job in full, as the REST API shows it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import msgspec

from projections import search
from projections.search import COLUMNS
from projections.wire import Document, TaskRun, encode, joined, percent

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

JOB = f"""
SELECT {COLUMNS}, j.name, d.tasks, d.more, d.inputs, d.secrets, d.delete_at
FROM jobs j JOIN details d ON d.id = j.id WHERE j.id = ?
"""  # noqa: S608 - constants
ATTEMPTS = """
SELECT id, job, parent, position, path, state, created_at, scheduled_at, started_at, completed_at, failed_at,
cancelled_at, due_at, node, progress, error, result, var, task, inside,
CASE WHEN inside IS NOT NULL THEN (SELECT done FROM branches WHERE branches.id = attempts.id) END
FROM attempts WHERE job = ? ORDER BY number LIMIT ?
"""
RESULTS = "SELECT r.var, a.result FROM results r JOIN attempts a ON a.number = r.number WHERE r.job = ? ORDER BY r.var"
JOB_OF = "SELECT job FROM attempts WHERE id = ?"
IDS = "SELECT id FROM attempts WHERE job = ? AND node IS NOT NULL ORDER BY number"
STATE = "SELECT state FROM jobs WHERE id = ?"

FEW = 100
"""Attempts up to which the document of a job is made so soon that nobody need wait for it."""
ALL = 1 << 62
"""More attempts than there can be."""
OVER = frozenset({"COMPLETED", "FAILED", "CANCELLED"})


class Name(Document, frozen=True):
    """A job, as expressions see it."""

    id: str
    name: str


class JobContext(Document, frozen=True, kw_only=True):
    """What expressions of a job's tasks see."""

    job: Name
    inputs: Any = None
    secrets: Any = None
    """Their names alone."""
    tasks: dict[str, str] | None = None
    """What tasks returned, by the names of their variables."""


class Rest(Document, frozen=True, kw_only=True):
    """What is not ready in the rows."""

    context: JobContext
    secrets: Any = None
    delete_at: str | None = None


class Long(Exception):
    """A job has so many attempts that its document is better made beside what others wait for."""


def find(connection: sqlite3.Connection, job: str, most: int = ALL) -> bytes | None:
    """Return the job's document, or None when there is no such job; raises `Long` for more than so many attempts.

    Its attempts come in the order in which they began; a composite task comes before its children, and these, when not
    all of them can begin at once, in the order of their places.
    """
    with _moment(connection):
        row = connection.execute(JOB, [job]).fetchone()
        if row is None:
            return None
        attempts = connection.execute(ATTEMPTS, [job, most + 1]).fetchall()
        if len(attempts) > most:
            raise Long
        results = dict(connection.execute(RESULTS, [job])) if any(each[17] for each in attempts) else {}
    head = joined(search.summary(row), _rest(job, row, results))
    execution = b",".join([_attempt(each) for each in attempts])
    return b'%s,"tasks":%s,"execution":[%s]}' % (head[:-1], row[11].encode(), execution)


def _rest(job: str, row: Sequence[Any], results: dict[str, str]) -> bytes:
    name, _, more, inputs, secrets, delete_at = row[10:]
    given, names = (msgspec.Raw(text.encode()) if text else None for text in (inputs, secrets))
    context = JobContext(job=Name(job, name), inputs=given, secrets=names, tasks=results or None)
    rest = encode(Rest(context=context, secrets=names, delete_at=delete_at))
    return joined(rest, more.encode()) if more else rest


@contextmanager
def _moment(connection: sqlite3.Connection) -> Iterator[None]:
    """See the same moment in all reads."""
    connection.execute("BEGIN")
    try:
        yield
    finally:
        connection.execute("COMMIT")


def state(connection: sqlite3.Connection, job: str) -> str | None:
    """Return the state of a job, or None when there is no such job."""
    row = connection.execute(STATE, [job]).fetchone()
    return row[0] if row else None


def over(connection: sqlite3.Connection, jobs: Collection[str]) -> list[str]:
    """Return those of some jobs that have ended."""
    return [job for job in jobs if state(connection, job) in OVER]


def attempts_of(connection: sqlite3.Connection, job: str) -> list[str]:
    """Return the ids of a job's attempts that a runner has taken, in order: others print nothing."""
    return [row[0] for row in connection.execute(IDS, [job])]


def job_of(connection: sqlite3.Connection, attempt: str) -> str | None:
    """Return the id of the job to which an attempt belongs, or None when there is no such attempt."""
    row = connection.execute(JOB_OF, [attempt]).fetchone()
    return row[0] if row else None


def _attempt(row: Sequence[Any]) -> bytes:  # long: a line for each field
    run = TaskRun(
        id=row[0],
        job_id=row[1],
        parent_id=row[2],
        position=row[3],
        path=row[4] or str(row[3]),
        state=row[5],
        created_at=row[6],
        scheduled_at=row[7],
        started_at=row[8],
        completed_at=row[9],
        failed_at=row[10],
        cancelled_at=row[11],
        due_at=row[12],
        node_id=row[13],
        progress=percent(row[14]),
        error=row[15],
        result=row[16],
    )
    _, task, inside, done = row[17:]
    document = joined(encode(run), task.encode())
    if inside is None:
        return document
    completions = b',"completions":%d' % done if done else b""
    return b"%s,%s%s}}" % (document[:-1], inside.encode(), completions)
