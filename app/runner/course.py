"""The course of one attempt, from any point of it to a verdict."""

from __future__ import annotations

import time
from datetime import datetime

from app.log.log import now
from app.runner import spec
from app.runner.client import Received
from app.runner.container import OwnContainer
from app.runner.engine import Container, EngineAway, EngineRefusal, ImageAbsent
from app.runner.exchange import BadResult, Exchange
from app.runner.signals import Cancelled, Interrupted, Signals, TimedOut
from app.runner.spec import Identity
from app.runner.tools import Tools
from app.runner.verdict import TAIL, Failure, NeverRan, Verdict, completed, exited, failed, lost, stopped
from app.runner.watch import Watch
from domain import job
from domain.definition import parse_duration
from domain.errors import Refused
from domain.job import TaskStatus

PULLS = 2
"""How often an image is fetched for an attempt: it may be removed in between, but not for ever."""
STOPPING = 5.0
"""Seconds until a container that was asked to end is asked again."""


class Course:
    """Brings an attempt to its end. What it finds decides how it goes on, not what it remembers."""

    def __init__(self, tools: Tools, identity: Identity, signals: Signals, exchange: Exchange) -> None:
        """Read what the task is, and how much of its time is left."""
        self._tools = tools
        self._identity = identity
        self._signals = signals
        self._exchange = exchange
        self._place, self._claim = identity.place, identity.claim
        self._key = self._place.attempt.hex
        self._task, self._number = tools.ledger.task(self._place)
        self.container = OwnContainer(tools.engine, identity.log, self._place, signals)
        if self._task.timeout:
            passed = (now() - self._claim.at).total_seconds()
            signals.deadline = time.monotonic() + parse_duration(self._task.timeout) - max(0.0, passed)

    def run(self, status: TaskStatus) -> Verdict:
        """Go on from what the log says, to a verdict."""
        try:
            return self._go_on(status)
        except NeverRan as reason:
            return lost(reason)
        except Failure as failure:
            return failed(failure)
        except Cancelled:
            self.container.vanish()
            return stopped()
        except TimedOut:
            self.container.vanish()
            return failed(self._timeout())

    def _go_on(self, status: TaskStatus) -> Verdict:
        match status:
            case TaskStatus.CLAIMED:
                return self._launch()
            case TaskStatus.CANCELLED:
                return self._call_off()
        return self._revive()

    def _launch(self) -> Verdict:
        if self._number > 1:
            self.container.make_way()
        self._exchange.create(self._task.run)
        container = self._create()
        self._signals.check()
        self._intend(container)
        self._signals.check()
        if container.was_started:  # by another's hand: to start it again would be to run it twice
            return self._follow(container.id, container.began)
        attached = self.container.start()
        return self._follow(container.id, now(), attached)

    def _revive(self) -> Verdict:
        """Take up a container whose start was announced, and perhaps was done."""
        container = self.container.started()
        return self._follow(container.id, container.began)

    def _call_off(self) -> Verdict:
        """See to what is left of an attempt that was cancelled while no runner was there."""
        self._signals.cancelled = self._signals.cancelled or self._claim.position
        container = self.container.look()
        if container is None or not container.was_started:
            raise Cancelled
        return self._follow(container.id, container.began)

    def _create(self) -> Container:
        """Create the container, with its image fetched first if need be."""
        body = spec.body(self._task, self._identity, self._exchange.folder)
        for _ in range(PULLS + 1):
            self._signals.check()
            try:
                return self.container.create(body)
            except ImageAbsent:
                self._fetch()
            except EngineRefusal as refusal:
                msg = f"the container can not be created: {refusal}"
                raise Failure(msg, "container") from None
        msg = f"the image {self._task.image} was fetched, and yet is not there"
        raise Failure(msg, "image")

    def _fetch(self) -> None:
        image = self._task.image
        while True:
            try:
                return self._tools.images.fetch(image, self._key, self._signals)
            except EngineAway:
                self.container.await_engine()
            except EngineRefusal as refusal:
                msg = f"the image {image} can not be pulled: {refusal}"
                raise Failure(msg, "image") from None

    def _intend(self, container: Container) -> None:
        """Announce the start, which may be refused: a cancel was first."""
        try:
            self._report(job.IntendStart, container=container.id, image=container.image)
        except Refused:
            attempt = self._tools.ledger.state(self._place.job).attempts[self._place.attempt]
            if attempt.status is TaskStatus.CANCELLED:
                raise Cancelled from None
            raise

    def _follow(self, container: str, began: datetime, attached: Received | None = None) -> Verdict:
        """Watch a container that runs, or did, to its end."""
        grace = 0 if self._signals.cancelled else spec.GRACE
        watch = Watch(self._tools.engine, container, (self._tools.output, self._key), self._signals)
        watch.attached = attached
        watch.start()
        self._report(job.Start, at=began)
        try:
            self._signals.wait(lambda: watch.ended)
        except (Cancelled, TimedOut) as reason:
            self._end(watch, grace)
            return self._interrupted(reason, watch)
        return self._ended(watch)

    def _end(self, watch: Watch, grace: int) -> None:
        self.container.stop(grace)
        while not self._signals.settle(lambda: watch.ended, STOPPING):
            self.container.stop(grace)

    def _interrupted(self, reason: Interrupted, watch: Watch) -> Verdict:
        if isinstance(reason, Cancelled):
            return stopped(watch.exit_code)
        return failed(self._timeout(watch.exit_code))

    def _ended(self, watch: Watch) -> Verdict:
        """Judge a container that ended by itself."""
        if watch.error is not None:
            raise watch.error
        if watch.exit_code is None:
            msg = "outcome unknown: its container is gone"
            raise Failure(msg, "unknown")
        if watch.exit_code:
            raise self._exited(watch.exit_code, engine_was_away=watch.engine_was_away)
        try:
            return completed(self._exchange.result())
        except BadResult as error:
            raise Failure(str(error), "result", watch.exit_code) from None

    def _exited(self, exit_code: int, *, engine_was_away: bool) -> Failure:
        self._tools.output.finish(self._key)
        container = self.container.look()
        oom_killed = container is not None and container.oom_killed
        last = self._tools.output.last(self._key, TAIL)
        return exited(exit_code, last, oom_killed=oom_killed, engine_was_away=engine_was_away)

    def _timeout(self, exit_code: int | None = None) -> Failure:
        return Failure(f"timed out after {self._task.timeout}", "timeout", exit_code)

    def _report(self, kind: type[job.IntendStart | job.Start], **facts: object) -> None:
        self._tools.ledger.report(self._place, kind, self._claim.position, **facts)
