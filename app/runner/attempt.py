"""One attempt in the hands of a runner: its thread, its verdict's way into the log, and what is left behind."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Mapping
from threading import Thread
from typing import Any
from uuid import UUID

import msgspec

from app.log import Contended
from app.output import RUNNER
from app.runner.ledger import NOT_STORED
from app.runner.runtime import Runtime, Work
from app.runner.signals import Left, Signals
from app.runner.tools import Tools
from app.runner.verdict import Failure, Verdict, failed, stopped
from app.vault import VaultUnusable
from domain import job
from domain.definition import TaskDefinition
from domain.errors import Elsewhere, Missing, Refused
from domain.job import TaskStatus
from domain.secrets import SecretGone, redact, reveal
from projections.queue import Claim, Place

logger = logging.getLogger("jobledger.runner")

UNSEEN = b"what it printed last is not shown: its secrets are no longer kept, and could not be hidden\n"
PLACEHOLDER = rb"\u0000secret:"
"""How a placeholder begins in JSON."""


class Attempt:
    """Claimed or adopted, brought to its end, recorded, and only then removed."""

    def __init__(self, place: Place, runtime: Runtime, tools: Tools) -> None:
        """Take it in hand; nothing happens yet."""
        self.place = place
        self.signals = Signals()
        self.recorded: Callable[[], None] = lambda: None
        """Called when the outcome is in the log, and only cleaning is left."""
        self.over: Callable[[], None] = lambda: None
        """Called when the runner has done with the attempt."""
        self.claimed_at: int | None = None
        """Where in the log the attempt is claimed at the latest, by this runner or another, once that is known.

        The beginning of the log, if the claim found no turn: then it may be tried again.
        """
        self.error: Exception | None = None
        """Why its claim could not be stored."""
        self._runtime = runtime
        self._tools = tools
        self._key = place.attempt.hex

    def is_claimed_after(self, position: int) -> bool:
        """Tell whether it may look as if it waited, to whom knows the log up to a position."""
        return self.error is None and (self.claimed_at is None or self.claimed_at > position)

    def launch(self) -> None:
        """Claim it and run it, in a thread of its own: an attempt of another job need not wait for its turn."""
        self._go(self._begin)

    def resume(self, claim: Claim, strange: set[UUID]) -> None:
        """Go on, in a thread of its own, with what was claimed before a crash; else say once that it is strange."""
        self._go(lambda: self._resume(claim, strange))

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

    def _begin(self) -> None:
        try:
            claim = self._claim()
        except NOT_STORED as error:
            self.error = error
            return
        if claim is not None:
            logger.info("attempt %s of job %s begins", self._key, self.place.job.hex)
            self._conclude(claim, TaskStatus.CLAIMED, ())

    def _claim(self) -> Claim | None:
        """Win the attempt; nothing if another runner, or a cancel, was first."""
        ledger = self._tools.ledger
        try:
            claim = ledger.claim(self.place, self._runtime.id)
        except (Refused, Missing):
            self.claimed_at = ledger.end_of_log()
            return None
        except Contended:
            self.claimed_at = 0
            return None
        self.claimed_at = claim.position
        return claim

    def _resume(self, claim: Claim, strange: set[UUID]) -> None:
        ledger = self._tools.ledger
        try:
            adopted = ledger.report(self.place, job.Adopt, ledger.position, engine=self._runtime.id)
        except Elsewhere as reason:
            self._say_once(f"is left alone: {reason}; start the runner there again, or cancel the job", strange)
            return
        except Refused:
            self._sweep(set())
            return
        attempt = adopted.state.attempts[self.place.attempt]
        logger.info("attempt %s is taken up again: it was %s", self._key, attempt.status)
        self._conclude(claim, attempt.status, attempt.phases)

    def _conclude(self, claim: Claim, status: TaskStatus, phases: Collection[str]) -> None:
        tools, job_id = self._tools, self.place.job
        scheduled = tools.ledger.scheduled(self.place)
        secrets: dict[str, str] = {}
        try:
            secrets = tools.vault.values(job_id)
            tools.output.conceal(self._key, secrets.values())
            task, gone = _revealed(scheduled.task, secrets), None
        except (SecretGone, VaultUnusable) as reason:
            task, gone = scheduled.task, Failure(str(reason), "container")
        work = Work(tools.ledger.log_id, tools.ledger.runner, self.place, claim, scheduled, task)
        course = self._runtime.course(work, tools, self.signals)
        if gone is None:
            verdict = course.run(status, phases)
        elif status is TaskStatus.CANCELLED:
            verdict = self._called_off_unseen()
        else:
            verdict = failed(gone)
        self._record(_redacted(verdict, secrets.values()), claim)
        course.clean()

    def _called_off_unseen(self) -> Verdict:
        """End what runs without looking at what it printed: secrets in it could not be told any more."""
        self._runtime.leftover(self._tools.ledger.log_id, self.place).clean()
        self._tools.output.append(self._key, RUNNER, UNSEEN)
        return stopped()

    def _sweep(self, strange: set[UUID]) -> None:
        ledger = self._tools.ledger
        if ledger.is_over(self.place):
            self._runtime.leftover(ledger.log_id, self.place).clean()
        else:
            self._say_once("is not over, as far as the log says: what is left of it stays", strange)

    def _say_once(self, what: str, strange: set[UUID]) -> None:
        if self.place.attempt not in strange:
            strange.add(self.place.attempt)
            logger.warning("attempt %s of job %s %s", self._key, self.place.job.hex, what)

    def _record(self, verdict: Verdict, claim: Claim) -> None:
        facts = dict(verdict.facts)
        if verdict.kind is not job.Lose:
            facts["output"] = self._tools.output.finish(self._key)
        cause = self.signals.cancelled or claim.position
        self._tools.ledger.report(self.place, verdict.kind, cause, **facts)
        self._tools.output.forget(self._key)
        logger.info("attempt %s ended: %s", self._key, verdict)
        self.recorded()


def _revealed(task: TaskDefinition, secrets: Mapping[str, str]) -> TaskDefinition:
    """Put the values of secrets into a task, or raise `SecretGone`."""
    if PLACEHOLDER not in msgspec.json.encode(task):
        return task
    return msgspec.convert(_each_text(msgspec.to_builtins(task), secrets), TaskDefinition)


def _each_text(part: Any, secrets: Mapping[str, str]) -> Any:
    match part:
        case str():
            return reveal(part, secrets)
        case dict():
            return {name: _each_text(each, secrets) for name, each in part.items()}
        case list() | tuple():
            return [_each_text(each, secrets) for each in part]
    return part


def _redacted(verdict: Verdict, secrets: Collection[str]) -> Verdict:
    """Hide secrets in what an attempt or an Engine said."""
    if not secrets:
        return verdict
    facts = {name: redact(fact, secrets) if isinstance(fact, str) else fact for name, fact in verdict.facts.items()}
    return Verdict(verdict.kind, facts)
