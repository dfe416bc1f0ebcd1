"""What is remembered of lanes between two deliveries, so that a job's events are read once and not again for each."""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Sequence
from threading import Lock
from typing import NamedTuple
from uuid import UUID

import msgspec

from app.log import Log
from app.policies.desk import Delivery, Lane
from app.policies.message import Letter, letters
from app.policies.story import Story

SLICE = 500
"""Events read at a time."""
MOST_BYTES = 64 * 2**20
"""Of the events that all stories were told, which take about twice as much; of other lanes the log is read again."""

_encode = msgspec.json.Encoder().encode


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
        self.size = 0
        """Bytes of the events that the story was told."""
        self._delivery: tuple[int, int] | None = None
        self._letters: Sequence[Letter] = ()
        self._settled = 0
        """Letters of this delivery that the receiver has, or will not get."""
        self._outcome = Outcome()
        """Of the last letter that failed; if none did, of the last one."""
        self._errors: Counter[str] = Counter()
        """Why letters failed, and how many."""

    def prepare(self, log: Log, lane: Lane, delivery: Delivery) -> bool:
        """Write the letters of a delivery, unless that was done before; tell whether there are any."""
        if self._delivery != (delivery.cause, delivery.webhook):
            self.put_away()
            self._read(log, lane.job, delivery.cause)
            self._letters = letters(self.story, delivery.webhook)
            self._delivery = (delivery.cause, delivery.webhook)
        return bool(self._letters)

    def put_away(self) -> None:
        """Forget the letters of a delivery that is done with."""
        self._delivery, self._letters, self._settled = None, (), 0
        self._outcome, self._errors = Outcome(), Counter()

    @property
    def left(self) -> Sequence[Letter]:
        """The letters that are still to be sent."""
        return self._letters[self._settled :]

    def settle(self, outcome: Outcome) -> None:
        """Note what became of the first of those left: it was taken, or failed for good."""
        self._settled += 1
        if outcome.error:
            self._errors[outcome.error] += 1
        if outcome.error or not self._errors:
            self._outcome = outcome

    @property
    def result(self) -> Outcome:
        """How the delivery went, once no letter is left."""
        if not self._errors:
            return self._outcome
        many = len(self._letters)
        noted = (
            f"{error} ({count} of {many} messages)" if many > 1 else error for error, count in self._errors.items()
        )
        return Outcome(self._outcome.status, "; ".join(noted), is_final=True)

    def _read(self, log: Log, job_id: UUID, cause: int) -> None:
        """Read the story up to an event; one that breaks off is begun anew."""
        story, size = (self.story, self.size) if self.story.version <= cause else (Story(), 0)
        self.story, self.size = Story(), 0
        while story.version < cause:
            following = list(log.read(job_id, story.version, min(SLICE, cause - story.version)))
            if not following:
                msg = f"event {cause} of job {job_id.hex} is not in the log: delete the agenda, and it is made anew"
                raise LookupError(msg)
            for recorded in following:
                story.tell(recorded)
                size += len(_encode(recorded.event))
        self.story, self.size = story, size


class Courses:
    """The courses of all lanes, for any thread; when they become too large, those that rested longest go."""

    def __init__(self) -> None:
        """Remember none."""
        self._lock = Lock()
        self._courses: OrderedDict[Lane, Course] = OrderedDict()
        self._size = 0

    def take(self, lane: Lane) -> Course:
        """Return the course of a lane, or a new one; it is the caller's own until it is kept again."""
        with self._lock:
            return self._pop(lane) or Course()

    def keep(self, lane: Lane, course: Course) -> None:
        """Remember the course of a lane, and of others as far as there is room."""
        with self._lock:
            self._courses[lane] = course
            self._size += course.size
            while self._size > MOST_BYTES and len(self._courses) > 1:
                self._pop(next(iter(self._courses)))

    def forget(self, job_id: UUID) -> None:
        """Remember nothing of a job."""
        with self._lock:
            for lane in [each for each in self._courses if each.job == job_id]:
                self._pop(lane)

    def _pop(self, lane: Lane) -> Course | None:
        course = self._courses.pop(lane, None)
        self._size -= course.size if course else 0
        return course
