"""What a runner sees of the log: what waits, and what it holds."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import msgspec
import pytest

from domain.event import Recorded
from domain.job import TaskScheduled
from projections import queue, views
from projections.queue import Claim, Place
from projections.store import Store
from tests import controls as c

DEFAULT = ("default",)
FIRST = Place(position=2, attempt=c.ATTEMPT_1, job=c.JOB, version=2)
HELD = (Place(position=3, attempt=c.ATTEMPT_1, job=c.JOB, version=3), Claim(c.EPOCH, 3, c.NOON))
CLAIMED = (c.SUBMITTED, c.SCHEDULED_1, c.CLAIMED_1)


def recorded(events: Sequence[Any], after: int = 0, job: UUID = c.JOB) -> list[Recorded]:
    """Place events at the beginning of a stream, and in the log after a position; leave out what does not matter."""
    placed = [Recorded(job, number, event, c.NOON, c.CLIENT, number + after) for number, event in enumerate(events, 1)]
    return [each for each in placed if type(each.event).__name__ in queue.TOPICS]


def scheduled(position: int, name: str) -> Recorded:
    task = msgspec.structs.replace(c.QUEUED_FIRST, queue=name)
    event = TaskScheduled(at=c.NOON, attempt=uuid4(), position=1, number=1, task=task)
    return Recorded(uuid4(), 2, event, c.NOON, c.CLIENT, position)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store(tmp_path / "queue.db", [queue])
    yield opened
    opened.close()


@pytest.fixture
def reader(store: Store) -> Iterator[sqlite3.Connection]:
    connection = views.connect(store.path)
    yield connection
    connection.close()


def waiting(reader: sqlite3.Connection, queues: Sequence[str] = DEFAULT) -> list[Place]:
    found: list[Place] = []
    while place := queue.following(reader, queues, found[-1].position if found else 0):
        found.append(place)
    return found


def held(reader: sqlite3.Connection) -> list[UUID]:
    return [place.attempt for place, _ in queue.held(reader, c.RUNNER)]


def test_a_scheduled_attempt_waits_in_its_queue(store: Store, reader: sqlite3.Connection) -> None:
    store.apply(recorded([c.SUBMITTED, c.SCHEDULED_1]))
    assert waiting(reader) == [FIRST]
    assert waiting(reader, ("slow",)) == []


def test_attempts_come_in_the_order_of_the_log_whatever_their_queue(store: Store, reader: sqlite3.Connection) -> None:
    events = [scheduled(position, name) for position, name in enumerate(("a", "b", "c", "a"), 1)]
    store.apply(events)
    assert [place.position for place in waiting(reader, ("b", "a"))] == [1, 2, 4]


def test_a_claimed_attempt_waits_no_more_and_is_held(store: Store, reader: sqlite3.Connection) -> None:
    store.apply(recorded(CLAIMED))
    assert waiting(reader) == []
    assert list(queue.held(reader, c.RUNNER)) == [HELD]
    assert list(queue.held(reader, uuid4())) == []


def test_an_adopted_attempt_keeps_its_claim(store: Store, reader: sqlite3.Connection) -> None:
    store.apply(recorded([*CLAIMED, c.ADOPTED_1]))
    assert list(queue.held(reader, c.RUNNER)) == [HELD]


@pytest.mark.parametrize("end", [c.COMPLETED_1, c.FAILED_1, c.LOST_1], ids=lambda event: type(event).__name__)
def test_an_ended_attempt_is_held_no_more(store: Store, reader: sqlite3.Connection, end: Any) -> None:
    store.apply(recorded([*CLAIMED, end]))
    assert held(reader) == []


def test_a_cancelled_attempt_is_held_until_its_container_is_gone(store: Store, reader: sqlite3.Connection) -> None:
    store.apply(recorded([*CLAIMED, c.CANCELLED]))
    assert held(reader) == [c.ATTEMPT_1]
    store.apply(recorded([*CLAIMED, c.CANCELLED, c.STOPPED_1])[-1:])
    assert held(reader) == []


def test_an_attempt_of_a_cancelled_job_waits_no_more(store: Store, reader: sqlite3.Connection) -> None:
    store.apply(recorded([c.SUBMITTED, c.SCHEDULED_1, c.CANCELLED]))
    assert waiting(reader) == []


def test_a_restart_in_the_same_batch_as_the_cancel_waits(store: Store, reader: sqlite3.Connection) -> None:
    store.apply(recorded([c.SUBMITTED, c.SCHEDULED_1, c.CANCELLED, c.RESTARTED, c.SCHEDULED_1B]))
    assert [place.attempt for place in waiting(reader)] == [c.ATTEMPT_1B]


def test_the_next_task_waits_when_the_one_before_is_done(store: Store, reader: sqlite3.Connection) -> None:
    store.apply(recorded([*c.RUNNING_1, c.COMPLETED_1, c.SCHEDULED_2]))
    assert [place.attempt for place in waiting(reader, ("slow",))] == [c.ATTEMPT_2]


def test_what_waits_for_other_runners_does_not_concern_this_one() -> None:
    ours, other = scheduled(1, "default"), scheduled(2, "parked")
    assert [each for each in (ours, other) if queue.concerns(each, DEFAULT)] == [ours]
    assert all(queue.concerns(each, ()) for each in recorded([c.CLAIMED_1, c.CANCELLED, c.COMPLETED_1]))


def test_events_that_come_twice_change_nothing(store: Store, reader: sqlite3.Connection) -> None:
    with store._datastore.transaction(commit=True) as cursor:
        for _ in range(2):
            queue.apply(cursor.sqlite_cursor, recorded([*CLAIMED, c.COMPLETED_1, c.SCHEDULED_2]))
    assert held(reader) == []
    assert [place.attempt for place in waiting(reader, ("default", "slow"))] == [c.ATTEMPT_2]


def test_many_that_wait_elsewhere_do_not_slow_the_next(store: Store, reader: sqlite3.Connection) -> None:
    for start in range(1, 20_001, 5_000):
        store.apply([scheduled(position, "parked") for position in range(start, start + 5_000)])
    store.apply([scheduled(20_001, "default")])
    began = time.perf_counter()
    for _ in range(100):
        assert queue.following(reader, ("default", "other"), 0)
    assert time.perf_counter() - began < 0.5
    (plan,) = reader.execute(f"EXPLAIN QUERY PLAN {queue.NEXT}", ("default", 0)).fetchall()
    assert "USING INDEX" in plan[3]
    assert "queue=? AND position>?" in plan[3]
