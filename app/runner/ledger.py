"""What a runner tells the log, always as itself and in its present epoch."""

from __future__ import annotations

import logging
import sqlite3
import time
from threading import Lock
from typing import Any
from uuid import NAMESPACE_OID, UUID, uuid5
from weakref import WeakValueDictionary

from eventsourcing.persistence import PersistenceError

from app.log import Contended, Log, Outcome
from app.log.log import now
from domain import job, runner
from domain.errors import Missing
from domain.event import Actor, Command, Context
from domain.job import Attempt, TaskScheduled, TaskStatus
from domain.job.commands import RunnerCommand
from projections.queue import Claim, Place

logger = logging.getLogger("jobledger.runner")

RETRY = 1.0
"""Seconds until something that the log could not take, on a full disk say, is tried again."""
NOT_STORED = (PersistenceError, Contended, sqlite3.Error, OSError)


class Ledger:
    """The log, as one start of one runner uses it."""

    def __init__(self, log: Log, name: str) -> None:
        """Begin a new epoch of the runner of this name: from now on its former self can record nothing."""
        self._log = log
        self._guard = Lock()
        self._turns: WeakValueDictionary[UUID, Lock] = WeakValueDictionary()
        self._actor = Actor(kind="runner", id=name)
        self.runner = runner.runner_id(name)
        began = log.execute(runner, self.runner, runner.Start(at=now(), name=name), self._context())
        self.epoch: int = began.state.epoch
        self.position: int = began.recorded[0].position
        """Where in the log the epoch begins."""
        self.log_id = _identity(log)

    def scheduled(self, place: Place) -> TaskScheduled:
        """Return how an attempt was scheduled: what it shall run is in it."""
        at_once = {"after": place.version - 1, "limit": 1} if place.version else {}  # else it was for another queue
        for recorded in self._log.read(place.job, **at_once):
            if isinstance(recorded.event, TaskScheduled) and recorded.event.attempt == place.attempt:
                return recorded.event
        msg = f"job {place.job.hex} never scheduled attempt {place.attempt.hex}"
        raise Missing(msg)

    def claim(self, place: Place, engine: str) -> Claim:
        """Take an attempt, if nobody else was first."""
        at = now()
        command = job.Claim(at=at, attempt=place.attempt, runner=self.runner, epoch=self.epoch, engine=engine)
        claimed = self._execute(place, command, place.position)
        return Claim(self.epoch, claimed.recorded[0].position, at)

    def report(self, place: Place, kind: type[RunnerCommand], after: int, /, **facts: Any) -> Outcome:
        """Record what came of an event; while the store can not take it, the container keeps it."""
        mine = {"attempt": place.attempt, "runner": self.runner, "epoch": self.epoch}
        command = kind(**{"at": now(), **facts, **mine})
        while True:
            try:
                return self._execute(place, command, after)
            except NOT_STORED as error:
                logger.error("the log can not be written, and is tried again: %s", error)  # noqa: TRY400 - not ours
                time.sleep(RETRY)

    def end_of_log(self) -> int:
        """Return the position of the last event there is."""
        return self._log.recorder.max_notification_id() or 0

    def is_called_off(self, place: Place) -> bool:
        """Tell whether an attempt was cancelled; the whole job is read for it, as is seldom necessary."""
        attempt = self._attempt(place)
        return attempt is not None and attempt.status is TaskStatus.CANCELLED

    def is_over(self, place: Place) -> bool:
        """Tell whether an attempt of this runner has ended, and all of it; the whole job is read, as above."""
        attempt = self._attempt(place)
        return attempt is not None and attempt.stopped and attempt.runner == self.runner

    def end(self) -> None:
        """Say that the runner ended in order."""
        self._log.execute(runner, self.runner, runner.Stop(at=now(), epoch=self.epoch), self._context())

    def _attempt(self, place: Place) -> Attempt | None:
        state: job.Job = self._log.load(job, place.job)
        return state.attempts.get(place.attempt)

    def _execute(self, place: Place, command: Command, cause: int) -> Outcome:
        with self._turn(place.job):
            return self._log.execute(job, place.job, command, self._context(place.job, cause))

    def _turn(self, stream: UUID) -> Lock:
        """Return what lets the attempts of one job speak in turn: at once they would only be in each other's way."""
        with self._guard:
            turn = self._turns.get(stream) or Lock()
            self._turns[stream] = turn
            return turn

    def _context(self, stream: UUID | None = None, cause: int = 0) -> Context:
        return Context(
            actor=self._actor,
            correlation_id=stream.hex if stream else "",
            causation_id=str(cause) if cause else "",
        )


def _identity(log: Log) -> UUID:
    """Compute the log's own id from its first event, so that a copy of the log knows its containers again."""
    (first,) = log.recorder.select_notifications(0, 1, inclusive_of_start=False)
    return uuid5(NAMESPACE_OID, first.state.hex())
