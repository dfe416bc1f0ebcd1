"""What a runner sees of the log: what waits, and what it holds."""

from __future__ import annotations

import itertools
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_OID, UUID, uuid4, uuid5

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
HELD = (Place(position=3, attempt=c.ATTEMPT_1, job=c.JOB, version=2), Claim(c.EPOCH, 3, c.NOON))
CLAIMED = (c.SUBMITTED, c.SCHEDULED_1, c.CLAIMED_1)


def recorded(events: Sequence[Any], after: int = 0, job: UUID = c.JOB) -> list[Recorded]:
    """Place events at the beginning of a stream, and in the log after a position; leave out what does not matter."""
    placed = [Recorded(job, number, event, c.NOON, c.CLIENT, number + after) for number, event in enumerate(events, 1)]
    return [each for each in placed if type(each.event).__name__ in queue.TOPICS]


def scheduled(position: int, name: str = "default", job: UUID | None = None, **given: Any) -> Recorded:
    """Schedule an attempt: of a job of its own, unless one is named."""
    task = msgspec.structs.replace(c.QUEUED_FIRST, queue=name, priority=given.pop("priority", None))
    event = TaskScheduled(at=c.NOON, attempt=UUID(int=position), position=1, number=1, task=task, **given)
    return Recorded(job or uuid4(), 2, event, c.NOON, c.CLIENT, position)


def claimed(position: int, waiting: Recorded, at: datetime = c.NOON) -> Recorded:
    """Let a runner take an attempt."""
    event = msgspec.structs.replace(c.CLAIMED_1, attempt=waiting.event.attempt)
    return Recorded(waiting.originator_id, 3, event, at, c.CLIENT, position)


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


def waiting(reader: sqlite3.Connection, queues: Sequence[str] = DEFAULT, now: datetime = c.NOON) -> list[Place]:
    return queue.candidates(reader, queues, now, 1_000)


def order(reader: sqlite3.Connection, limit: int = 1_000, now: datetime = c.NOON) -> list[int]:
    """Name by their places in the log the attempts that a runner would take, the best first."""
    return [place.position for place in queue.candidates(reader, DEFAULT, now, limit)]


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


def test_an_attempt_that_was_claimed_from_another_queue_is_held_without_the_number_of_its_event(
    store: Store, reader: sqlite3.Connection
) -> None:
    store.apply(recorded(CLAIMED)[1:])
    ((place, _),) = queue.held(reader, c.RUNNER)
    assert (place.attempt, place.version) == (c.ATTEMPT_1, 0)


@pytest.mark.parametrize("end", [c.CANCELLED, c.JOB_FAILED], ids=lambda event: type(event).__name__)
def test_an_attempt_of_a_job_that_is_over_waits_no_more(store: Store, reader: sqlite3.Connection, end: Any) -> None:
    store.apply(recorded([c.SUBMITTED, c.SCHEDULED_1, end]))
    assert waiting(reader) == []


@pytest.mark.parametrize("end", [c.CANCELLED, c.JOB_FAILED], ids=lambda event: type(event).__name__)
def test_a_restart_in_the_same_batch_as_the_end_waits(store: Store, reader: sqlite3.Connection, end: Any) -> None:
    store.apply(recorded([c.SUBMITTED, c.SCHEDULED_1, end, c.RESTARTED, c.SCHEDULED_1B]))
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


LATER = c.NOON + timedelta(minutes=1)
ONE, OTHER = UUID(int=101), UUID(int=102)


def test_jobs_of_one_task_go_in_the_order_in_which_they_came(store: Store, reader: sqlite3.Connection) -> None:
    store.apply([scheduled(position) for position in range(1, 4)])
    store.apply([claimed(4, scheduled(1)), scheduled(5), scheduled(6)])
    assert order(reader) == [2, 3, 5, 6]


def test_a_job_of_many_tasks_does_not_hold_up_others(store: Store, reader: sqlite3.Connection) -> None:
    store.apply([scheduled(position, job=ONE) for position in range(1, 1_001)])
    store.apply([scheduled(1_001, job=OTHER), scheduled(1_002), scheduled(1_003, job=OTHER)])
    assert order(reader, 6) == [1, 1_001, 1_002, 2, 1_003, 3]


def test_jobs_of_many_tasks_take_turns(store: Store, reader: sqlite3.Connection) -> None:
    many = [scheduled(position, job=ONE) for position in range(1, 101)]
    store.apply([*many, *[claimed(200 + number, many[number]) for number in range(50)]])
    store.apply([scheduled(position, job=OTHER) for position in range(300, 400)])
    assert order(reader, 6) == [51, 300, 52, 301, 53, 302]


def test_nobody_starves_however_many_come(store: Store, reader: sqlite3.Connection) -> None:
    store.apply([scheduled(1, job=ONE), scheduled(2, job=ONE), scheduled(3, job=ONE)])
    for position in range(10, 200, 10):
        store.apply([scheduled(position)])
        best = order(reader, 1)[0]
        store.apply([claimed(position + 1, scheduled(best))])
    assert not {1, 2, 3} & set(order(reader))


def test_the_turn_goes_on_after_a_start(store: Store, reader: sqlite3.Connection) -> None:
    many = [scheduled(position, job=ONE) for position in range(1, 11)]
    store.apply([*many, *[claimed(20 + number, many[number]) for number in range(5)]])
    with closing(Store(store.path, [queue])) as opened:
        opened.apply([scheduled(30, job=OTHER), scheduled(31, job=OTHER)])
    assert order(reader, 4) == [6, 30, 7, 31]


