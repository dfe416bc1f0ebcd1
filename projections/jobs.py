"""The list of jobs, with its search: one row a job, kept up to date with each event."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from domain.job import (
    JobCancelled,
    JobCompleted,
    JobFailed,
    JobRestarted,
    JobStatus,
    JobSubmitted,
    TaskClaimed,
    TaskScheduled,
    TaskStarted,
)
from projections.store import insert
from projections.wire import JobSummary, encode, timestamp

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence

    from sqlite_utils import Database

    from domain.event import Recorded

SEARCHED = ("name", "description", "tags", "tasks")
"""The columns in which the words of a query are sought; what a job is called never changes once it is there."""

INSERT = """
INSERT INTO jobs (number, id, name, description, tags, tasks, state, created_at, position, task_count) VALUES
"""
INSERT_TEXT = "INSERT INTO jobs_fts (rowid, name, description, tags, tasks) VALUES"
INSERT_TAG = "INSERT OR IGNORE INTO job_tags (tag, number) VALUES"

CLAIM = """
UPDATE jobs SET state = 'SCHEDULED', started_at = coalesce(started_at, :at), position = 1
WHERE id = :job AND state = 'PENDING'
"""
MOVE = "UPDATE jobs SET position = :position WHERE id = :job"
RUN = "UPDATE jobs SET state = 'RUNNING' WHERE id = :job"
COMPLETE = """
UPDATE jobs SET state = 'COMPLETED', completed_at = :at, position = task_count + 1 WHERE id = :job
"""
FAIL = "UPDATE jobs SET state = 'FAILED', failed_at = :at, error = :error WHERE id = :job"
CANCEL = "UPDATE jobs SET state = 'CANCELLED', cancelled_at = :at WHERE id = :job"
RESTART = """
UPDATE jobs SET state = CASE WHEN started_at IS NULL THEN 'PENDING' ELSE 'RUNNING' END,
failed_at = NULL, cancelled_at = NULL, error = NULL WHERE id = :job
"""


COLUMNS = {
    "number": int,
    "id": str,
    "name": str,
    "description": str,
    "tags": str,
    "tasks": str,
    "state": str,
    "created_at": str,
    "started_at": str,
    "completed_at": str,
    "failed_at": str,
    "cancelled_at": str,
    "position": int,
    "task_count": int,
    "error": str,
}
ALWAYS = {"id", "name", "state", "created_at", "position", "task_count"}


def create(database: Database) -> None:
    """Create the tables of an empty read model."""
    jobs = database.table("jobs")
    jobs.create(COLUMNS, pk="number", not_null=ALWAYS, strict=True)
    jobs.create_index(["id"], unique=True)
    jobs.create_index(["state"])
    jobs.enable_fts(SEARCHED, tokenize="porter unicode61")
    jobs.enable_counts()
    database.table("job_tags").create({"tag": str, "number": int}, pk=("tag", "number"), strict=True)
    states = database.table("states")
    states.create({"name": str}, pk="name", strict=True)
    states.insert_all({"name": state} for state in JobStatus)
    states.enable_fts(["name"], tokenize="porter unicode61")


def apply(cursor: sqlite3.Cursor, batch: Sequence[Recorded]) -> None:
    """Write what some events change in the list: the new jobs first, then what became of old and new ones."""
    _insert(cursor, [recorded for recorded in batch if isinstance(recorded.event, JobSubmitted)])
    for recorded in batch:
        _update(cursor, recorded)


def _insert(cursor: sqlite3.Cursor, submissions: Sequence[Recorded]) -> None:
    rows = [_row(recorded.position, recorded.event) for recorded in submissions]
    tags = [(tag, recorded.position) for recorded in submissions for tag in recorded.event.definition.tags]
    insert(cursor, INSERT, rows)
    insert(cursor, INSERT_TEXT, [(row[0], *row[2:6]) for row in rows])
    insert(cursor, INSERT_TAG, tags)


def _row(number: int, event: JobSubmitted) -> tuple[str | int | None, ...]:
    definition = event.definition
    return (
        number,
        event.job.hex,
        definition.name,
        definition.description or None,
        encode(definition.tags).decode() if definition.tags else None,
        "\n".join([task.name for task in definition.tasks]),
        "PENDING",
        timestamp(event.at),
        0,
        len(definition.tasks),
    )


def _update(cursor: sqlite3.Cursor, recorded: Recorded) -> None:
    job = recorded.originator_id.hex
    match recorded.event:
        case TaskScheduled(position=position) if position > 1:
            cursor.execute(MOVE, {"job": job, "position": position})
        case TaskClaimed(at=at):
            cursor.execute(CLAIM, {"job": job, "at": timestamp(at)})
        case TaskStarted():
            cursor.execute(RUN, {"job": job})
        case JobCompleted(at=at):
            cursor.execute(COMPLETE, {"job": job, "at": timestamp(at)})
        case JobFailed(at=at, error=error):
            cursor.execute(FAIL, {"job": job, "at": timestamp(at), "error": error})
        case JobCancelled(at=at):
            cursor.execute(CANCEL, {"job": job, "at": timestamp(at)})
        case JobRestarted():
            cursor.execute(RESTART, {"job": job})


def summary(event: JobSubmitted) -> JobSummary:
    """Return what the list will show of a job that was just submitted."""
    definition = event.definition
    return JobSummary(
        id=event.job.hex,
        name=definition.name,
        description=definition.description or None,
        tags=msgspec.Raw(encode(definition.tags)) if definition.tags else None,
        state=JobStatus.PENDING,
        created_at=timestamp(event.at),
        position=0,
        task_count=len(definition.tasks),
    )
