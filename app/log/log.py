"""The log, spoken to in commands."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from datetime import UTC, datetime
from functools import partial, reduce
from threading import Lock
from typing import TYPE_CHECKING, Any, Protocol
from uuid import UUID

import msgspec
from eventsourcing.application import Application
from eventsourcing.persistence import IntegrityError, Transcoder
from eventsourcing.utils import Environment

from app.lock import locked
from app.log.mapper import NoTranscoder
from app.log.recorder import LogRecorder
from domain.errors import Refused
from domain.event import Command, Context, Recorded

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from eventsourcing.persistence import StoredEvent
    from eventsourcing.utils import EnvType

    from app.log.subscription import SQLiteSubscription

ATTEMPTS = 20
"""How often a command is decided anew when other writers were first."""
REMEMBERED = 1_000
"""States kept in memory, so that a long stream is not read again for each command."""
BATCH = 5_000
"""Events in one list: the more, the fewer pages a read model writes twice."""
OPENING = 10.0
"""Seconds for other processes that open the log at the same moment."""


class Decider(Protocol):
    """What `domain.job` and its like offer: the state before any event, and two pure functions."""

    def initial(self) -> Any:
        """Return the state of a stream without events."""

    def decide(self, command: Any, state: Any, /) -> Sequence[Any]:
        """Judge a command: events, or an error that refuses it."""

    def evolve(self, state: Any, event: Any, /) -> Any:
        """Return the state after an event."""


class Contended(Exception):
    """So many writers want the same stream that the command found no turn."""


class Outcome(msgspec.Struct, frozen=True):
    """What a command brought about."""

    state: Any
    recorded: tuple[Recorded, ...]
    """The new events; none when it was so already."""


class OlderLog(Refused):
    """What was read of the log is more than there is in it: an older one was put back."""


class Log(Application[UUID]):
    """The events of all streams, and the one way to add to them: by command."""

    name = "jobledger"

    def __init__(self, path: Path) -> None:
        """Open the log of a data directory, and create it the first time: one process at a time does that."""
        with locked(path.with_suffix(".lock"), OPENING):
            super().__init__(
                {
                    "PERSISTENCE_MODULE": "eventsourcing.sqlite",
                    "SQLITE_DBNAME": str(path),
                    "APPLICATION_RECORDER_TOPIC": "app.log.recorder:LogRecorder",
                    "MAPPER_TOPIC": "app.log.mapper:TagMapper",
                }
            )
        self.recorder: LogRecorder
        self._states: OrderedDict[UUID, tuple[Any, int]] = OrderedDict()
        self._lock = Lock()

    def construct_env(self, name: str, env: EnvType | None = None) -> Environment:
        """Take the given settings alone: a stray variable of the shell must not redirect the log."""
        return Environment(name, env)

    def construct_transcoder(self) -> Transcoder:
        """Give none that works: events are stored by their tag."""
        return NoTranscoder()

    @property
    def acknowledged(self) -> int:
        """The last position that this process has answered for."""
        return self.recorder.last_position

    def execute(self, decider: Decider, stream: UUID, command: Command, context: Context) -> Outcome:
        """Decide a command and store its events; decide again when another writer was first."""
        for _ in range(ATTEMPTS):
            state, version = self._take(decider, stream)
            try:
                events = decider.decide(command, state)
            except Exception:
                self._keep(stream, state, version)  # a refusal leaves it as it was
                raise
            recorded = _place(stream, version, events, (command.at, context))
            try:
                positions = self.recorder.insert_events(self._seal(recorded)) if events else ()
            except IntegrityError:
                self._keep(stream, state, version)
                continue
            state = reduce(decider.evolve, events, state)
            self._keep(stream, state, version + len(events))
            return Outcome(state, _at(recorded, positions))
        raise Contended(f"stream {stream.hex} is written by too many at once: try again")

    async def create(
        self, decider: Decider, stream: UUID, command: Command, context: Context, *, takes_long: bool = False
    ) -> tuple[Recorded, ...]:
        """Begin a stream whose id nobody else can have, without a thread of its own to wait for the disk.

        What takes long is decided in a thread all the same, so that other requests go on.
        """
        begin = partial(self._begin, decider, stream, command, context)
        recorded, sealed = await asyncio.to_thread(begin) if takes_long else begin()
        return _at(recorded, await self.recorder.insert_events_soon(sealed))

    def load(self, decider: Decider, stream: UUID) -> Any:
        """Return the present state of a stream. It is the caller's own."""
        return reduce(decider.evolve, (recorded.event for recorded in self.read(stream)), decider.initial())

    def read(self, stream: UUID, after: int = 0, limit: int | None = None) -> Iterator[Recorded]:
        """Yield the events of a stream, in order, from after a version."""
        yield from self.events.get(stream, gt=after, limit=limit)  # type: ignore[misc]  # TagMapper makes them

    def batches(self, after: int, until: int | None = None) -> Iterator[Sequence[Recorded]]:
        """Yield the events from after a position to another one, or to the end of the log as it is then, in lists."""
        while batch := self.recorder.select_notifications(after, BATCH, until, inclusive_of_start=False):
            yield [self.open(notification) for notification in batch]
            after = batch[-1].id

    def version(self, stream: UUID) -> int:
        """Return the number of the stream's last event, 0 when there is none."""
        last = self.recorder.select_events(stream, desc=True, limit=1)
        return last[0].originator_version if last else 0

    def subscribe(self, after: int, topics: Sequence[str] = ()) -> SQLiteSubscription:
        """Follow the log from after a position."""
        return self.recorder.subscribe(after, topics)

    def see_known(self, position: int, path: Path) -> None:
        """Refuse a file of read models that knows an event which the log has not: it would miss those to come."""
        last = self.recorder.max_notification_id() or 0
        if position > last:
            raise OlderLog(
                f"{path} knows {position} events, and the log has {last}: an older log was put back. Delete views/, "
                "policies/ and runner/ beside it, which come back by themselves, and start again"
            )

    def open(self, stored: StoredEvent) -> Recorded:
        """Read an event that a subscription brought."""
        recorded: Recorded = self.mapper.to_domain_event(stored)  # type: ignore[assignment]  # by TagMapper
        return recorded

    def close(self) -> None:
        """Write what still waits, then let go of the file."""
        self.recorder.close()
        super().close()

    def _begin(
        self, decider: Decider, stream: UUID, command: Command, context: Context
    ) -> tuple[tuple[Recorded, ...], list[StoredEvent]]:
        recorded = _place(stream, 0, decider.decide(command, decider.initial()), (command.at, context))
        return recorded, self._seal(recorded)

    def _seal(self, recorded: Sequence[Recorded]) -> list[StoredEvent]:
        return [self.mapper.to_stored_event(each) for each in recorded]

    def _take(self, decider: Decider, stream: UUID) -> tuple[Any, int]:
        """Bring the remembered state up to date; it is taken out of memory, for `evolve` may change it."""
        with self._lock:
            state, version = self._states.pop(stream, (None, 0))
        if state is None:
            state = decider.initial()
        for recorded in self.read(stream, after=version):
            state, version = decider.evolve(state, recorded.event), recorded.originator_version
        return state, version

    def _keep(self, stream: UUID, state: Any, version: int) -> None:
        with self._lock:
            self._states[stream] = (state, version)
            if len(self._states) > REMEMBERED:
                self._states.popitem(last=False)


def now() -> datetime:
    """Tell the time, for those at the edge."""
    return datetime.now(UTC)


def _place(
    stream: UUID, version: int, events: Sequence[Any], envelope: tuple[datetime, Context]
) -> tuple[Recorded, ...]:
    at, context = envelope
    return tuple(Recorded(stream, number, event, at, context) for number, event in enumerate(events, version + 1))


def _at(recorded: Sequence[Recorded], positions: Sequence[int]) -> tuple[Recorded, ...]:
    return tuple(
        msgspec.structs.replace(each, position=position) for each, position in zip(recorded, positions, strict=True)
    )