def test_a_higher_priority_goes_first_whoever_has_the_turn(store: Store, reader: sqlite3.Connection) -> None:
    store.apply([scheduled(1), scheduled(2, priority=1), scheduled(3, priority=9), scheduled(4, priority=0)])
    store.apply([scheduled(5, priority=9, due=c.NOON)])
    assert order(reader) == [3, 5, 2, 1, 4]


def test_the_best_of_all_queues_come_first(store: Store, reader: sqlite3.Connection) -> None:
    store.apply([scheduled(1, "a"), scheduled(2, "b"), scheduled(3, "c", priority=9), scheduled(4, "a", priority=1)])
    assert [place.position for place in queue.candidates(reader, ("b", "a"), c.NOON, 2)] == [4, 1]


def test_what_has_a_time_waits_for_it(store: Store, reader: sqlite3.Connection) -> None:
    store.apply([scheduled(1, due=LATER), scheduled(2)])
    assert order(reader) == [2]
    assert queue.next_due(reader, DEFAULT, c.NOON) == LATER
    assert order(reader, now=LATER) == [1, 2]
    assert queue.next_due(reader, DEFAULT, LATER) is None


def test_the_next_time_is_that_of_ones_own_queues(store: Store, reader: sqlite3.Connection) -> None:
    sooner = c.NOON + timedelta(seconds=1)
    store.apply([scheduled(1, "other", due=sooner), scheduled(2, due=LATER), scheduled(3, "more", due=LATER)])
    assert queue.next_due(reader, ("default", "more"), c.NOON) == LATER
    assert queue.next_due(reader, ("none",), c.NOON) is None


def test_what_has_become_due_goes_by_its_turn_and_not_by_its_time(store: Store, reader: sqlite3.Connection) -> None:
    first, second = (c.NOON + timedelta(seconds=seconds) for seconds in (1, 2))
    store.apply([scheduled(position, job=ONE, due=first) for position in range(1, 4)])
    store.apply([scheduled(4, job=OTHER, due=second), claimed(5, scheduled(99), LATER)])
    assert order(reader, now=LATER) == [1, 4, 2, 3]


def test_a_clock_that_is_ahead_elsewhere_lets_nothing_go_before_its_time(
    store: Store, reader: sqlite3.Connection
) -> None:
    store.apply([scheduled(1, due=LATER), claimed(2, scheduled(99), LATER)])
    assert order(reader) == []
    assert queue.next_due(reader, DEFAULT, c.NOON) == LATER
    assert order(reader, now=LATER) == [1]


@pytest.fixture
def crowded(store: Store, reader: sqlite3.Connection) -> sqlite3.Connection:
    """Let many wait: for others, for one's own runner, and for a time that has come or not."""
    kinds: list[dict[str, Any]] = [{"name": "parked"}, {"job": ONE}, {}, {"due": LATER}, {"due": c.NOON}]
    for number in range(5):
        start = 5_000 * number + 1
        store.apply([scheduled(position, **kinds[number]) for position in range(start, start + 5_000)])
    return reader


def steps(reader: sqlite3.Connection, look: Callable[[], object]) -> int:
    """Count the steps of SQLite's machine, by the hundred."""
    ticks = itertools.count()
    reader.set_progress_handler(lambda: next(ticks) < 0, 100)
    look()
    reader.set_progress_handler(None, 0)
    return next(ticks)


def test_many_that_wait_do_not_slow_the_next(crowded: sqlite3.Connection) -> None:
    assert len(order(crowded, 4)) == 4
    assert steps(crowded, lambda: queue.candidates(crowded, ("default", "other"), c.NOON, 4)) < 10
    assert steps(crowded, lambda: queue.next_due(crowded, ("default", "other"), c.NOON)) < 5


def test_many_that_become_due_at_once_do_not_slow_the_next(crowded: sqlite3.Connection) -> None:
    looked_at = steps(crowded, lambda: queue.candidates(crowded, DEFAULT, LATER, 4))
    assert looked_at < 50 * queue.RIPE / 100


def test_many_that_wait_do_not_slow_what_happens_to_one(crowded: sqlite3.Connection, store: Store) -> None:
    with store._datastore.transaction(commit=True) as cursor:
        writer = cursor.sqlite_cursor.connection
    assert steps(writer, lambda: store.apply([claimed(30_000, scheduled(5_001, job=ONE))])) < 10
    assert steps(writer, lambda: store.apply([scheduled(30_001, job=ONE)])) < 10
    assert order(crowded, 1) != [5_001]


def test_a_view_of_another_layout_or_of_other_queues_has_another_name(monkeypatch: pytest.MonkeyPatch) -> None:
    ours = queue.file_name(("b", "a"))
    assert ours == queue.file_name(("a", "b"))
    assert ours != queue.file_name(("a",))
    monkeypatch.setattr(queue, "LAYOUT", 1)
    assert ours != queue.file_name(("a", "b"))


def test_a_view_of_the_first_layout_is_not_taken_up(tmp_path: Path) -> None:
    """Its name was made of the queues alone."""
    (tmp_path / f"queue-{uuid5(NAMESPACE_OID, 'default').hex}.db").touch()
    assert not (tmp_path / queue.file_name(DEFAULT)).exists()
