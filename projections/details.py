"""One job in full: its tasks as submitted, and each attempt of each task."""

from __future__ import annotations

from typing import TYPE_CHECKING

from domain.job import (
    JobCancelled,
    JobSubmitted,
    TaskClaimed,
    TaskCompleted,
    TaskFailed,
    TaskLost,
    TaskScheduled,
    TaskStarted,
)
from projections.store import insert
from projections.wire import encode, timestamp

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence

    from sqlite_utils import Database

    from domain.event import Recorded

INSERT_TASKS = "INSERT INTO details (id, tasks) VALUES"
INSERT_ATTEMPT = """
INSERT INTO attempts (number, id, job, position, state, created_at, scheduled_at, task) VALUES
"""
CLAIM = "UPDATE attempts SET node = :node WHERE id = :id"
START = "UPDATE attempts SET state = 'RUNNING', started_at = :at WHERE id = :id"
COMPLETE = "UPDATE attempts SET state = 'COMPLETED', completed_at = :at, result = :result WHERE id = :id"
FAIL = "UPDATE attempts SET state = 'FAILED', failed_at = :at, error = :error WHERE id = :id"
CANCEL = """
UPDATE attempts SET state = 'CANCELLED', cancelled_at = :at
WHERE job = :job AND state IN ('SCHEDULED', 'RUNNING') AND number < :number
"""


COLUMNS = {
    "number": int,
    "id": str,
    "job": str,
    "position": int,
    "state": str,
    "created_at": str,
    "scheduled_at": str,
    "started_at": str,
    "completed_at": str,
    "failed_at": str,
    "cancelled_at": str,
    "node": str,
    "error": str,
    "result": str,
    "task": str,
}
ALWAYS = {"id", "job", "position", "state", "created_at", "scheduled_at", "task"}


def create(database: Database) -> None:
    """Create the tables of an empty read model."""
    database.table("details").create({"id": str, "tasks": str}, pk="id", not_null={"tasks"}, strict=True)
    attempts = database.table("attempts")
    attempts.create(COLUMNS, pk="number", not_null=ALWAYS, strict=True)
    attempts.create_index(["id"], unique=True)
    attempts.create_index(["job"])


def apply(cursor: sqlite3.Cursor, batch: Sequence[Recorded]) -> None:
    """Write what some events change in the details: the new jobs and attempts first, then what became of them."""
    submitted = [recorded.event for recorded in batch if isinstance(recorded.event, JobSubmitted)]
    insert(cursor, INSERT_TASKS, [(event.job.hex, encode(event.definition.tasks).decode()) for event in submitted])
    scheduled = [recorded for recorded in batch if isinstance(recorded.event, TaskScheduled)]
    insert(cursor, INSERT_ATTEMPT, [_attempt(recorded) for recorded in scheduled])
    for recorded in batch:
        _update(cursor, recorded)


def _attempt(recorded: Recorded) -> tuple[str | int, ...]:
    event: TaskScheduled = recorded.event
    at = timestamp(event.at)
    return (
        recorded.position,
        event.attempt.hex,
        recorded.originator_id.hex,
        event.position,
        "SCHEDULED",
        at,
        at,
        encode(event.task).decode(),
    )


def _update(cursor: sqlite3.Cursor, recorded: Recorded) -> None:
    match recorded.event:
        case TaskClaimed() as event:
            cursor.execute(CLAIM, {"id": event.attempt.hex, "node": event.runner.hex})
        case TaskStarted() as event:
            cursor.execute(START, _change(event))
        case TaskCompleted() as event:
            cursor.execute(COMPLETE, _change(event) | {"result": event.result or None})
        case TaskFailed() as event:
            cursor.execute(FAIL, _change(event) | {"error": event.error})
        case TaskLost() as event:
            cursor.execute(FAIL, _change(event) | {"error": event.reason})
        case JobCancelled(at=at):
            place = {"job": recorded.originator_id.hex, "number": recorded.position}
            cursor.execute(CANCEL, place | {"at": timestamp(at)})


def _change(event: TaskStarted | TaskCompleted | TaskFailed | TaskLost) -> dict[str, str | None]:
    return {"id": event.attempt.hex, "at": timestamp(event.at)}
