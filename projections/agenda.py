"""What is to be done because of events: commands to other jobs, deliveries of webhooks, output and secrets to drop.

A line stays until the log says that it was done, or until whoever has done it strikes it out (`app.policies.desk`),
where the log will not say so. To do it once more does no harm: so the file can be deleted, and what comes back is
what was left to do.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING
from uuid import UUID

import msgspec

from domain import webhook
from domain.job import (
    JobCancelled,
    JobCompleted,
    JobDeleted,
    JobFailed,
    JobRestarted,
    JobSubmitted,
    Parent,
    SubjobStarted,
    WebhookAttempted,
    WebhookDelivered,
    WebhookGaveUp,
)
from domain.policy import Facts, Send, keeps_secrets, react

if TYPE_CHECKING:
    from eventsourcing.persistence import Notification
    from sqlite_utils import Database

    from domain.event import Recorded

ALWAYS = frozenset(event.__name__ for event in (JobSubmitted, SubjobStarted, JobRestarted, JobDeleted))
"""The tags of the events that are looked at whatever the job; the others matter only of jobs that are known here."""
Ended = JobCompleted | JobFailed | JobCancelled
Origin = Callable[[UUID], JobSubmitted]
"""Finds how a job was submitted."""

ENTER = "INSERT OR REPLACE INTO jobs (id, parent, attempt, secrets, over) VALUES (?, ?, ?, ?, 0)"
ENTER_WEBHOOK = "INSERT OR REPLACE INTO webhooks (job, number, kind, lane, host) VALUES (?, ?, ?, ?, ?)"
FIND = "SELECT parent, attempt, secrets FROM jobs WHERE id = ?"
WEBHOOKS = "SELECT number, kind, lane FROM webhooks WHERE job = ?"
GO_ON = "UPDATE jobs SET over = 0 WHERE id = ?"
END = "UPDATE jobs SET over = 1, parent = NULL, attempt = NULL WHERE id = ?"
LEAVE = """
DELETE FROM jobs WHERE id = :job AND over = 1 AND NOT EXISTS (SELECT 1 FROM deliveries WHERE job = :job)
"""
LEAVE_WEBHOOKS = "DELETE FROM webhooks WHERE job = ?"
HAS_SOMETHING_TO_DO = """
SELECT 1 FROM jobs WHERE id = :job UNION ALL SELECT 1 FROM children WHERE job = :job UNION ALL
SELECT 1 FROM sends WHERE stream = :job
"""
KNOWN = "SELECT id FROM jobs UNION SELECT job FROM children UNION SELECT stream FROM sends"

ADOPT = "INSERT OR IGNORE INTO children (child, job) VALUES (?, ?)"
CHILDREN = "SELECT child FROM children WHERE job = ? ORDER BY rowid"
RELEASE = "DELETE FROM children WHERE job = :job OR child = :job"

SEND = """
INSERT OR IGNORE INTO sends (cause, job, stream, command, body, due, correlation, reason)
VALUES (?, ?, ?, ?, ?, ?, ?, ?)
"""
IS_SUBMITTED = "DELETE FROM sends WHERE stream = ? AND command = 'Submit'"
IS_OVER = "DELETE FROM sends WHERE stream = ? AND command != 'Delete'"
IS_DELETED = "DELETE FROM sends WHERE stream = ?"

DISPOSE = "INSERT OR REPLACE INTO disposals (job, due, output) VALUES (?, ?, ?)"
KEEP = "DELETE FROM disposals WHERE job = ?"

DELIVER = (
    "INSERT OR IGNORE INTO deliveries (job, lane, cause, webhook, position, number, due) VALUES (?, ?, ?, ?, ?, 1, 0)"
)
OF_WEBHOOK = """
WHERE job = :job AND lane = (SELECT lane FROM webhooks WHERE job = :job AND number = :webhook) AND webhook = :webhook
"""
TRY_AGAIN = f"""
UPDATE deliveries SET number = :number, due = :due {OF_WEBHOOK} AND cause = :cause AND number < :number
"""  # noqa: S608 - constants; never back: the courier notes a try at once, and may be further than the log's follower
SETTLE = f"DELETE FROM deliveries {OF_WEBHOOK} AND cause <= :cause"  # noqa: S608 - constants

TABLES: dict[str, dict[str, type]] = {
    "jobs": {"id": str, "parent": str, "attempt": str, "secrets": int, "over": int},
    "webhooks": {"job": str, "number": int, "kind": str, "lane": int, "host": str},
    "children": {"child": str, "job": str},
    "sends": {
        "cause": int,
        "job": str,
        "stream": str,
        "command": str,
        "body": str,
        "due": float,
        "correlation": str,
        "reason": str,
    },
    "disposals": {"job": str, "due": float, "output": int},
    "deliveries": {"job": str, "lane": int, "cause": int, "webhook": int, "position": int, "number": int, "due": float},
}
KEYS = {
    "jobs": "id",
    "webhooks": ("job", "number"),
    "children": "child",
    "sends": ("cause", "stream"),
    "disposals": "job",
    "deliveries": ("job", "lane", "cause", "webhook"),
}
INDEXES = (
    ("children", ["job"]),
    ("sends", ["stream"]),
    ("sends", ["job", "command"]),
    ("sends", ["due", "cause"]),
    ("disposals", ["due"]),
)
OPTIONAL = {"parent", "attempt"}

_encode = msgspec.json.Encoder(uuid_format="hex").encode


class Agenda:
    """The read model of one file."""

    def __init__(self, secrets_kept: float, origin: Origin) -> None:
        """Keep the secrets of jobs for so many seconds after their end."""
        self._secrets_kept = secrets_kept
        self._origin = origin
        self._known: set[str] = set()
        """Jobs with something to do, and maybe some that have nothing more."""
        self.touched: set[tuple[str, int]] = set()
        """The lanes, by job and number, with something new, be it that the job has ended; for its reader to empty."""

    def create(self, database: Database) -> None:
        """Create the tables of an empty read model."""
        for name, columns in TABLES.items():
            table = database.table(name)
            table.create(columns, pk=KEYS[name], not_null=columns.keys() - OPTIONAL, strict=True)
        for name, indexed in INDEXES:
            database.table(name).create_index(indexed)

    def load(self, connection: sqlite3.Connection) -> None:
        """Learn from the file which jobs have something to do."""
        self._known = {job for (job,) in connection.execute(KNOWN)}

    def concerning(self, batch: Iterable[Notification], opened: Callable[[Notification], Recorded]) -> list[Recorded]:
        """Open the events that matter here; most need not even be read."""
        candidates = (opened(each) for each in batch if each.topic in ALWAYS or self._knows(each))
        return [recorded for recorded in candidates if self._concerns(recorded)]

    def apply(self, cursor: sqlite3.Cursor, batch: Sequence[Recorded]) -> None:
        """Write what some events, in order, bring about and settle."""
        for recorded in batch:
            self._begin(cursor, recorded)
            self._tell(cursor, recorded)
            for send in react(recorded, _facts(cursor, recorded)):
                cursor.execute(SEND, _line(recorded, send))
            self._settle(cursor, recorded)
        for job in {recorded.originator_id.hex for recorded in batch}:
            if not cursor.execute(HAS_SOMETHING_TO_DO, {"job": job}).fetchone():
                self._known.discard(job)

    def _knows(self, notification: Notification) -> bool:
        stream: UUID = notification.originator_id  # type: ignore[assignment]  # our streams are UUIDs
        return stream.hex in self._known

    def _concerns(self, recorded: Recorded) -> bool:
        """Tell whether an event matters; the jobs of those that do are known from here on."""
        event = recorded.event
        if isinstance(event, JobSubmitted) and not _has_something_to_do(event):
            return recorded.context.actor.kind == "system"  # it was told to, which is done herewith
        self._known.add(recorded.originator_id.hex)
        return True

    def _begin(self, cursor: sqlite3.Cursor, recorded: Recorded) -> None:
        job = recorded.originator_id.hex
        match recorded.event:
            case JobSubmitted() as event:
                cursor.execute(IS_SUBMITTED, (job,))
                _enter(cursor, event, event.parent)
            case JobRestarted():
                cursor.execute(KEEP, (job,))
                if not cursor.execute(GO_ON, (job,)).rowcount:
                    _enter(cursor, self._origin(recorded.originator_id), None)
            case SubjobStarted() as event if event.task.subjob and not event.task.subjob.detached:
                cursor.execute(ADOPT, (event.job.hex, job))

    def _tell(self, cursor: sqlite3.Cursor, recorded: Recorded) -> None:
        """Note for which webhooks an event may be something to tell."""
        job, topic = recorded.originator_id.hex, type(recorded.event).__name__
        place = (recorded.originator_version, recorded.position)
        for number, kind, lane in cursor.execute(WEBHOOKS, (job,)).fetchall():
            if topic in webhook.TOPICS.get(kind, ()):
                cursor.execute(DELIVER, (job, lane, place[0], number, place[1]))
                self.touched.add((job, lane))

    def _settle(self, cursor: sqlite3.Cursor, recorded: Recorded) -> None:
        job = recorded.originator_id.hex
        match recorded.event:
            case JobCompleted() | JobFailed() | JobCancelled() as event:
                self._end(cursor, job, event)
            case JobDeleted():
                cursor.execute(IS_DELETED, (job,))
                cursor.execute(DISPOSE, (job, 0.0, 1))
                leave(cursor, job)
            case WebhookAttempted() as event:
                place = {"job": job, "webhook": event.webhook, "cause": event.cause}
                cursor.execute(TRY_AGAIN, place | {"number": event.number + 1, "due": event.due.timestamp()})
            case WebhookDelivered() | WebhookGaveUp() as event:
                cursor.execute(SETTLE, {"job": job, "webhook": event.webhook, "cause": event.cause})
                leave(cursor, job)

    def _end(self, cursor: sqlite3.Cursor, job: str, event: Ended) -> None:
        found = cursor.execute(FIND, (job,)).fetchone()
        if found and found[2]:
            cursor.execute(DISPOSE, (job, event.at.timestamp() + self._secrets_kept, 0))
        self.touched |= {(job, lane) for _, _, lane in cursor.execute(WEBHOOKS, (job,))}
        cursor.execute(IS_OVER, (job,))
        cursor.execute(RELEASE, {"job": job})
        cursor.execute(END, (job,))
        leave(cursor, job)


def leave(cursor: sqlite3.Cursor | sqlite3.Connection, job: str) -> None:
    """Strike out a job that is over, once nothing is left to tell of it."""
    if cursor.execute(LEAVE, {"job": job}).rowcount:
        cursor.execute(LEAVE_WEBHOOKS, (job,))


def _has_something_to_do(event: JobSubmitted) -> bool:
    definition = event.definition
    return bool(event.parent or definition.webhooks or definition.auto_delete) or keeps_secrets(definition)


def _enter(cursor: sqlite3.Cursor, event: JobSubmitted, parent: Parent | None) -> None:
    if not _has_something_to_do(event):
        return
    job, definition = event.job.hex, event.definition
    awaiting = (parent.job.hex, parent.attempt.hex) if parent else (None, None)
    cursor.execute(ENTER, (job, *awaiting, keeps_secrets(definition)))
    for number, each in enumerate(definition.webhooks):
        place = (webhook.lane(definition.webhooks, number), webhook.host(each, event.job, definition))
        cursor.execute(ENTER_WEBHOOK, (job, number, webhook.kind(each), *place))


def _facts(cursor: sqlite3.Cursor, recorded: Recorded) -> Facts:
    if not isinstance(recorded.event, Ended):
        return Facts()
    job = recorded.originator_id.hex
    parent, attempt, _ = cursor.execute(FIND, (job,)).fetchone() or (None, None, 0)
    return Facts(
        parent=Parent(job=UUID(parent), attempt=UUID(attempt)) if parent else None,
        children=tuple(UUID(child) for (child,) in cursor.execute(CHILDREN, (job,))),
    )


def _line(recorded: Recorded, send: Send) -> Sequence[str | int | float]:
    due = send.due.timestamp() if send.due else 0.0
    what = (type(send.command).__name__, _encode(send.command).decode(), due)
    return (
        recorded.position,
        recorded.originator_id.hex,
        send.stream.hex,
        *what,
        recorded.context.correlation_id,
        send.reason,
    )
