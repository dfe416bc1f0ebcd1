"""A runner's own view of the log: which attempts wait in its queues, and which it holds that are not over.

Jobs take turns, by start-time fair queuing: an attempt that begins to wait gets the turn after the one that is now
being served, or after the last of its own job. So a job with thousands of tasks does not hold up the others, jobs of
one task stay in the order in which they came, and nobody starves.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterator, Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import NAMESPACE_OID, UUID, uuid5

from sqlite_utils import Database

from domain.event import Recorded
from domain.job import (
    JobCancelled,
    JobFailed,
    TaskClaimed,
    TaskCompleted,
    TaskFailed,
    TaskLost,
    TaskScheduled,
    TaskStopped,
)
from projections.wire import encode, timestamp

TOPICS = frozenset(
    event.__name__
    for event in (JobCancelled, JobFailed, TaskClaimed, TaskCompleted, TaskFailed, TaskLost, TaskScheduled, TaskStopped)
)
"""The tags of the events that matter here: the others need not even be read."""

LAYOUT = 2
"""Of the tables; counts up with each change of what they hold."""
RIPE = 1_000
"""Attempts looked at of those that became due after the last event; with the next one all of them are in order."""

WAIT = """
INSERT OR IGNORE INTO pending (position, attempt, job, version, queue, priority, due, later, turn)
VALUES (:position, :attempt, :job, :version, :queue, :priority, :due, :due IS NOT NULL,
1 + max((SELECT turn FROM served), coalesce((SELECT max(turn) FROM pending WHERE job = :job), 0)))
"""
HOLD = """
INSERT OR IGNORE INTO held (attempt, job, version, runner, epoch, claim, claimed_at) VALUES (?, ?, ?, ?, ?, ?, ?)
"""
TAKE = "DELETE FROM pending WHERE attempt = ? RETURNING version, turn"
SERVE = "UPDATE served SET turn = max(turn, ?)"
CALL_OFF = "DELETE FROM pending WHERE job = ? AND position < ?"
END = "DELETE FROM held WHERE attempt = ?"
RIPEN = "UPDATE pending SET later = 0 WHERE later = 1 AND due <= ?"
COLUMNS = "-priority, turn, position, attempt, job, version"
NEXT = f"""
SELECT {COLUMNS} FROM pending WHERE later = 0 AND queue = :queue AND (due IS NULL OR due <= :now)
ORDER BY priority DESC, turn, position LIMIT :limit
"""  # noqa: S608 - constants
NEXT_RIPE = f"""
SELECT {COLUMNS} FROM pending INDEXED BY pending_later
WHERE later = 1 AND due <= :now AND queue IN (SELECT value FROM json_each(:queues)) ORDER BY due LIMIT {RIPE}
"""  # noqa: S608 - constants
NEXT_DUE = "SELECT min(due) FROM pending WHERE queue = :queue AND due > :now"
HELD = "SELECT claim, attempt, job, version, epoch, claimed_at FROM held WHERE runner = ? ORDER BY claim"

INDEXES = """
CREATE UNIQUE INDEX pending_attempt ON pending (attempt);
CREATE INDEX pending_job ON pending (job, turn);
CREATE INDEX pending_next ON pending (queue, priority DESC, turn, position) WHERE later = 0;
CREATE INDEX pending_later ON pending (due) WHERE later = 1;
CREATE INDEX pending_due ON pending (queue, due) WHERE due IS NOT NULL;
"""
"""The last three keep apart what may run from what has to wait for its time; most attempts are in the first alone."""


class Place(NamedTuple):
    """Where an attempt was scheduled; of one that is held, where it was claimed."""

    position: int
    """The number of that event in the log."""
    attempt: UUID
    job: UUID
    version: int
    """The number, in the job's stream, of the event that scheduled it; 0 if that was for a queue that is not kept."""


class Claim(NamedTuple):
    """Where in the log an attempt was claimed, and by which start of the runner."""

    epoch: int
    position: int
    at: datetime


def file_name(queues: Collection[str]) -> str:
    """Name the file of a view of some queues; for others, or with another layout, it is of no use."""
    return f"queue-{uuid5(NAMESPACE_OID, ','.join([str(LAYOUT), *sorted(queues)])).hex}.db"


