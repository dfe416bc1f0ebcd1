"""The attempts of tasks: one row each, also for children of composite tasks that have yet to begin."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import msgspec

from domain.definition import TaskDefinition
from domain.job import (
    Beginning,
    SubjobStarted,
    TaskClaimed,
    TaskCompleted,
    TaskExpanded,
    TaskFailed,
    TaskLost,
    TaskProgressed,
    TaskRejected,
    TaskScheduled,
    TaskSkipped,
    TaskStarted,
    attempt_id,
)
from projections.store import insert
from projections.wire import public, shown, timestamp

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator, Sequence

    from sqlite_utils import Database

    from domain.event import Recorded

SPREAD = 1 << 20
"""Numbers of attempts for one event: more than it can bring children."""

SCHEDULE = "INSERT INTO attempts (number, id, job, position, state, created_at, scheduled_at, task) VALUES"
CREATE = "INSERT INTO attempts (number, id, job, parent, path, position, state, created_at, task) VALUES"
BEGIN = """
INSERT INTO attempts (number, id, job, parent, path, position, state, created_at, scheduled_at, started_at,
completed_at, failed_at, due_at, error, var, inside, task) VALUES
"""
WHEN_CREATED = """
ON CONFLICT (id) DO UPDATE SET state = excluded.state, scheduled_at = excluded.scheduled_at,
started_at = excluded.started_at, completed_at = excluded.completed_at, failed_at = excluded.failed_at,
due_at = excluded.due_at, error = excluded.error, var = excluded.var, inside = excluded.inside, task = excluded.task
"""
BRANCH = "INSERT INTO branches (id, parent, position, size, done) VALUES"
CLAIM = "UPDATE attempts SET node = :node WHERE id = :id"
START = "UPDATE attempts SET state = 'RUNNING', started_at = :at WHERE id = :id"
PROGRESS = "UPDATE attempts SET progress = :progress WHERE id = :id RETURNING parent, position"
COMPLETE = """
UPDATE attempts SET state = 'COMPLETED', completed_at = :at, result = :result WHERE id = :id
RETURNING parent, var, number
"""
KEEP = """
INSERT INTO results (job, var, number) VALUES (:job, :var, :number)
ON CONFLICT (job, var) DO UPDATE SET number = excluded.number
"""
COUNT = "UPDATE branches SET done = done + 1 WHERE id = :id RETURNING parent, position, size, done"
FAIL = "UPDATE attempts SET state = 'FAILED', failed_at = :at, error = :error WHERE id = :id"
LAST = """
SELECT state FROM attempts WHERE job = :job AND number < :number AND parent IS NULL ORDER BY number DESC LIMIT 1
"""
CANCEL = """
UPDATE attempts SET state = 'CANCELLED', cancelled_at = :at
WHERE job = :job AND number < :number AND number >= coalesce((SELECT began FROM details WHERE id = :job), 0)
AND state IN ('CREATED', 'SCHEDULED', 'RUNNING')
"""
FORGET = (
    "DELETE FROM branches WHERE id IN (SELECT id FROM attempts WHERE job = :job AND inside IS NOT NULL)",
    "DELETE FROM results WHERE job = :job",
    "DELETE FROM attempts WHERE job = :job",
)

COLUMNS = {
    "number": int,
    "id": str,
    "job": str,
    "parent": str,
    "path": str,
    "position": int,
    "state": str,
    "created_at": str,
    "scheduled_at": str,
    "started_at": str,
    "completed_at": str,
    "failed_at": str,
    "cancelled_at": str,
    "due_at": str,
    "node": str,
    "progress": float,
    "error": str,
    "result": str,
    "var": str,
    "inside": str,
    "task": str,
}
"""`inside` is what a composite task is made of, as JSON that goes on with how much of it is done."""
ALWAYS = {"id", "job", "position", "state", "created_at", "task"}

Row = tuple[str | int | None, ...]
BEGINNINGS: dict[type[Beginning], tuple[str, ...]] = {
    TaskScheduled: ("SCHEDULED", "scheduled_at"),
    TaskExpanded: ("RUNNING", "scheduled_at", "started_at"),
    SubjobStarted: ("RUNNING", "scheduled_at", "started_at"),
    TaskSkipped: ("SKIPPED", "scheduled_at", "started_at", "completed_at"),
    TaskRejected: ("FAILED", "failed_at"),
}
"""The state with which an attempt begins, and what it has reached thereby."""
TIMES = ("scheduled_at", "started_at", "completed_at", "failed_at")


class Share(NamedTuple):
    """How much of a task of the job itself is done."""

    position: int
    done: float
    """From 0 to 1."""


def create(database: Database) -> None:
    """Create the tables of an empty read model."""
    attempts = database.table("attempts")
    attempts.create(COLUMNS, pk="number", not_null=ALWAYS, strict=True)
    attempts.create_index(["id"], unique=True)
    attempts.create_index(["job"])
    branch = {"id": str, "parent": str, "position": int, "size": int, "done": int}
    database.table("branches").create(branch, pk="id", not_null={"position", "size", "done"}, strict=True)
    result = {"job": str, "var": str, "number": int}
    database.table("results").create(result, pk=("job", "var"), not_null={"number"}, strict=True)


def add(cursor: sqlite3.Cursor, batch: Sequence[Recorded]) -> None:
    """Write the rows of new attempts, and of the children of new composite tasks that can not begin at once."""
    begun = [recorded for recorded in batch if type(recorded.event) in BEGINNINGS]
    plain = [_scheduled(recorded) for recorded in begun if _is_plain(recorded.event)]
    insert(cursor, SCHEDULE, plain)
    if len(plain) < len(begun):
        _add_others(cursor, begun)


def _add_others(cursor: sqlite3.Cursor, begun: Sequence[Recorded]) -> None:
    expanded = [recorded for recorded in begun if isinstance(recorded.event, TaskExpanded)]
    insert(cursor, CREATE, (row for recorded in expanded for row in _created(recorded)))
    insert(cursor, BEGIN, [_begun(recorded) for recorded in begun if not _is_plain(recorded.event)], WHEN_CREATED)
    insert(cursor, BRANCH, [_branch(recorded.event) for recorded in expanded])


def _is_plain(event: Beginning) -> bool:
    """Tell whether it is what most are: a task of the job itself, without a variable, that waits for a runner alone."""
    if not isinstance(event, TaskScheduled):
        return False
    return event.parent is None and event.due is None and not event.task.var and not event.retries


def _scheduled(recorded: Recorded) -> Row:
    event: TaskScheduled = recorded.event
    at, job = timestamp(event.at), recorded.originator_id.hex
    number = recorded.position * SPREAD
    return (number, event.attempt.hex, job, event.position, "SCHEDULED", at, at, public(event.task).decode())


def _begun(recorded: Recorded) -> Row:
    event: Beginning = recorded.event
    at = timestamp(event.at)
    state, *reached = BEGINNINGS[type(event)]
    return (
        recorded.position * SPREAD,
        event.attempt.hex,
        recorded.originator_id.hex,
        event.parent.hex if event.parent else None,
        event.path if event.parent else None,
        event.position,
        state,
        at,
        *[at if time in reached else None for time in TIMES],
        timestamp(event.due) if isinstance(event, TaskScheduled) and event.due else None,
        event.error if isinstance(event, TaskRejected) else None,
        event.task.var or None,
        _inside(event) if isinstance(event, TaskExpanded) else None,
        _task(event),
    )


def _task(event: Beginning) -> str:
    """Write a task as it is run, with what Tork tells of it."""
    task = event.task
    match event:
        case TaskExpanded():
            task = msgspec.structs.replace(task, each=None, parallel=None)
        case SubjobStarted() if task.subjob is not None:
            task = msgspec.structs.replace(task, subjob=msgspec.structs.replace(task.subjob, id=event.job.hex))
        case TaskScheduled(retries=retries) if retries:
            document = msgspec.to_builtins(task)
            return public(document | {"retry": document.get("retry", {}) | {"attempts": retries}}).decode()
    return public(task).decode()


def _inside(event: TaskExpanded) -> str:
    if event.task.each is not None:
        return f'"each":{public(event.task.each)[:-1].decode()},"size":{event.size}'
    return f'"parallel":{public(event.task.parallel)[:-1].decode()}'


def _created(recorded: Recorded) -> Iterator[Row]:
    event: TaskExpanded = recorded.event
    if event.size <= event.limit:
        return
    job, parent, at = recorded.originator_id.hex, event.attempt.hex, timestamp(event.at)
    path = event.path or str(event.position)
    tasks = _templates(event)
    for place in range(1, event.size + 1):
        number, child = recorded.position * SPREAD + place, attempt_id(event.attempt, place, 1).hex
        task = tasks[(place - 1) % len(tasks)]
        yield (number, child, job, parent, f"{path}.{place}", event.position, "CREATED", at, task)


def _templates(event: TaskExpanded) -> Sequence[str]:
    """Write what is told of children before they begin: the name and the image, as the job's author wrote them."""
    each, parallel = event.task.each, event.task.parallel
    tasks = (each.task,) if each is not None else parallel.tasks if parallel is not None else ()
    return [shown(TaskDefinition(name=task.name, image=task.image)).decode() for task in tasks]


