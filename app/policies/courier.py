"""Delivering what a webhook has to tell: in the order of the log, at least once, however often the process dies."""

from __future__ import annotations

import logging
import time
from collections import OrderedDict
from collections.abc import Sequence
from datetime import timedelta
from http import HTTPStatus
from http.client import HTTPException
from threading import Lock
from typing import NamedTuple
from uuid import UUID

from app.log import Log
from app.log.log import now
from app.policies.address import Guard, Unacceptable
from app.policies.desk import Delivery, Desk, Lane
from app.policies.message import Envelope, Letter, envelope, letters, message
from app.policies.post import Post
from app.policies.story import Story
from app.vault import Vault
from domain import job, webhook
from domain.errors import Missing, Refused
from domain.event import Actor, Context
from domain.secrets import redact

TIMEOUT = 5.0
"""Seconds for one message in all: to find the host, to reach it, to send, and to have its answer."""
MOST_COURSES = 100
"""Lanes of which something is remembered between two deliveries; of others the log is read again."""
SLICE = 500
"""Events read at a time."""
LONGEST_ERROR = 2_000
"""Characters of an error that are kept."""
POLICY = Actor("system", "policy")

logger = logging.getLogger("jobledger.policies")


class Outcome(NamedTuple):
    """How a try went."""

    status: int | None = None
    error: str = ""
    """Why it failed; empty when it did not."""
    is_final: bool = False
    """Whether it is of no use to try again."""


class Course:
    """What is remembered of a lane between two deliveries."""

    def __init__(self) -> None:
        """Begin before the job's first event."""
        self.story = Story()
        self.delivery: tuple[int, int] | None = None
        self.letters: Sequence[Letter] = ()
        self.outcome = Outcome()
        """Of the letter before."""
        self.taken = 0
        """Letters of this delivery that the receiver has."""

    def prepare(self, log: Log, lane: Lane, delivery: Delivery) -> None:
        """Write the letters of a delivery, unless that was done before."""
        if self.delivery == (delivery.cause, delivery.webhook):
            return
        self.delivery = None
        self._read(log, lane.job, delivery.cause)
        self.letters, self.taken = letters(self.story, delivery.webhook), 0
        self.delivery = (delivery.cause, delivery.webhook)

    def _read(self, log: Log, job_id: UUID, cause: int) -> None:
        """Read the story up to an event; one that breaks off is begun anew."""
        story, self.story = self.story if self.story.version <= cause else Story(), Story()
        while story.version < cause:
            following = list(log.read(job_id, story.version, min(SLICE, cause - story.version)))
            if not following:
                msg = f"event {cause} of job {job_id.hex} is not in the log: delete the agenda, and it is made anew"
                raise LookupError(msg)
            for recorded in following:
                story.tell(recorded)
        self.story = story


class Courier:
    """Delivers in all lanes; in each there is one thread at a time."""

    def __init__(self, log: Log, desk: Desk, vault: Vault, guard: Guard, post: Post) -> None:
        """Work with these."""
        self._log = log
        self._desk = desk
        self._vault = vault
        self._guard = guard
        self._post = post
        self._lock = Lock()
        self._courses: OrderedDict[Lane, Course] = OrderedDict()

    def deliver(self, lane: Lane) -> float | None:
        """Try the next delivery of a lane, if it is due; return when to come again, None when nothing is left."""
        with self._lock:
            course = self._courses.pop(lane, None) or Course()
        delivery = self._desk.first(lane)
        if delivery is None:
            return None
        try:
            return delivery.due if delivery.due > time.time() else self._try(course, lane, delivery)
        finally:  # also when it can not be recorded now: what the receiver has is not to be sent again
            self._keep(lane, course)

    def _keep(self, lane: Lane, course: Course) -> None:
        with self._lock:
            self._courses[lane] = course
            if len(self._courses) > MOST_COURSES:
                self._courses.popitem(last=False)

    def _try(self, course: Course, lane: Lane, delivery: Delivery) -> float:
        try:
            course.prepare(self._log, lane, delivery)
            if not course.letters:
                self._desk.told(lane, delivery)
                return time.time()
            outcome = self._send(course, lane, delivery)
        except Unacceptable as reason:
            outcome = Outcome(error=str(reason), is_final=True)
        return self._record(lane, delivery, outcome, course.story.correlation)

    def _send(self, course: Course, lane: Lane, delivery: Delivery) -> Outcome:
        """Try to send, with the secrets of the job, of which the outcome shows nothing."""
        values = self._vault.values(lane.job)
        try:
            outcome = self._send_letters(course, envelope(course.story, delivery.webhook, values))
        except Unacceptable as reason:
            outcome = Outcome(error=str(reason), is_final=True)
        return outcome._replace(error=redact(outcome.error, values.values()))

    def _send_letters(self, course: Course, cover: Envelope) -> Outcome:
        """Send the letters that the receiver does not have yet; the first that fails ends the try."""
        for letter in course.letters[course.taken :]:
            end = time.monotonic() + TIMEOUT
            try:
                addresses = self._guard.addresses(cover.to, TIMEOUT)
                status = self._post.send(cover.to, addresses, message(letter, cover, int(time.time())), end)
            except TimeoutError:
                return Outcome(error=f"no answer within {TIMEOUT:g} seconds")
            except OSError as error:
                return Outcome(error=error.strerror or str(error) or type(error).__name__)
            except HTTPException as error:
                return Outcome(error=f"the answer is not HTTP: {type(error).__name__}")
            course.outcome = _judged(status)
            if course.outcome.error:
                break
            course.taken += 1
        return course.outcome

    def _record(self, lane: Lane, delivery: Delivery, outcome: Outcome, correlation: str) -> float:
        """Write down in the log how a try went; return when to come again."""
        at = now()
        pause = None if outcome.is_final or not outcome.error else webhook.pause(delivery.number, outcome.status)
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


def _judged(status: int) -> Outcome:
    if status in range(200, 300):
        return Outcome(status)
    known = next((each.phrase for each in HTTPStatus if each == status), "")
    what = f"HTTP {status} {known}".rstrip()
    if status in range(300, 400):
        return Outcome(status, f"{what}: redirects are not followed")
    return Outcome(status, what)
