"""The documents that the REST API shows, as the read models keep them: empty fields left out, camel case."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec


class Document(msgspec.Struct, frozen=True, omit_defaults=True, rename="camel"):
    """Something that a client reads."""


class JobSummary(Document, frozen=True, kw_only=True):
    """A job in the list, and in the answer to its submission."""

    id: str
    """32 hexadecimal digits."""
    name: str
    description: str | None = None
    tags: Any = None
    """A list of texts."""
    state: str
    """PENDING, SCHEDULED, RUNNING, COMPLETED, FAILED or CANCELLED."""
    created_at: str
    """Like all times: RFC 3339, UTC, with microseconds."""
    started_at: str | None = None
    completed_at: str | None = None
    failed_at: str | None = None
    cancelled_at: str | None = None
    position: int
    """The task at which the job stands, from 1; 0 before the start, taskCount + 1 at the end."""
    task_count: int
    error: str | None = None
    """Why the job failed."""


class TaskRun(Document, frozen=True, kw_only=True):
    """One attempt of a task: this, and beside it the fields of the task as it was run."""

    id: str
    job_id: str
    position: int
    """The place of the task in the job, from 1."""
    state: str
    """SCHEDULED, RUNNING, COMPLETED, FAILED or CANCELLED."""
    created_at: str
    scheduled_at: str
    started_at: str | None = None
    completed_at: str | None = None
    failed_at: str | None = None
    cancelled_at: str | None = None
    node_id: str | None = None
    """The runner that took it."""
    error: str | None = None
    result: str | None = None
    """What the task wrote to `$TORK_OUTPUT`."""


_encoder = msgspec.json.Encoder()
encode = _encoder.encode


def timestamp(at: datetime) -> str:
    """Write a UTC time as the REST API does: `2026-11-24T01:02:03.000004Z`."""
    return f"{at.replace(tzinfo=None).isoformat(timespec='microseconds')}Z"


def joined(*documents: bytes) -> bytes:
    """Make one JSON object of several, none of them empty, whose fields differ."""
    return b"{" + b",".join(document[1:-1] for document in documents) + b"}"
