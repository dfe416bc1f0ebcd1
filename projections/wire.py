"""The documents that the REST API shows, as the read models keep them: empty fields left out, camel case."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

from domain.secrets import masked_json
from projections.veil import veil


class Document(msgspec.Struct, frozen=True, omit_defaults=True, rename="camel"):
    """Something that a client reads."""


class JobHead(Document, frozen=True, kw_only=True):
    """What a job is called: all of it that never changes."""

    id: str
    """32 hexadecimal digits."""
    parent_id: str | None = None
    """The task that started it and waits for its end."""
    parent_job_id: str | None = None
    """The job of that task."""
    name: str
    description: str = ""
    tags: tuple[str, ...] = ()
    inputs: dict[str, str] = {}
    created_at: str
    """Like all times: RFC 3339, UTC, with microseconds."""
    task_count: int


class JobStand(Document, frozen=True, kw_only=True):
    """How a job stands."""

    state: str
    """PENDING, SCHEDULED, RUNNING, COMPLETED, FAILED or CANCELLED."""
    started_at: str | None = None
    completed_at: str | None = None
    failed_at: str | None = None
    cancelled_at: str | None = None
    position: int
    """The task at which the job stands, from 1; 0 before the start, taskCount + 1 at the end."""
    progress: float | None = None
    """How much of it is done, in percent, with two decimals; left out while that is nothing."""
    result: str | None = None
    """What its `output` came to."""
    error: str | None = None
    """Why the job failed."""


class JobSummary(JobHead, frozen=True, kw_only=True):
    """A job in the list, and in the answer to its submission: a head with the fields of how it stands."""

    state: str
    started_at: str | None = None
    completed_at: str | None = None
    failed_at: str | None = None
    cancelled_at: str | None = None
    position: int
    progress: float | None = None
    result: str | None = None
    error: str | None = None


class TaskRun(Document, frozen=True, kw_only=True):
    """One attempt of a task: this, and beside it the fields of the task as it was run."""

    id: str
    job_id: str
    parent_id: str | None = None
    """The attempt of the composite task to which it belongs."""
    position: int
    """The place in the job, from 1, of the task or of the one around it."""
    path: str
    """The way to the task, as `2.1` for the first one inside the second."""
    state: str
    """CREATED, SCHEDULED, RUNNING, COMPLETED, FAILED, CANCELLED or SKIPPED."""
    created_at: str
    scheduled_at: str | None = None
    started_at: str | None = None
    completed_at: str | None = None
    failed_at: str | None = None
    cancelled_at: str | None = None
    due_at: str | None = None
    """When it may run at the earliest, where it had to wait: for a retry, or after it was lost."""
    node_id: str | None = None
    """The runner that took it."""
    progress: float | None = None
    """What the task last wrote to `$TORK_PROGRESS`, in percent."""
    error: str | None = None
    result: str | None = None
    """What the task wrote to `$TORK_OUTPUT`, or the result of the job that it started."""


TIME = len("2026-11-24T01:02:03.000004")

_encoder = msgspec.json.Encoder()
encode = _encoder.encode


def timestamp(at: datetime) -> str:
    """Write a UTC time as the REST API does: `2026-11-24T01:02:03.000004Z`."""
    return f"{at.isoformat(timespec='microseconds')[:TIME]}Z"


def shown(value: Any) -> bytes:
    """Write something of a definition as clients may see it: without a trace of its secrets."""
    return masked_json(encode(value))


def public(value: Any, name: str = "") -> bytes:
    """Write the same for whoever looks at a job: without what is secret by its name, either.

    It may be the value of the field of that name.
    """
    return veil(shown(value), name)


def percent(value: float | None) -> float | None:
    """Write a whole number as one, and nothing for nothing."""
    if not value:
        return None
    return int(value) if value == int(value) else value


def joined(first: bytes, second: bytes) -> bytes:
    """Make one JSON object of two, neither of them empty, whose fields differ."""
    return b"%s,%s" % (first[:-1], second[1:])
