"""Seeing that what the agenda says is done when it is due; idle it sleeps until then, or until it is woken."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from functools import partial
from threading import Event, Lock, Thread, current_thread
from uuid import UUID

from app.policies.courier import Courier
from app.policies.desk import Desk, Errand, Lane
from app.policies.errands import Errands
from app.policies.follower import Touched
from app.policies.lanes import Lanes
from app.policies.post import Closed

MOST_COURIERS = 16
LOOK = 60.0
"""Seconds after which the time is looked at in any case: clocks are set, and machines sleep."""
SWEEPING = 3600.0
"""Seconds between two looks for what is left of submissions that failed."""
RETRY = 5.0
"""Seconds until what failed, on a full disk say, is tried again."""
PATIENCE = 2.0
"""Seconds that what is under way has at the end; what is left then is done after the next start."""

logger = logging.getLogger("jobledger.policies")


class Clerk:
    """A thread that sends commands, and others that it starts when there is work for them."""

    def __init__(self, desk: Desk, errands: Errands, courier: Courier) -> None:
        """Work with these, from the first `notice` on."""
        self._desk = desk
        self._errands = errands
        self._courier = courier
        self._lanes = Lanes()
        self._woken = Event()
        self._stopped = Event()
        self._lock = Lock()
        self._couriers: set[Thread] = set()
        self._disposer: Thread | None = None
        self._next_sweep = 0.0
        self._thread: Thread | None = None

    def notice(self, touched: Touched) -> None:
        """Learn what is new in an agenda that is up to date: not before it is known what was done already."""
        if self._stopped.is_set():
            return
        if self._thread is None:
            lanes = [*self._desk.lanes()]
            self._thread = self._started(self._run, "clerk")
        else:
            lanes = [lane for job, number in touched if (lane := self._find(job, number))]
        for lane in lanes:
            self._lanes.add(lane, time.time())
        self._woken.set()

    def stop(self) -> None:
        """Begin nothing more, and wait a little for what is under way."""
        self._stopped.set()
        self._woken.set()
        end = time.monotonic() + PATIENCE
        for thread in (self._thread, self._disposer, *self._couriers):
            if thread is not None:
                thread.join(max(0.0, end - time.monotonic()))

    def _find(self, job: str, number: int) -> Lane | None:
        lane = self._desk.lane(job, number)
        if lane is None:
            self._courier.forget(UUID(job))
        return lane

    def _run(self) -> None:
        while not self._stopped.is_set():
            self._woken.clear()
            try:
                pause = self._work()
            except Exception:
                logger.exception("the agenda can not be worked off; trying again")
                pause = RETRY
            self._woken.wait(pause)

    def _work(self) -> float:
        """Do what is due, and return for how many seconds nothing will be."""
        self._run_errands()
        self._dispose()
        self._send_couriers()
        dues = [self._desk.next_errand()]
        if self._disposer is None:
            dues.append(self._desk.next_disposal())
        if self._has_couriers():
            dues.append(self._lanes.due())
        return min([LOOK, *(max(0.0, due - time.time()) for due in dues if due is not None)])

    def _run_errands(self) -> None:
        failed: set[UUID] = set()
        for errand in self._desk.errands(time.time()):
            if self._stopped.is_set():
                return
            if errand.stream not in failed and not self._has_run(errand):
                failed.add(errand.stream)

    def _has_run(self, errand: Errand) -> bool:
        try:
            self._errands.run(errand)
        except Exception:
            logger.exception("%s can not be sent to job %s", type(errand.command).__name__, errand.stream.hex)
            self._desk.postpone(errand.stream, time.time() + RETRY)
            return False
        self._desk.sent(errand)
        return True

    def _dispose(self) -> None:
        """Let a thread of its own drop what is to be dropped, which may be much."""
        if self._disposer is None and (time.monotonic() >= self._next_sweep or self._desk.disposals(time.time())):
            with self._lock:  # which it needs to say that it has ended
                self._disposer = self._started(self._drop, "disposer")

    def _drop(self) -> None:
        try:
            if time.monotonic() >= self._next_sweep:
                self._errands.sweep()
                self._next_sweep = time.monotonic() + SWEEPING
            while not self._stopped.is_set() and (disposals := self._desk.disposals(time.time())):
                for disposal in disposals:
                    self._errands.dispose(disposal)
                    self._desk.disposed(disposal)
        except Exception:
            logger.exception("what is to be kept no longer can not be dropped; trying again")
            self._stopped.wait(RETRY)
        with self._lock:
            self._disposer = None
        self._woken.set()

    def _send_couriers(self) -> None:
        while self._has_couriers() and (lane := self._lanes.take(time.time())):
            with self._lock:  # as above
                self._couriers.add(self._started(partial(self._carry, lane), "courier"))

    def _has_couriers(self) -> bool:
        return len(self._couriers) < MOST_COURIERS

    def _carry(self, lane: Lane) -> None:
        """Deliver in one lane after another, for as long as there is one whose turn it is."""
        following: Lane | None = lane
        while following and not self._stopped.is_set():
            following = self._deliver(following)
        with self._lock:
            self._couriers.discard(current_thread())
        self._woken.set()

    def _deliver(self, lane: Lane) -> Lane | None:
        try:
            due = self._courier.deliver(lane)
        except Closed:
            return None
        except Exception:
            logger.exception("nothing can be told of job %s now; trying again", lane.job.hex)
            due = time.time() + RETRY
        self._lanes.give_back(lane, due, time.time())
        return self._lanes.take(time.time())

    def _started(self, work: Callable[[], None], name: str) -> Thread:
        thread = Thread(target=work, name=name, daemon=True)
        thread.start()
        return thread
