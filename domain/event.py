"""What every event has in common: a tag that names it for ever, and an envelope that says who, when and why."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

import msgspec


# gc=False, here and of definitions: a tree of data has no cycles, and to walk through it took a third of a rebuild
class Event(msgspec.Struct, frozen=True, gc=False, tag=True, tag_field="type", omit_defaults=True):
    """A fact that was stored: the class name is its tag on disk, never renamed and never reused.

    Fields are only ever added, with defaults; a frozen sample of each event is kept in `tests/events/`.
    """


class Command(msgspec.Struct, frozen=True, gc=False):
    """A wish that a decider may refuse; time and ids come with it."""

    at: datetime
    """When it was asked for, in UTC."""


class Actor(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """Who asked."""

    kind: Literal["client", "runner", "system"]
    id: str
    """A client's login, or the name of a runner."""
    address: str = ""
    """Where a client called from."""


class Context(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """What is known of a command beside its content; it goes into the envelope of each event."""

    actor: Actor
    request_id: str = ""
    correlation_id: str = ""
    """The same for all that one request of a client brought about."""
    causation_id: str = ""
    """The number, in the log, of the event that led to this one."""
    reason: str = ""


class Recorded(msgspec.Struct, frozen=True, gc=False):
    """An event at its place in a stream and in the log."""

    originator_id: UUID
    """The stream: a job's id, or a runner's."""
    originator_version: int
    """Its number in the stream, from 1."""
    event: Any
    recorded_at: datetime
    context: Context
    position: int = 0
    """Its number in the whole log, from 1; 0 while it is not stored."""