def _branch(event: TaskExpanded) -> Row:
    return (event.attempt.hex, event.parent.hex if event.parent else None, event.position, event.size, 0)


def claim(cursor: sqlite3.Cursor, event: TaskClaimed) -> None:
    """Show which runner took an attempt."""
    cursor.execute(CLAIM, {"id": event.attempt.hex, "node": event.runner.hex})


def start(cursor: sqlite3.Cursor, event: TaskStarted) -> None:
    """Show that an attempt runs."""
    cursor.execute(START, {"id": event.attempt.hex, "at": timestamp(event.at)})


def progress(cursor: sqlite3.Cursor, event: TaskProgressed) -> Share | None:
    """Show how far an attempt is; tell what that means for the job, if it is a task of the job itself."""
    row = cursor.execute(PROGRESS, {"id": event.attempt.hex, "progress": event.progress}).fetchone()
    return Share(row[1], event.progress / 100) if row and row[0] is None else None


def complete(cursor: sqlite3.Cursor, job: str, event: TaskCompleted) -> Share | None:
    """Show that an attempt ended well; tell what that means for the job, if the task around it is of the job itself."""
    change = {"id": event.attempt.hex, "at": timestamp(event.at), "result": event.result or None}
    row = cursor.execute(COMPLETE, change).fetchone()
    if row is None:
        return None
    parent, var, number = row
    if var and event.result:
        cursor.execute(KEEP, {"job": job, "var": var, "number": number})
    return count(cursor, parent) if parent else None


