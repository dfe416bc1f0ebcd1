"""The work of one start of a runner: it claims while it has room, and looks around for what is left over."""

from __future__ import annotations

import logging
import math
import sqlite3
import time
from collections.abc import Collection, Sequence
from contextlib import suppress
from queue import Empty, SimpleQueue
from uuid import UUID

from app.log import Log
from app.log.log import now
from app.runner.attempt import Attempt
from app.runner.exchange import Exchange
from app.runner.follower import Follower
from app.runner.hand import Hand
from app.runner.ledger import NOT_STORED, Ledger
from app.runner.orders import Order
from app.runner.runtime import Runtime, RuntimeAway
from app.runner.tools import Tools
from app.runner.writer import Writer
from app.settings import Settings
from app.vault import Vault
from domain.event import Recorded
from domain.job import JobCancelled, JobFailed, TaskScheduled
from projections import queue, views
from projections.queue import Claim, Place

logger = logging.getLogger("jobledger.runner")

ROUND = 10.0
"""Seconds between two looks around."""
FIRST_PAUSE, LONGEST_PAUSE = 0.25, 5.0
"""Seconds between two tries to reach a runtime that is away, or to write a log that can not be written."""
CATCHING_UP = 0.5
"""Seconds for which a runner waits, at a time, for its view of the log."""
PARTING = 3.0
"""Seconds that attempts have to be left in order."""


