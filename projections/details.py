"""What only the page of one job shows of its definition."""

from __future__ import annotations

from typing import TYPE_CHECKING

from domain.definition import AutoDelete, Defaults, JobDefinition, Webhook
from domain.secrets import REDACTED
from projections.store import insert
from projections.wire import Document, encode, public, timestamp

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence
    from datetime import datetime

    from sqlite_utils import Database

    from domain.event import Recorded

INSERT = "INSERT INTO details (id, tasks, more, inputs, secrets) VALUES"
DELETE_AT = "UPDATE details SET delete_at = :at WHERE id = :job"
RESTART = "UPDATE details SET began = :number WHERE id = :job"
FORGET = "DELETE FROM details WHERE id = :job"

COLUMNS = {
    "id": str,
    "tasks": str,
    "more": str,
    "inputs": str,
    "secrets": str,
    "delete_at": str,
    "began": int,
}
"""`more` is what a job has beside its tasks; `began` the number from which on the attempts since its last restart are
found: all before it are over."""


class More(Document, frozen=True):
    """What a job may have beside its tasks."""

    output: str = ""
    defaults: Defaults | None = None
    webhooks: tuple[Webhook, ...] = ()
    auto_delete: AutoDelete | None = None


def create(database: Database) -> None:
    """Create the table of an empty read model."""
    database.table("details").create(COLUMNS, pk="id", not_null={"tasks"}, strict=True)


def add(cursor: sqlite3.Cursor, submissions: Sequence[Recorded]) -> None:
    """Write the rows of new jobs."""
    insert(cursor, INSERT, [_row(recorded.event.job.hex, recorded.event.definition) for recorded in submissions])


def _row(job: str, definition: JobDefinition) -> tuple[str | None, ...]:
    return (
        job,
        public(definition.tasks).decode(),
        _more(definition),
        public(definition.inputs, "inputs").decode() if definition.inputs else None,
        encode(dict.fromkeys(definition.secrets, REDACTED)).decode() if definition.secrets else None,
    )


def _more(definition: JobDefinition) -> str | None:
    given = (definition.output, definition.defaults, definition.webhooks, definition.auto_delete)
    return public(More(*given)).decode() if any(given) else None


def delete_at(cursor: sqlite3.Cursor, job: str, at: datetime) -> None:
    """Show when a job will delete itself."""
    cursor.execute(DELETE_AT, {"job": job, "at": timestamp(at)})


def restart(cursor: sqlite3.Cursor, job: str, number: int) -> None:
    """Remember which attempts were over before a job went on."""
    cursor.execute(RESTART, {"job": job, "number": number})


def delete(cursor: sqlite3.Cursor, job: str) -> None:
    """Show a job no more."""
    cursor.execute(FORGET, {"job": job})