def create(database: Database) -> None:
    """Create the tables of an empty read model."""
    place = {"attempt": str, "job": str, "version": int}
    waiting = {"queue": str, "priority": int, "due": str, "later": int, "turn": int}
    always = {*place, *waiting} - {"due"}
    database.table("pending").create({"position": int, **place, **waiting}, pk="position", not_null=always, strict=True)
    for statement in INDEXES.strip().splitlines():
        database.execute(statement)
    database.table("served").insert({"turn": 0}, strict=True)
    claim = {"runner": str, "epoch": int, "claim": int, "claimed_at": str}
    held = database.table("held")
    held.create({**place, **claim}, pk="attempt", not_null={*place, *claim}, strict=True)


def concerns(recorded: Recorded, queues: Collection[str]) -> bool:
    """Tell whether an event matters to a runner of some queues: what waits for others need not be kept."""
    return not isinstance(recorded.event, TaskScheduled) or recorded.event.task.queue in queues


def apply(cursor: sqlite3.Cursor, batch: Sequence[Recorded]) -> None:
    """Write what some events, in order, change in the queues."""
    for recorded in batch:
        _apply(cursor, recorded)
    cursor.execute(RIPEN, (timestamp(batch[-1].recorded_at),))


def _apply(cursor: sqlite3.Cursor, recorded: Recorded) -> None:
    match recorded.event:
        case TaskScheduled() as event:
            cursor.execute(WAIT, _waiting(recorded, event))
        case TaskClaimed() as event:
            _claim(cursor, recorded, event)
        case TaskCompleted(attempt=attempt) | TaskFailed(attempt=attempt) | TaskLost(attempt=attempt):
            cursor.execute(END, (attempt.hex,))
        case TaskStopped(attempt=attempt):
            cursor.execute(END, (attempt.hex,))
        case JobCancelled() | JobFailed():
            cursor.execute(CALL_OFF, (recorded.originator_id.hex, recorded.position))


def _waiting(recorded: Recorded, event: TaskScheduled) -> dict[str, str | int | None]:
    return {
        "position": recorded.position,
        "attempt": event.attempt.hex,
        "job": recorded.originator_id.hex,
        "version": recorded.originator_version,
        "queue": event.task.queue,
        "priority": event.task.priority or 0,
        "due": timestamp(event.due) if event.due else None,
    }


def _claim(cursor: sqlite3.Cursor, recorded: Recorded, event: TaskClaimed) -> None:
    version, turn = cursor.execute(TAKE, (event.attempt.hex,)).fetchone() or (0, 0)
    claim = (event.runner.hex, event.epoch, recorded.position, event.at.isoformat())
    cursor.execute(HOLD, (event.attempt.hex, recorded.originator_id.hex, version, *claim))
    cursor.execute(SERVE, (turn,))


def candidates(connection: sqlite3.Connection, queues: Sequence[str], now: datetime, limit: int) -> list[Place]:
    """Return the attempts to take next, the best first: by priority, then by turn."""
    wanted = {"now": timestamp(now), "limit": limit, "queues": encode(queues).decode()}
    rows = connection.execute(NEXT_RIPE, wanted).fetchall()
    for queue in queues:
        rows += connection.execute(NEXT, wanted | {"queue": queue})
    return [_place(*place) for _, _, *place in sorted(rows)[:limit]]


def next_due(connection: sqlite3.Connection, queues: Sequence[str], now: datetime) -> datetime | None:
    """Return when the next of the attempts is due that have to wait for their time; nothing if none has to."""
    found = (connection.execute(NEXT_DUE, {"queue": queue, "now": timestamp(now)}).fetchone()[0] for queue in queues)
    first = min(filter(None, found), default=None)
    return datetime.fromisoformat(first) if first else None


def held(connection: sqlite3.Connection, runner: UUID) -> Iterator[tuple[Place, Claim]]:
    """Yield the attempts that a runner has claimed and that are not over."""
    for claim, attempt, job, version, epoch, at in connection.execute(HELD, (runner.hex,)):
        yield _place(claim, attempt, job, version), Claim(epoch, claim, datetime.fromisoformat(at))


def _place(position: int, attempt: str, job: str, version: int) -> Place:
    return Place(position, UUID(attempt), UUID(job), version)
