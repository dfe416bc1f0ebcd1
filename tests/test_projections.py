"""What the read models show of the events."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import msgspec
import pytest
from eventsourcing.persistence import IntegrityError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from domain.definition import JobDefinition, TaskDefinition
from domain.event import Recorded
from domain.job import JobEvent, JobSubmitted
from projections import document, rebuild, search, views
from projections.store import Store
from tests import controls as c


def recorded(events: Sequence[JobEvent], after: int = 0, job: UUID = c.JOB) -> list[Recorded]:
    return [Recorded(job, number, event, c.NOON, c.CLIENT, number + after) for number, event in enumerate(events, 1)]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = views.open_store(tmp_path / "views-1.db")
    yield opened
    opened.close()


@pytest.fixture
def reader(store: Store) -> Iterator[sqlite3.Connection]:
    connection = views.connect(store.path)
    yield connection
    connection.close()


def detail(reader: sqlite3.Connection, job: UUID = c.JOB) -> Any:
    found = document.find(reader, job.hex)
    return found and msgspec.json.decode(found)


AT = "2026-11-24T12:00:00.000001Z"


def test_a_submitted_job_is_shown_with_its_tasks_as_written(store: Store, reader: sqlite3.Connection) -> None:
    store.apply(recorded([c.SUBMITTED, c.SCHEDULED_1]))
    assert detail(reader) == {
        "id": c.JOB.hex,
        "name": "two steps",
        "description": "a nightly run",
        "tags": ["red", "blue"],
        "state": "PENDING",
        "createdAt": AT,
        "position": 0,
        "taskCount": 2,
        "tasks": [
            {"name": "first", "image": "busybox:stable", "run": "echo one"},
            {"name": "second", "image": "busybox:stable", "queue": "slow", "cmd": ["echo", "two"]},
        ],
        "execution": [
            {
                "id": c.ATTEMPT_1.hex,
                "jobId": c.JOB.hex,
                "position": 1,
                "state": "SCHEDULED",
                "createdAt": AT,
                "scheduledAt": AT,
                "name": "first",
                "image": "busybox:stable",
                "run": "echo one",
                "queue": "default",
            }
        ],
    }


@pytest.mark.parametrize(
    ("history", "state", "position"),
    [
        ((c.SUBMITTED, c.SCHEDULED_1), "PENDING", 0),
        ((c.SUBMITTED, c.SCHEDULED_1, c.CLAIMED_1), "SCHEDULED", 1),
        (c.RUNNING_1, "RUNNING", 1),
        ((*c.RUNNING_1, c.COMPLETED_1, c.SCHEDULED_2), "RUNNING", 2),
        ((*c.RUNNING_2, c.COMPLETED_2, c.JOB_COMPLETED), "COMPLETED", 3),
        ((*c.RUNNING_2, c.FAILED_2, c.JOB_FAILED), "FAILED", 2),
        ((c.SUBMITTED, c.SCHEDULED_1, c.CANCELLED), "CANCELLED", 0),
        ((c.SUBMITTED, c.SCHEDULED_1, c.CANCELLED, c.RESTARTED, c.SCHEDULED_1B), "PENDING", 0),
        ((*c.RUNNING_1, c.CANCELLED, c.STOPPED_1, c.RESTARTED, c.SCHEDULED_1B), "RUNNING", 1),
    ],
)
def test_the_state_follows_the_events(
    store: Store, reader: sqlite3.Connection, history: tuple[JobEvent, ...], state: str, position: int
) -> None:
    store.apply(recorded(history))
    shown = detail(reader)
    assert (shown["state"], shown["position"]) == (state, position)


def test_a_failed_job_shows_why(store: Store, reader: sqlite3.Connection) -> None:
    store.apply(recorded([*c.RUNNING_1, c.FAILED_1, c.JOB_FAILED]))
    shown = detail(reader)
    assert shown["error"] == shown["execution"][0]["error"] == "exit code 3: no"
    assert shown["failedAt"] == AT
    assert "completedAt" not in shown


def test_a_restart_keeps_earlier_attempts_and_takes_the_error_away(store: Store, reader: sqlite3.Connection) -> None:
    store.apply(recorded([*c.RUNNING_1, c.FAILED_1, c.JOB_FAILED, c.RESTARTED, c.SCHEDULED_1B]))
    shown = detail(reader)
    assert [(run["id"], run["state"]) for run in shown["execution"]] == [
        (c.ATTEMPT_1.hex, "FAILED"),
        (c.ATTEMPT_1B.hex, "SCHEDULED"),
    ]
    assert "error" not in shown
    assert "failedAt" not in shown


def test_a_completed_attempt_shows_its_times_its_runner_and_its_result(
    store: Store, reader: sqlite3.Connection
) -> None:
    store.apply(recorded([*c.RUNNING_1, c.COMPLETED_1]))
    run = detail(reader)["execution"][0]
    assert run["state"] == "COMPLETED"
    assert run["nodeId"] == c.RUNNER.hex
    assert run["result"] == "one"
    assert {run[each] for each in ("createdAt", "scheduledAt", "startedAt", "completedAt")} == {AT}


def test_a_cancelled_attempt_has_an_end(store: Store, reader: sqlite3.Connection) -> None:
    store.apply(recorded([*c.RUNNING_1, c.CANCELLED]))
    shown = detail(reader)
    assert shown["cancelledAt"] == shown["execution"][0]["cancelledAt"] == AT


def test_an_attempt_that_never_ran_says_so(store: Store, reader: sqlite3.Connection) -> None:
    store.apply(recorded([c.SUBMITTED, c.SCHEDULED_1, c.CLAIMED_1, c.INTENDED_1, c.LOST_1, c.SCHEDULED_1B]))
    assert [run["state"] for run in detail(reader)["execution"]] == ["FAILED", "SCHEDULED"]


def test_a_cancel_does_not_touch_the_attempt_that_a_restart_in_the_same_batch_scheduled(
    store: Store, reader: sqlite3.Connection
) -> None:
    store.apply(recorded([*c.RUNNING_1, c.CANCELLED, c.RESTARTED, c.SCHEDULED_1B]))
    assert [run["state"] for run in detail(reader)["execution"]] == ["CANCELLED", "SCHEDULED"]


def test_rows_and_position_move_together_or_not_at_all(store: Store, reader: sqlite3.Connection) -> None:
    store.apply(recorded([c.SUBMITTED]))
    with pytest.raises(IntegrityError):
        store.apply([*recorded([c.SCHEDULED_1], after=1), *recorded([c.SUBMITTED], after=2)])
    assert store.position == 1
    assert detail(reader)["execution"] == []
    reopened = views.open_store(store.path)
    assert reopened.position == 1
    reopened.close()


def test_an_event_is_not_applied_twice(store: Store) -> None:
    store.apply(recorded([c.SUBMITTED]))
    with pytest.raises(Exception, match="Failed to record tracking"):
        store.apply(recorded([c.SUBMITTED]))


def test_an_unknown_job_is_not_found(reader: sqlite3.Connection) -> None:
    assert document.find(reader, "nope") is None
    assert document.job_of(reader, "nope") is None
    assert not document.exists(reader, "nope")


JOBS = {
    "backup": JobDefinition(
        name="Nightly Backups", tags=("prod", "db"), tasks=(TaskDefinition(name="dump table", image="a"),)
    ),
    "report": JobDefinition(
        name="report",
        description="sends the jobs' figures",
        tags=("prod",),
        tasks=(TaskDefinition(name="x", image="a"),),
    ),
    "failing": JobDefinition(name="c++ build", tags=("ci",), tasks=(TaskDefinition(name="compile", image="a"),)),
}


@pytest.fixture
def three(store: Store, reader: sqlite3.Connection) -> sqlite3.Connection:
    """Three jobs, the last of which is CANCELLED."""
    for number, definition in enumerate(JOBS.values()):
        job = UUID(int=number + 1)
        store.apply(recorded([JobSubmitted(at=c.NOON, job=job, definition=definition)], number, job))
    store.apply(recorded([c.CANCELLED], 3, UUID(int=3)))
    return reader


def names(reader: sqlite3.Connection, query: str) -> list[str]:
    items = search.search(reader, search.parse(query), 1, 20)
    assert search.count(reader, search.parse(query)) == len(items)
    return [msgspec.json.decode(item)["name"] for item in items]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("backup", ["Nightly Backups"]),
        ("BACKUPS nightly", ["Nightly Backups"]),
        ("job", ["report"]),
        ("figure", ["report"]),
        ("dumps tables", ["Nightly Backups"]),
        ("prod", ["report", "Nightly Backups"]),
        ("prod dump", ["Nightly Backups"]),
        ("backup report", []),
        ("cancelled", ["c++ build"]),
        ("cancel", ["c++ build"]),
        ("build cancelled", ["c++ build"]),
        ("report cancelled", []),
        ("pending", ["report", "Nightly Backups"]),
        ("pending backup", ["Nightly Backups"]),
        ("(pending) 'backup'", ["Nightly Backups"]),
        ('"cancelled"', ["c++ build"]),
        ("tag:prod", ["report", "Nightly Backups"]),
        ("tag:pro", []),
        ("tags:ci,db", ["c++ build", "Nightly Backups"]),
        ("tag:ci tag:db", ["c++ build", "Nightly Backups"]),
        ("tag:prod nightly", ["Nightly Backups"]),
        ("tag:prod pending", ["report", "Nightly Backups"]),
        ("tag:ci pending", []),
        ("c++", ["c++ build"]),
        ("% & !", []),
        ("nightly %", ["Nightly Backups"]),
        ("report's", []),
    ],
)
def test_a_query_finds_the_jobs_in_which_every_word_is(three: sqlite3.Connection, query: str, found: list[str]) -> None:
    assert names(three, query) == found


OPERATORS = st.sampled_from(
    ['"', "*", "(", ")", "NEAR(a b)", "OR", "AND NOT", "^a", "name:", "tag:", "tags:,", "-", "+"]
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(words=st.lists(st.one_of(st.text(max_size=12), OPERATORS), max_size=8))
def test_whatever_is_typed_is_no_error(three: sqlite3.Connection, words: list[str]) -> None:
    query = " ".join(words).encode("utf-8", "ignore").decode()
    items = search.search(three, search.parse(query), 1, 20)
    assert search.count(three, search.parse(query)) == len(items)


def test_pages_are_newest_first_and_disjoint(store: Store, reader: sqlite3.Connection) -> None:
    jobs = [uuid4() for _ in range(25)]
    for number, job in enumerate(jobs):
        event = JobSubmitted(at=c.NOON, job=job, definition=c.DEFINITION)
        store.apply(recorded([event], number, job))
    seen = [msgspec.json.decode(item)["id"] for page in (1, 2, 3) for item in search.newest(reader, page, 10).items]
    assert seen == [job.hex for job in reversed(jobs)]
    assert search.newest(reader, 4, 10) == ([], 25)


def history(number: int) -> list[JobEvent]:
    endings = [
        [c.COMPLETED_1, c.SCHEDULED_2, c.CLAIMED_2, c.INTENDED_2, c.STARTED_2, c.COMPLETED_2, c.JOB_COMPLETED],
        [c.FAILED_1, c.JOB_FAILED, c.RESTARTED, c.SCHEDULED_1B],
        [c.CANCELLED, c.STOPPED_1],
    ]
    return [*c.RUNNING_1, *endings[number % 3]]


def test_rebuilt_in_one_go_equals_built_event_by_event(tmp_path: Path) -> None:
    events = recorded(history(0))
    one, other = views.open_store(tmp_path / "views-1.db"), views.open_store(tmp_path / "views-2.db")
    for event in events:
        one.apply([event])
    other.unguarded()
    assert list(rebuild.build(other, [events])) == [len(events)]
    other.sealed()
    with rebuild.snapshot(one.path) as left, rebuild.snapshot(other.path) as right:
        assert rebuild.difference(left, right) is None
        assert left.digest() == right.digest()
        assert left.position == right.position == len(events)
    one.close()
    other.close()


@pytest.mark.parametrize(
    ("change", "table"),
    [
        ("UPDATE jobs SET name = 'another'", "jobs"),
        ("DELETE FROM job_tags WHERE tag = 'red'", "job_tags"),
        ("UPDATE attempts SET result = 'two'", "attempts"),
        ("UPDATE details SET tasks = '[]'", "details"),
        ("INSERT INTO jobs_fts (rowid, name) VALUES (9, 'ghost')", "jobs_fts"),
    ],
)
def test_a_difference_in_any_table_is_found_and_named(tmp_path: Path, change: str, table: str) -> None:
    one, other = views.open_store(tmp_path / "views-1.db"), views.open_store(tmp_path / "views-2.db")
    for store in (one, other):
        store.apply(recorded(history(0)))
        store.close()
    with sqlite3.connect(other.path) as connection:
        connection.execute(change)
    connection.close()
    with rebuild.snapshot(one.path) as left, rebuild.snapshot(other.path) as right:
        found = rebuild.difference(left, right)
        assert left.digest() != right.digest()
    assert found is not None
    assert found.table == table


def test_a_file_takes_the_place_of_another_in_one_step(tmp_path: Path) -> None:
    first = views.prepare(tmp_path)
    assert first.name == "views-1.db"
    views.open_store(first).close()
    second = views.following(tmp_path)
    views.open_store(second).close()
    views.publish(tmp_path, second)
    assert views.current(tmp_path) == views.prepare(tmp_path) == second
    views.sweep(tmp_path)
    assert [path.name for path in tmp_path.glob("*.db")] == ["views-2.db"]


def test_a_rebuild_never_writes_into_the_file_in_use_even_if_that_was_deleted(tmp_path: Path) -> None:
    live = views.prepare(tmp_path)
    assert not live.exists()
    assert views.following(tmp_path).name == "views-2.db"


def test_files_of_other_names_are_left_alone(tmp_path: Path) -> None:
    views.open_store(views.prepare(tmp_path)).close()
    (tmp_path / "views-copy.db").touch()
    views.sweep(tmp_path)
    assert (tmp_path / "views-copy.db").exists()
    assert views.following(tmp_path).name == "views-2.db"
