"""Reading one job in full, as the REST API shows it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from projections.search import COLUMNS, summary_of
from projections.wire import TaskRun, encode, joined

if TYPE_CHECKING:
    from collections.abc import Sequence

JOB = f"SELECT {COLUMNS}, d.tasks FROM jobs j JOIN details d ON d.id = j.id WHERE j.id = ?"  # noqa: S608 - constants
ATTEMPTS = """
SELECT id, job, position, state, created_at, scheduled_at, started_at, completed_at, failed_at, cancelled_at, node,
error, result, task FROM attempts WHERE job = ? ORDER BY number
"""
JOB_OF = "SELECT job FROM attempts WHERE id = ?"
IDS = "SELECT id FROM attempts WHERE job = ? ORDER BY number"
EXISTS = "SELECT 1 FROM jobs WHERE id = ?"


def find(connection: sqlite3.Connection, job: str) -> bytes | None:
    """Return the job's document, or None when there is no such job."""
    with _moment(connection):
        row = connection.execute(JOB, [job]).fetchone()
        attempts = b",".join(_attempt(each) for each in connection.execute(ATTEMPTS, [job]))
    if row is None:
        return None
    tasks = row[-1].encode()
    return joined(encode(summary_of(row)), b'{"tasks":' + tasks + b',"execution":[' + attempts + b"]}")


@contextmanager
def _moment(connection: sqlite3.Connection) -> Iterator[None]:
    """See the same moment in all reads."""
    connection.execute("BEGIN")
    try:
        yield
    finally:
        connection.execute("COMMIT")


def exists(connection: sqlite3.Connection, job: str) -> bool:
    """Tell whether there is such a job."""
    return connection.execute(EXISTS, [job]).fetchone() is not None


def attempts_of(connection: sqlite3.Connection, job: str) -> list[str]:
    """Return the ids of a job's attempts, in order."""
    return [row[0] for row in connection.execute(IDS, [job])]


def job_of(connection: sqlite3.Connection, attempt: str) -> str | None:
    """Return the id of the job to which an attempt belongs, or None when there is no such attempt."""
    row = connection.execute(JOB_OF, [attempt]).fetchone()
    return row[0] if row else None


def _attempt(row: Sequence[Any]) -> bytes:
    run = TaskRun(
        id=row[0],
        job_id=row[1],
        position=row[2],
        state=row[3],
        created_at=row[4],
        scheduled_at=row[5],
        started_at=row[6],
        completed_at=row[7],
        failed_at=row[8],
        cancelled_at=row[9],
        node_id=row[10],
        error=row[11],
        result=row[12],
    )
    return joined(encode(run), row[13].encode())
