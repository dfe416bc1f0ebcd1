"""A runner's own view of the log: which attempts wait in its queues, and which it holds that are not over."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterator, Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from sqlite_utils import Database

from domain.event import Recorded
from domain.job import (
    JobCancelled,
    TaskClaimed,
    TaskCompleted,
    TaskFailed,
    TaskLost,
    TaskScheduled,
    TaskStopped,
)
from projections.store import insert

TOPICS = frozenset(
    event.__name__
    for event in (JobCancelled, TaskClaimed, TaskCompleted, TaskFailed, TaskLost, TaskScheduled, TaskStopped)
)
"""The tags of the events that matter here: the others need not even be read."""

WAIT = "INSERT OR IGNORE INTO pending (position, attempt, job, version, queue) VALUES"
HOLD = """
INSERT OR IGNORE INTO held (attempt, job, version, runner, epoch, claim, claimed_at) VALUES (?, ?, ?, ?, ?, ?, ?)
"""
TAKE = "DELETE FROM pending WHERE job = ? AND attempt = ?"
CALL_OFF = "DELETE FROM pending WHERE job = ? AND position < ?"
END = "DELETE FROM held WHERE attempt = ?"
NEXT = """
SELECT position, attempt, job, version FROM pending WHERE queue = ? AND position > ? ORDER BY position LIMIT 1
"""
HELD = "SELECT claim, attempt, job, version, epoch, claimed_at FROM held WHERE runner = ? ORDER BY claim"


class Place(NamedTuple):
    """Where in the log an attempt was scheduled, or claimed."""

    position: int
    attempt: UUID
    job: UUID
    version: int
    """The number of that event in the job's stream."""


class Claim(NamedTuple):
    """Where in the log an attempt was claimed, and by which start of the runner."""

    epoch: int
    position: int
    at: datetime


def create(database: Database) -> None:
    """Create the tables of an empty read model."""
    place = {"attempt": str, "job": str, "version": int}
    pending = database.table("pending")
    pending.create({"position": int, **place, "queue": str}, pk="position", not_null={*place, "queue"}, strict=True)
    pending.create_index(["queue", "position"])
    pending.create_index(["job"])
    claim = {"runner": str, "epoch": int, "claim": int, "claimed_at": str}
    held = database.table("held")
    held.create({**place, **claim}, pk="attempt", not_null={*place, *claim}, strict=True)


def concerns(recorded: Recorded, queues: Collection[str]) -> bool:
    """Tell whether an event matters to a runner of some queues: what waits for others need not be kept."""
    return not isinstance(recorded.event, TaskScheduled) or recorded.event.task.queue in queues


def apply(cursor: sqlite3.Cursor, batch: Sequence[Recorded]) -> None:
    """Write what some events, in order, change in the queues."""
    insert(cursor, WAIT, [_waiting(each) for each in batch if isinstance(each.event, TaskScheduled)])
    for recorded in batch:
        _apply(cursor, recorded)


def _apply(cursor: sqlite3.Cursor, recorded: Recorded) -> None:
    match recorded.event:
        case TaskClaimed() as event:
            cursor.execute(HOLD, _holding(recorded, event))
            cursor.execute(TAKE, (recorded.originator_id.hex, event.attempt.hex))
        case TaskCompleted(attempt=attempt) | TaskFailed(attempt=attempt) | TaskLost(attempt=attempt):
            cursor.execute(END, (attempt.hex,))
        case TaskStopped(attempt=attempt):
            cursor.execute(END, (attempt.hex,))
        case JobCancelled():
            cursor.execute(CALL_OFF, (recorded.originator_id.hex, recorded.position))


def following(connection: sqlite3.Connection, queues: Sequence[str], after: int) -> Place | None:
    """Find the first attempt that waits in one of the queues after a position in the log."""
    found = (connection.execute(NEXT, (queue, after)).fetchone() for queue in queues)
    first = min(filter(None, found), default=None)
    return first and _place(*first)


def held(connection: sqlite3.Connection, runner: UUID) -> Iterator[tuple[Place, Claim]]:
    """Yield the attempts that a runner has claimed and that are not over."""
    for claim, attempt, job, version, epoch, at in connection.execute(HELD, (runner.hex,)):
        yield _place(claim, attempt, job, version), Claim(epoch, claim, datetime.fromisoformat(at))


def _place(position: int, attempt: str, job: str, version: int) -> Place:
    return Place(position, UUID(attempt), UUID(job), version)


def _waiting(recorded: Recorded) -> Sequence[str | int]:
    event: TaskScheduled = recorded.event
    job = recorded.originator_id.hex
    return (recorded.position, event.attempt.hex, job, recorded.originator_version, event.task.queue)


def _holding(recorded: Recorded, event: TaskClaimed) -> Sequence[str | int]:
    job, version = recorded.originator_id.hex, recorded.originator_version
    claim = (event.runner.hex, event.epoch, recorded.position, event.at.isoformat())
    return (event.attempt.hex, job, version, *claim)
