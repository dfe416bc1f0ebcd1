"""What is remembered of a job between two messages: enough that its events are read once, and no more than fits."""

from __future__ import annotations

from collections import Counter
from typing import Any
from uuid import UUID, uuid4

import pytest

from app.policies import Policies, course
from app.policies.course import Course, Courses
from app.policies.desk import Lane
from app.policies.story import Story
from domain.definition import Webhook
from domain.event import Recorded
from domain.job import WebhookDelivered
from tests.receiver import Office, Receiver, task
from tests.waiting import until


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> Counter[tuple[UUID, int]]:
    """Count how often each event is read to be told: by job and version."""
    counts: Counter[tuple[UUID, int]] = Counter()

    class Counting(Story):
        def tell(self, recorded: Recorded) -> None:
            counts[recorded.originator_id, recorded.originator_version] += 1
            super().tell(recorded)

    monkeypatch.setattr(course, "Story", Counting)
    return counts


def is_told(office: Office, job_id: UUID, count: int) -> None:
    """Wait until so many messages are recorded."""
    until(lambda: len(office.events(job_id, WebhookDelivered)) >= count)


@pytest.mark.parametrize("items", [10, 40])
def test_each_event_is_read_once_though_each_message_is_told_before_the_next_one_comes(
    office: Office, read: Counter[tuple[UUID, int]], items: int
) -> None:
    with Receiver() as receiver, office.policies():
        hook = Webhook(url=receiver.url, event="task.StateChange")
        job_id = office.submit(*[task() for _ in range(items)], webhooks=(hook,))
        for place in range(1, items + 1):
            is_told(office, job_id, 3 * place - 2)
            office.complete(job_id, str(place))
        is_told(office, job_id, 3 * items)
    assert len(read) > 5 * items
    assert set(read.values()) == {1}


def test_each_event_is_read_once_however_many_jobs_are_told_of_at_once(
    office: Office, read: Counter[tuple[UUID, int]]
) -> None:
    with Receiver() as receiver, office.policies():
        hook = Webhook(url=receiver.url, event="task.StateChange")
        jobs = [office.submit(*[task() for _ in range(2)], webhooks=(hook,)) for _ in range(110)]
        for place in range(1, 3):
            for job_id in jobs:
                office.complete(job_id, str(place))
            for job_id in jobs:
                is_told(office, job_id, min(6, 3 * place + 1))
    assert {job_id for job_id, _ in read} == set(jobs)
    assert set(read.values()) == {1}


def remembered(policies: Policies) -> Any:
    return policies._clerk._courier._courses._courses  # nobody else can tell


def test_nothing_is_remembered_of_a_job_that_is_over_and_all_told(office: Office) -> None:
    with Receiver() as receiver, office.policies() as policies:
        hooks = (Webhook(url=receiver.url, event="task.StateChange"), Webhook(url=f"{receiver.url}/other"))
        job_id = office.submit(task(), webhooks=hooks)
        until(lambda: len(remembered(policies)) == 2)
        office.complete(job_id)
        is_told(office, job_id, 7)
        until(lambda: not remembered(policies))


def test_nothing_is_remembered_of_a_job_of_whose_end_nothing_is_told(office: Office) -> None:
    with Receiver() as receiver, office.policies() as policies:
        job_id = office.submit(task(), task(), webhooks=(Webhook(url=receiver.url, event="job.Progress"),))
        office.complete(job_id)
        until(lambda: remembered(policies))
        is_told(office, job_id, 1)
        office.cancel(job_id)
        until(lambda: not remembered(policies))


def test_of_courses_that_are_too_large_together_those_that_rested_longest_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(course, "MOST_BYTES", 100)
    lanes = [Lane(uuid4(), number, "host") for number in range(3)]
    kept = [Course() for _ in lanes]
    courses = Courses()
    for lane, each in zip(lanes, kept, strict=True):
        each.size = 50
        courses.keep(lane, each)
    assert [courses.take(lane) is each for lane, each in zip(lanes, kept, strict=True)] == [False, True, True]


def test_one_course_is_kept_however_large_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(course, "MOST_BYTES", 100)
    lane, large, courses = Lane(uuid4(), 0, "host"), Course(), Courses()
    large.size = 1000
    courses.keep(lane, large)
    assert courses.take(lane) is large
