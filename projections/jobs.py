"""The list of jobs, with its search: one row a job."""

from __future__ import annotations

from typing import TYPE_CHECKING

from domain.job import JobCompleted, JobFailed, JobStatus, JobSubmitted
from projections.store import insert
from projections.wire import JobHead, JobStand, encode, joined, public, shown, timestamp

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence
    from datetime import datetime

    from sqlite_utils import Database

    from domain.event import Recorded

SEARCHED = ("name", "description", "tags", "tasks")
"""The columns in which the words of a query are sought; what a job is called never changes once it is there."""

INSERT = """
INSERT INTO jobs (number, id, name, description, tags, tasks, head, state, position, task_count) VALUES
"""
INSERT_TEXT = "INSERT INTO jobs_fts (rowid, name, description, tags, tasks) VALUES"
INSERT_TAG = "INSERT OR IGNORE INTO job_tags (tag, number) VALUES"

CLAIM = """
UPDATE jobs SET state = 'SCHEDULED', started_at = coalesce(started_at, :at), position = max(position, 1)
WHERE id = :job AND state = 'PENDING'
"""
RUN = "UPDATE jobs SET state = 'RUNNING' WHERE id = :job AND state <> 'RUNNING'"
START = """
UPDATE jobs SET state = 'RUNNING', started_at = coalesce(started_at, :at), position = max(position, 1) WHERE id = :job
"""
MOVE = """
UPDATE jobs SET position = CASE :position WHEN 1 THEN position ELSE max(position, :position) END,
progress = round(100.0 * (:position - 1) / task_count, 2) WHERE id = :job
"""
PROGRESS = "UPDATE jobs SET progress = round(100.0 * (:position - 1 + :share) / task_count, 2) WHERE id = :job"
COMPLETE = """
UPDATE jobs SET state = 'COMPLETED', completed_at = :at, started_at = coalesce(started_at, :at), result = :result,
position = task_count + 1, progress = 100 WHERE id = :job
"""
FAIL = """
UPDATE jobs SET state = 'FAILED', failed_at = :at, error = :error, position = max(position, 1) WHERE id = :job
"""
BEYOND = "UPDATE jobs SET position = task_count + 1, progress = 100 WHERE id = :job AND position = task_count"
CANCEL = "UPDATE jobs SET state = 'CANCELLED', cancelled_at = :at WHERE id = :job"
RESTART = """
UPDATE jobs SET state = CASE WHEN started_at IS NULL THEN 'PENDING' ELSE 'RUNNING' END,
failed_at = NULL, cancelled_at = NULL, error = NULL WHERE id = :job
"""
FORGET_TEXT = """
INSERT INTO jobs_fts (jobs_fts, rowid, name, description, tags, tasks)
SELECT 'delete', number, name, description, tags, tasks FROM jobs WHERE id = :job
"""
FORGET_TAGS = """
DELETE FROM job_tags WHERE number = (SELECT number FROM jobs WHERE id = :job)
AND tag IN (SELECT value FROM jobs, json_each(jobs.tags) WHERE jobs.id = :job)
"""
FORGET = "DELETE FROM jobs WHERE id = :job"


COLUMNS = {
    "number": int,
    "id": str,
    "name": str,
    "description": str,
    "tags": str,
    "tasks": str,
    "head": str,
    "state": str,
    "started_at": str,
    "completed_at": str,
    "failed_at": str,
    "cancelled_at": str,
    "position": int,
    "task_count": int,
    "progress": float,
    "result": str,
    "error": str,
}
"""`head` is what clients see of a job and never changes, as JSON."""
ALWAYS = {"id", "name", "head", "state", "position", "task_count"}


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


def add(cursor: sqlite3.Cursor, submissions: Sequence[Recorded]) -> None:
    """Write the rows of new jobs."""
    rows = [_row(recorded.position, recorded.event) for recorded in submissions]
    insert(cursor, INSERT, rows)
    insert(cursor, INSERT_TEXT, [(row[0], *row[2:6]) for row in rows])
    tags = [(tag, recorded.position) for recorded in submissions for tag in recorded.event.definition.tags]
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
        public(_head(event)).decode(),
        "PENDING",
        0,
        len(definition.tasks),
    )


def _head(event: JobSubmitted) -> JobHead:
    definition, parent = event.definition, event.parent
    return JobHead(
        id=event.job.hex,
        parent_id=parent.attempt.hex if parent else None,
        parent_job_id=parent.job.hex if parent else None,
        name=definition.name,
        description=definition.description,
        tags=definition.tags,
        inputs=definition.inputs,
        created_at=timestamp(event.at),
        task_count=len(definition.tasks),
    )


def claim(cursor: sqlite3.Cursor, job: str, at: datetime) -> None:
    """Show that a runner has taken a task of a job."""
    cursor.execute(CLAIM, {"job": job, "at": timestamp(at)})


def run(cursor: sqlite3.Cursor, job: str) -> None:
    """Show that a task of a job runs."""
    cursor.execute(RUN, {"job": job})


def start(cursor: sqlite3.Cursor, job: str, at: datetime) -> None:
    """Show that a task of a job has started another job."""
    cursor.execute(START, {"job": job, "at": timestamp(at)})


def move(cursor: sqlite3.Cursor, job: str, position: int) -> None:
    """Show that a task of a job has begun, or begun again: those before it are done."""
    cursor.execute(MOVE, {"job": job, "position": position})


def progress(cursor: sqlite3.Cursor, job: str, position: int, share: float) -> None:
    """Show how much of the task at a position is done, from 0 to 1."""
    cursor.execute(PROGRESS, {"job": job, "position": position, "share": share})


def complete(cursor: sqlite3.Cursor, job: str, event: JobCompleted) -> None:
    """Show that a job ended well."""
    cursor.execute(COMPLETE, {"job": job, "at": timestamp(event.at), "result": event.result or None})


def fail(cursor: sqlite3.Cursor, job: str, event: JobFailed, *, after_tasks: bool) -> None:
    """Show that a job failed, be it after all of its tasks were done."""
    cursor.execute(FAIL, {"job": job, "at": timestamp(event.at), "error": event.error})
    if after_tasks:
        cursor.execute(BEYOND, {"job": job})


def cancel(cursor: sqlite3.Cursor, job: str, at: datetime) -> None:
    """Show that a job was called off."""
    cursor.execute(CANCEL, {"job": job, "at": timestamp(at)})


def restart(cursor: sqlite3.Cursor, job: str) -> None:
    """Show that a job goes on; the task that begins anew says where it stands."""
    cursor.execute(RESTART, {"job": job})


def delete(cursor: sqlite3.Cursor, job: str) -> None:
    """Show a job no more."""
    for statement in (FORGET_TEXT, FORGET_TAGS, FORGET):
        cursor.execute(statement, {"job": job})


def summary(event: JobSubmitted) -> bytes:
    """Return what is told of a job that was just submitted: to whom gave its inputs, and to its webhooks.

    Neither is looking on, and conditions of webhooks compare inputs: these are all here.
    """
    return joined(shown(_head(event)), encode(JobStand(state=JobStatus.PENDING, position=0)))
