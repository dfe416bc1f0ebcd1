"""One attempt in the hands of a runner: its thread, its verdict's way into the log, and what is left behind."""

from __future__ import annotations

import logging
from collections.abc import Callable
from threading import Thread
from uuid import UUID

from app.runner import spec
from app.runner.container import OwnContainer
from app.runner.course import Course
from app.runner.exchange import Exchange
from app.runner.signals import Left, Signals
from app.runner.tools import Tools
from app.runner.verdict import Verdict
from domain import job
from domain.errors import Missing, Refused
from domain.job import TaskStatus
from projections.queue import Claim, Place

logger = logging.getLogger("jobledger.runner")


class Attempt:
    """Claimed or adopted, brought to its end, recorded, and only then removed."""

    def __init__(self, place: Place, tools: Tools) -> None:
        """Take it in hand; nothing happens yet."""
        self.place = place
        self.signals = Signals()
        self.recorded: Callable[[], None] = lambda: None
        """Called when the outcome is in the log, and only cleaning is left."""
        self.over: Callable[[], None] = lambda: None
        """Called when the runner has done with the attempt."""
        self._tools = tools
        self._key = place.attempt.hex
        self._exchange = Exchange(tools.folder / self._key)

    def claim(self) -> Claim:
        """Win the attempt, or be refused."""
        return self._tools.ledger.claim(self.place, self._tools.engine.id)

    def launch(self, claim: Claim) -> None:
        """Run it, after its claim, in a thread of its own."""
        logger.info("attempt %s of job %s begins", self._key, self.place.job.hex)
        self._go(lambda: self._conclude(claim, TaskStatus.CLAIMED))

    def resume(self, claim: Claim) -> None:
        """Go on, in a thread of its own, with what was claimed before a crash."""
        self._go(lambda: self._resume(claim))

    def sweep(self, strange: set[UUID]) -> None:
        """Remove what is left of it, in a thread of its own, if it is over; else say once that it is strange."""
        self._go(lambda: self._sweep(strange))

    def _go(self, work: Callable[[], None]) -> None:
        Thread(target=self._run, args=(work,), name=f"attempt {self._key}", daemon=True).start()

    def _run(self, work: Callable[[], None]) -> None:
        try:
            work()
        except Left:
            logger.info("attempt %s is left to the next start of this runner", self._key)
        except (Refused, Missing) as error:
            logger.warning("attempt %s is in other hands: %s", self._key, error)
        except Exception:
            logger.exception("attempt %s met an error of the runner's own, and will be taken up again", self._key)
        finally:
            self.over()

    def _resume(self, claim: Claim) -> None:
        ledger = self._tools.ledger
        try:
            adopted = ledger.report(self.place, job.Adopt, ledger.position)
        except Refused:
            self._sweep(set())
            return
        status = adopted.state.attempts[self.place.attempt].status
        logger.info("attempt %s is taken up again: it was %s", self._key, status)
        self._conclude(claim, status)

    def _conclude(self, claim: Claim, status: TaskStatus) -> None:
        ledger = self._tools.ledger
        identity = spec.Identity(ledger.log_id, ledger.runner, self.place, claim)
        course = Course(self._tools, identity, self.signals, self._exchange)
        self._record(course.run(status), claim)
        self._clean(course.container)

    def _sweep(self, strange: set[UUID]) -> None:
        ledger = self._tools.ledger
        attempt = ledger.state(self.place.job).attempts.get(self.place.attempt)
        if attempt is not None and attempt.stopped and attempt.runner == ledger.runner:
            self._clean(OwnContainer(self._tools.engine, ledger.log_id, self.place, self.signals))
        elif self.place.attempt not in strange:
            strange.add(self.place.attempt)
            logger.warning("what is left of attempt %s stays: the log does not say that it is over", self._key)

    def _record(self, verdict: Verdict, claim: Claim) -> None:
        facts = dict(verdict.facts)
        if verdict.kind is not job.Lose:
            facts["output"] = self._tools.output.finish(self._key)
        cause = self.signals.cancelled or claim.position
        self._tools.ledger.report(self.place, verdict.kind, cause, **facts)
        self._tools.output.forget(self._key)
        logger.info("attempt %s ended: %s", self._key, verdict)
        self.recorded()

    def _clean(self, container: OwnContainer) -> None:
        container.discard()
        self._exchange.remove()