def count(cursor: sqlite3.Cursor, parent: str) -> Share | None:
    """Count a child of a composite task that is done; tell what that means for the job, as above."""
    row = cursor.execute(COUNT, {"id": parent}).fetchone()
    if row is None or row[0] is not None:
        return None
    _, position, size, done = row
    return Share(position, done / size)


def fail(cursor: sqlite3.Cursor, event: TaskFailed | TaskLost) -> None:
    """Show that an attempt ended badly."""
    error = event.error if isinstance(event, TaskFailed) else event.reason
    cursor.execute(FAIL, {"id": event.attempt.hex, "at": timestamp(event.at), "error": error})


def cancel(cursor: sqlite3.Cursor, recorded: Recorded) -> None:
    """Show that whatever of a job was not over, when it ended, never will go on."""
    job, number = recorded.originator_id.hex, recorded.position * SPREAD
    cursor.execute(CANCEL, {"job": job, "number": number, "at": timestamp(recorded.event.at)})


def are_done(cursor: sqlite3.Cursor, recorded: Recorded) -> bool:
    """Tell whether the task of the job itself that began last before an event had ended well."""
    job, number = recorded.originator_id.hex, recorded.position * SPREAD
    row = cursor.execute(LAST, {"job": job, "number": number}).fetchone()
    return row is not None and row[0] in {"COMPLETED", "SKIPPED"}


def delete(cursor: sqlite3.Cursor, job: str) -> None:
    """Show the attempts of a job no more."""
    for statement in FORGET:
        cursor.execute(statement, {"job": job})
