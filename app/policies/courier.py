"""Delivering what a webhook has to tell: in the order of the log, at least once, however often the process dies."""

from __future__ import annotations

import logging
import time
from datetime import timedelta
from http import HTTPStatus
from http.client import HTTPException
from uuid import UUID

from app.log import Log
from app.log.log import now
from app.policies.address import Guard, Unacceptable
from app.policies.course import Course, Courses, Outcome
from app.policies.desk import Delivery, Desk, Lane
from app.policies.message import Envelope, Letter, envelope, message
from app.policies.post import Post
from app.vault import Vault
from domain import job, webhook
from domain.errors import Missing, Refused
from domain.event import Actor, Context
from domain.secrets import redact

TIMEOUT = 5.0
"""Seconds for one message in all: to find the host, to reach it, to send, and to have its answer."""
LONGEST_ERROR = 2_000
"""Characters of an error that are kept."""
POLICY = Actor("system", "policy")

logger = logging.getLogger("jobledger.policies")


class Courier:
    """Delivers in all lanes; in each there is one thread at a time."""

    def __init__(self, log: Log, desk: Desk, vault: Vault, guard: Guard, post: Post) -> None:
        """Work with these."""
        self._log = log
        self._desk = desk
        self._vault = vault
        self._guard = guard
        self._post = post
        self._courses = Courses()

    def deliver(self, lane: Lane) -> float | None:
        """Try the next delivery of a lane, if it is due; return when to come again, None when nothing is left."""
        course = self._courses.take(lane)
        try:
            due = self._deliver(course, lane)
        finally:  # also when it can not be recorded now: what the receiver has is not to be sent again
            self._courses.keep(lane, course)
        if due is None and self._desk.lane(lane.job.hex, lane.number) is None:
            self.forget(lane.job)
        return due

    def forget(self, job_id: UUID) -> None:
        """Remember nothing of a job that is over, and of which all is told."""
        self._courses.forget(job_id)

    def _deliver(self, course: Course, lane: Lane) -> float | None:
        delivery = self._desk.first(lane)
        if delivery is None:
            course.put_away()  # but not the story, to which the next event belongs
            return None
        return delivery.due if delivery.due > time.time() else self._try(course, lane, delivery)

    def _try(self, course: Course, lane: Lane, delivery: Delivery) -> float:
        if not course.prepare(self._log, lane, delivery):
            self._desk.told(lane, delivery)
            return time.time()
        outcome = self._send(course, lane, delivery)
        return self._record(lane, delivery, outcome, course.story.correlation)

    def _send(self, course: Course, lane: Lane, delivery: Delivery) -> Outcome:
        """Try to send, with the secrets of the job, of which the outcome shows nothing."""
        values = self._vault.values(lane.job)
        try:
            cover = envelope(course.story, delivery.webhook, values)
            outcome = self._send_letters(course, cover, delivery.number)
        except Unacceptable as reason:
            outcome = Outcome(error=str(reason), is_final=True)
        return outcome._replace(error=redact(outcome.error, values.values()))

    def _send_letters(self, course: Course, cover: Envelope, number: int) -> Outcome:
        """Send the letters that are left: the first that is to be tried again ends the try."""
        for letter in course.left:
            outcome = self._send_letter(letter, cover)
            if _pause(outcome, number) is not None:
                return outcome
            course.settle(outcome)
        return course.result

    def _send_letter(self, letter: Letter, cover: Envelope) -> Outcome:
        end = time.monotonic() + TIMEOUT
        try:
            sent = message(letter, cover, int(time.time()))
            return _judged(self._post.send(cover.to, self._guard.addresses(cover.to, TIMEOUT), sent, end))
        except Unacceptable as reason:
            return Outcome(error=str(reason), is_final=True)
        except TimeoutError:
            return Outcome(error=f"no answer within {TIMEOUT:g} seconds")
        except OSError as error:
            return Outcome(error=error.strerror or str(error) or type(error).__name__)
        except HTTPException as error:
            return Outcome(error=f"the answer is not HTTP: {type(error).__name__}")

    def _record(self, lane: Lane, delivery: Delivery, outcome: Outcome, correlation: str) -> float:
        """Write down in the log how a try went; return when to come again."""
        at = now()
        pause = _pause(outcome, delivery.number)
        due = None if pause is None else at + timedelta(seconds=pause)
        tried = (delivery.webhook, delivery.cause, delivery.number, outcome.status, outcome.error[:LONGEST_ERROR], due)
        context = Context(POLICY, correlation_id=correlation, causation_id=str(delivery.position))
        try:
            self._log.execute(job, lane.job, job.RecordDelivery(at, *tried), context)
        except (Missing, Refused) as error:
            logger.warning("a delivery of job %s is not recorded: %s", lane.job.hex, error)
        if due is None:
            self._desk.told(lane, delivery)
            return at.timestamp()
        self._desk.try_again(lane, delivery, due.timestamp())
        return due.timestamp()


def _pause(outcome: Outcome, number: int) -> float | None:
    """Return the seconds until another try; nothing when none is needed, or none would be of use."""
    return None if outcome.is_final or not outcome.error else webhook.pause(number, outcome.status)


def _judged(status: int) -> Outcome:
    if status in range(200, 300):
        return Outcome(status)
    known = next((each.phrase for each in HTTPStatus if each == status), "")
    what = f"HTTP {status} {known}".rstrip()
    if status in range(300, 400):
        return Outcome(status, f"{what}: redirects are not followed")
    return Outcome(status, what)
