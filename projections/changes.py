"""What each event changes in what the API shows: first all that is new, then what became of it, in the log's order."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from domain.job import (
    JobCancelled,
    JobCompleted,
    JobDeleted,
    JobFailed,
    JobRestarted,
    JobSubmitted,
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
)
from projections import attempts, details, jobs

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Sequence

    from sqlite_utils import Database

    from domain.event import Recorded
    from domain.job import Beginning
    from projections.attempts import Share


def create(database: Database) -> None:
    """Create the tables of empty read models."""
    for table in (jobs, details, attempts):
        table.create(database)


def apply(cursor: sqlite3.Cursor, batch: Sequence[Recorded]) -> None:
    """Write what some events change."""
    submissions = [recorded for recorded in batch if isinstance(recorded.event, JobSubmitted)]
    jobs.add(cursor, submissions)
    details.add(cursor, submissions)
    attempts.add(cursor, batch)
    for recorded in batch:
        change = CHANGES.get(type(recorded.event))
        if change is not None:
            change(cursor, recorded.originator_id.hex, recorded)


def _begin(cursor: sqlite3.Cursor, job: str, recorded: Recorded) -> None:
    event: Beginning = recorded.event
    if event.parent is None and (event.position > 1 or event.number > 1):
        jobs.move(cursor, job, event.position)


def _skip(cursor: sqlite3.Cursor, job: str, recorded: Recorded) -> None:
    event: TaskSkipped = recorded.event
    if event.parent is None:
        _begin(cursor, job, recorded)
    else:
        _tell(cursor, job, attempts.count(cursor, event.parent.hex))


def _start_job(cursor: sqlite3.Cursor, job: str, recorded: Recorded) -> None:
    jobs.start(cursor, job, recorded.event.at)
    _begin(cursor, job, recorded)


def _claim(cursor: sqlite3.Cursor, job: str, recorded: Recorded) -> None:
    jobs.claim(cursor, job, recorded.event.at)
    attempts.claim(cursor, recorded.event)


def _start(cursor: sqlite3.Cursor, job: str, recorded: Recorded) -> None:
    jobs.run(cursor, job)
    attempts.start(cursor, recorded.event)


def _progress(cursor: sqlite3.Cursor, job: str, recorded: Recorded) -> None:
    _tell(cursor, job, attempts.progress(cursor, recorded.event))


def _complete(cursor: sqlite3.Cursor, job: str, recorded: Recorded) -> None:
    _tell(cursor, job, attempts.complete(cursor, job, recorded.event))


def _tell(cursor: sqlite3.Cursor, job: str, share: Share | None) -> None:
    if share is not None:
        jobs.progress(cursor, job, share.position, share.done)


def _fail(cursor: sqlite3.Cursor, _: str, recorded: Recorded) -> None:
    attempts.fail(cursor, recorded.event)


def _complete_job(cursor: sqlite3.Cursor, job: str, recorded: Recorded) -> None:
    event: JobCompleted = recorded.event
    jobs.complete(cursor, job, event)
    if event.delete_at is not None:
        details.delete_at(cursor, job, event.delete_at)


def _fail_job(cursor: sqlite3.Cursor, job: str, recorded: Recorded) -> None:
    jobs.fail(cursor, job, recorded.event, after_tasks=attempts.are_done(cursor, recorded))
    attempts.cancel(cursor, recorded)


def _cancel_job(cursor: sqlite3.Cursor, job: str, recorded: Recorded) -> None:
    jobs.cancel(cursor, job, recorded.event.at)
    attempts.cancel(cursor, recorded)


def _restart_job(cursor: sqlite3.Cursor, job: str, recorded: Recorded) -> None:
    jobs.restart(cursor, job)
    details.restart(cursor, job, recorded.position * attempts.SPREAD)


def _delete_job(cursor: sqlite3.Cursor, job: str, _: Recorded) -> None:
    for table in (jobs, details, attempts):
        table.delete(cursor, job)


CHANGES: dict[type[Any], Callable[[sqlite3.Cursor, str, Recorded], None]] = {
    TaskScheduled: _begin,
    TaskExpanded: _begin,
    SubjobStarted: _start_job,
    TaskSkipped: _skip,
    TaskRejected: _begin,
    TaskClaimed: _claim,
    TaskStarted: _start,
    TaskProgressed: _progress,
    TaskCompleted: _complete,
    TaskFailed: _fail,
    TaskLost: _fail,
    JobCompleted: _complete_job,
    JobFailed: _fail_job,
    JobCancelled: _cancel_job,
    JobRestarted: _restart_job,
    JobDeleted: _delete_job,
}