class Shift:
    """Everything that lives as long as one epoch of a runner."""

    def __init__(self, log: Log, settings: Settings, runtime: Runtime, orders: SimpleQueue[Order]) -> None:
        """Begin an epoch: from here on, what this runner was before has no say."""
        self._settings = settings
        self._runtime = runtime
        self._orders = orders
        self._hand = Hand(settings.runner_slots, self._wake)
        self._ledger = Ledger(log, settings.runner_name)
        self._output = Writer(settings.output)
        self._vault = Vault(settings.secrets)
        self._tools = Tools(self._output, self._ledger, self._vault, settings.runner / "attempts")
        self._follower = Follower(log, settings.runner, settings.queues, self._told)
        self._queue: sqlite3.Connection = views.connect(self._follower.path)
        self._tried: dict[UUID, Attempt] = {}
        """What the queue may still show though it is being claimed, or was: until the queue has seen it."""
        self._strange: set[UUID] = set()
        """The attempts that are not ours to take up, or of which something is left that is not ours to remove."""
        self._given = Order.LOOK
        self._pause = 0.0
        self._next_try = self._next_round = 0.0
        self._next_due = math.inf
        runtime.lost = self._wake

    def work(self) -> None:
        """Work until it is told to end."""
        self._follower.start()
        while not self._is_done():
            self._look()
            self._heed()
        self._end()

    def _is_done(self) -> bool:
        if self._given is Order.LEAVE:
            return True
        return self._given is Order.DRAIN and not self._hand.keys()

    def _look(self) -> None:
        """Do what can be done now."""
        if time.monotonic() < self._next_try or not self._follower.has_reached(self._ledger.position, CATCHING_UP):
            return
        self._next_try = 0.0
        try:
            self._settle()
            self._reach()
            self._look_around()
            self._claim()
        except RuntimeAway as error:
            self._wait(f"no {self._runtime.name}: waiting; jobs stay PENDING ({error})")
        except NOT_STORED as error:
            self._wait(f"the log can not be written: waiting ({error})")
        else:
            if not self._tried:
                self._pause = 0.0

    def _reach(self) -> None:
        if self._runtime.is_there.is_set():
            return
        was_there = self._runtime.id
        self._runtime.connect()
        self._next_round = 0.0
        if was_there:
            logger.info("the %s answers again", self._runtime.name)
            return
        queues, slots = ", ".join(self._settings.queues), self._settings.runner_slots
        logger.info("takes work from %s, %d at a time, on the %s", queues, slots, self._runtime.name)

    def _settle(self) -> None:
        """Hear what became of claims; raises why one could not be made."""
        shown, tried = self._follower.position, tuple(self._tried.values())
        self._tried = {each.place.attempt: each for each in tried if each.is_claimed_after(shown)}
        if any(each.claimed_at for each in tried):
            self._pause = 0.0
        if errors := [each.error for each in tried if each.error is not None]:
            raise errors[0]

    def _claim(self) -> None:
        """Take what waits, the best first, while there is room; if any is left, know when the next one is due."""
        self._next_due = math.inf
        if not self._has_room():
            return
        at, queues = now(), self._settings.queues
        for place in queue.candidates(self._queue, queues, at, self._hand.room() + len(self._tried)):
            if place.attempt not in self._tried and self._has_room():
                self._take(place)
        if self._has_room() and (due := queue.next_due(self._queue, queues, at)):
            self._next_due = time.monotonic() + (due - at).total_seconds()

    def _has_room(self) -> bool:
        return self._given is Order.LOOK and self._runtime.is_there.is_set() and self._hand.room() > 0

    def _take(self, place: Place) -> None:
        attempt = Attempt(place, self._runtime, self._tools)
        self._hand.take(attempt)  # before the claim: a cancel that comes at once has to find it
        self._tried[place.attempt] = attempt
        attempt.launch()

    def _look_around(self) -> None:
        """Take up what is held and in nobody's hand, and remove what is left of attempts that are over."""
        if time.monotonic() < self._next_round:
            return
        known = set(self._hand.keys())  # before all else is asked: an attempt may be over a moment later
        if not self._follower.has_reached(self._ledger.end_of_log(), CATCHING_UP):
            self._next_round = time.monotonic() + CATCHING_UP  # what has just ended would still be shown as held
            return
        found = self._runtime.found(self._ledger.log_id, self._ledger.runner)
        held = {place.attempt: (place, claim) for place, claim in queue.held(self._queue, self._ledger.runner)}
        known |= self._hand.keys()
        for place, claim in held.values():
            if place.attempt not in known:
                self._resume(place, claim)
        self._sweep(found, known | held.keys())
        self._next_round = time.monotonic() + ROUND

    def _resume(self, place: Place, claim: Claim) -> None:
        attempt = Attempt(place, self._runtime, self._tools)
        self._hand.take(attempt)
        attempt.resume(claim, self._strange)

    def _sweep(self, found: Collection[Place], known: set[UUID]) -> None:
        for place in found:
            if place.attempt not in known:
                attempt = Attempt(place, self._runtime, self._tools)
                self._hand.take(attempt)
                attempt.sweep(self._strange)
        names = {attempt.hex for attempt in known}
        for folder in self._tools.folder.glob("*"):
            if folder.name.partition(".")[0] not in names:
                Exchange(folder).remove()

    def _wait(self, message: str) -> None:
        if not self._pause:
            logger.warning(message)
        self._pause = min(max(FIRST_PAUSE, 2 * self._pause), LONGEST_PAUSE)
        self._next_try = time.monotonic() + self._pause

    def _heed(self) -> None:
        """Sleep until there is an order or something to do, and take the most urgent order."""
        due = self._next_try or min(self._next_round, self._next_due)
        with suppress(Empty):
            order = self._orders.get(timeout=max(0.0, due - time.monotonic()))
            while True:
                self._take_order(order)
                order = self._orders.get_nowait()

    def _take_order(self, order: Order) -> None:
        if order <= self._given:
            return
        self._given = order
        running = len(self._hand.keys())
        if order is Order.DRAIN:
            logger.info("claims no more, and ends when the %d attempts in its hands have", running)
        else:
            logger.info("ends, and leaves %d attempts to its next start", running)

    def _told(self, events: Sequence[Recorded]) -> None:
        """Hear what is new in the log."""
        for recorded in events:
            if isinstance(recorded.event, JobCancelled | JobFailed):
                self._hand.cancel(recorded.originator_id, recorded.position)
        if any(isinstance(recorded.event, TaskScheduled) for recorded in events):
            self._wake()

    def _wake(self) -> None:
        self._orders.put(Order.LOOK)

    def _end(self) -> None:
        self._hand.leave()
        deadline = time.monotonic() + PARTING
        while self._hand.keys() and time.monotonic() < deadline:
            with suppress(Empty):
                self._orders.get(timeout=CATCHING_UP)
        self._queue.close()
        self._follower.stop()
        self._output.close()
        self._vault.close()
        self._ledger.end()
        self._runtime.close()
