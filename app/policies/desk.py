"""Reading the agenda, and striking out what was done: for several threads, beside the one that writes it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import Any, NamedTuple
from uuid import UUID

import msgspec

from domain.job import Cancel, Delete, EndSubjob, Submit
from domain.policy import Order
from projections import agenda

PATIENCE = 10.0
"""Seconds to wait for the one who writes."""

SENDS = """
SELECT cause, job, stream, command, body, correlation, reason FROM sends WHERE due <= ? ORDER BY due, cause LIMIT 100
"""
SENT = "DELETE FROM sends WHERE cause = ? AND stream = ?"
POSTPONE = "UPDATE sends SET due = :due WHERE stream = :stream AND due < :due"

NEXT_SEND = "SELECT min(due) FROM sends"

IS_DONE = """
NOT EXISTS (SELECT 1 FROM deliveries WHERE job = disposals.job)
AND NOT EXISTS (SELECT 1 FROM sends WHERE job = disposals.job AND command = 'Submit')
"""
"""Messages and sub-jobs may need secrets, so these go when all is told and all sub-jobs are submitted."""
DISPOSALS = f"""
SELECT job, due, output FROM disposals WHERE due <= ? AND {IS_DONE} ORDER BY due LIMIT 100
"""  # noqa: S608 - constants
NEXT_DISPOSAL = f"SELECT due FROM disposals WHERE {IS_DONE} ORDER BY due LIMIT 1"  # noqa: S608 - constants
DISPOSED = "DELETE FROM disposals WHERE job = ? AND due = ?"

LANES = """
SELECT DISTINCT deliveries.job, deliveries.lane, host FROM deliveries
JOIN webhooks ON webhooks.job = deliveries.job AND webhooks.number = deliveries.lane
"""
LANE = "SELECT job, number, host FROM webhooks WHERE job = ? AND number = ?"
FIRST = """
SELECT cause, webhook, position, number, due FROM deliveries WHERE job = ? AND lane = ? ORDER BY cause, webhook LIMIT 1
"""
TOLD = "DELETE FROM deliveries WHERE job = ? AND lane = ? AND cause = ? AND webhook = ?"
TRY_AGAIN = "UPDATE deliveries SET number = ?, due = ? WHERE job = ? AND lane = ? AND cause = ? AND webhook = ?"

ORDERS: dict[str, type[Order]] = {kind.__name__: kind for kind in (Submit, EndSubjob, Cancel, Delete)}


class Errand(NamedTuple):
    """A command to send."""

    cause: int
    """The number, in the log, of the event that asks for it."""
    job: UUID
    """Of which job that is an event."""
    stream: UUID
    """Whom to send it to."""
    command: Order
    correlation: str
    reason: str


class Disposal(NamedTuple):
    """What is to be kept no longer: a job's secrets, and maybe its output."""

    job: UUID
    due: float
    output: bool


class Lane(NamedTuple):
    """What is told of one job at one address, one message after another."""

    job: UUID
    number: int
    host: str


class Delivery(NamedTuple):
    """An event of which a webhook may have to tell."""

    cause: int
    """The number of the event in the job's stream."""
    webhook: int
    position: int
    """The number of the event in the log."""
    number: int
    """The how-manieth try is next."""
    due: float


class Desk:
    """One connection, which threads take in turns. Use it with `closing`."""

    def __init__(self, path: Path) -> None:
        """Open a file that is there."""
        self._connection = sqlite3.connect(path, timeout=PATIENCE, isolation_level=None, check_same_thread=False)
        self._connection.execute("PRAGMA synchronous=NORMAL")
        self._lock = Lock()

    def close(self) -> None:
        """Let go of the file."""
        with self._lock:
            self._connection.close()

    def errands(self, now: float) -> Sequence[Errand]:
        """Return some commands that are due, in the order in which they are to be sent."""
        return [
            Errand(cause, UUID(job), UUID(stream), msgspec.json.decode(body, type=ORDERS[name]), *rest)
            for cause, job, stream, name, body, *rest in self._all(SENDS, now)
        ]

    def sent(self, errand: Errand) -> None:
        """Strike a command out."""
        self._change(SENT, errand.cause, errand.stream.hex)

    def postpone(self, stream: UUID, until: float) -> None:
        """Put off all commands to a stream, for they must keep their order."""
        with self._lock:
            self._connection.execute(POSTPONE, {"stream": stream.hex, "due": until})

    def disposals(self, now: float) -> Sequence[Disposal]:
        """Return some disposals that are due."""
        return [Disposal(UUID(job), due, bool(output)) for job, due, output in self._all(DISPOSALS, now)]

    def disposed(self, disposal: Disposal) -> None:
        """Strike a disposal out."""
        self._change(DISPOSED, disposal.job.hex, disposal.due)

    def next_errand(self) -> float | None:
        """Return when the next command is due."""
        due: float | None = self._all(NEXT_SEND)[0][0]
        return due

    def next_disposal(self) -> float | None:
        """Return when the next disposal is due."""
        found = self._all(NEXT_DISPOSAL)
        return found[0][0] if found else None

    def lanes(self) -> Sequence[Lane]:
        """Return the lanes in which there is something to tell."""
        return [Lane(UUID(job), number, host) for job, number, host in self._all(LANES)]

    def lane(self, job: str, number: int) -> Lane | None:
        """Return one lane, unless its job has nothing more to do."""
        found = self._all(LANE, job, number)
        return Lane(UUID(found[0][0]), *found[0][1:]) if found else None

    def first(self, lane: Lane) -> Delivery | None:
        """Return what is to be told next."""
        found = self._all(FIRST, lane.job.hex, lane.number)
        return Delivery(*found[0]) if found else None

    def told(self, lane: Lane, delivery: Delivery) -> None:
        """Strike a delivery out."""
        with self._transaction() as connection:
            connection.execute(TOLD, (lane.job.hex, lane.number, delivery.cause, delivery.webhook))
            agenda.leave(connection, lane.job.hex)

    def try_again(self, lane: Lane, delivery: Delivery, due: float) -> None:
        """Note that another try is to follow."""
        self._change(TRY_AGAIN, delivery.number + 1, due, lane.job.hex, lane.number, delivery.cause, delivery.webhook)

    def _all(self, statement: str, *values: Any) -> list[Any]:
        with self._lock:
            return self._connection.execute(statement, values).fetchall()

    def _change(self, statement: str, *values: Any) -> None:
        with self._lock:
            self._connection.execute(statement, values)

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._lock, self._connection:
            self._connection.execute("BEGIN IMMEDIATE")
            yield self._connection
