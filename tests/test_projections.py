"""What the read models show of the events."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from itertools import count
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import msgspec
import pytest
from eventsourcing.persistence import IntegrityError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlite_utils import Database

from domain.definition import (
    AutoDelete,
    AuxiliaryTask,
    Defaults,
    JobDefinition,
    Mount,
    Registry,
    Retry,
    Subjob,
    TaskDefinition,
    Webhook,
)
from domain.job import (
    Cancel,
    Delete,
    JobCompleted,
    JobDeleted,
    JobEvent,
    JobSubmitted,
    Lose,
    Parent,
    Progress,
    Restart,
    SubjobStarted,
    TaskScheduled,
    attempt_id,
)
from domain.secrets import SECRET
from projections import document, jobs, rebuild, search, veil, views, wire
from projections.store import Store
from tests import controls as c
from tests.composites import (
    LAST,
    MAYBE,
    NEVER,
    PAIR,
    STORIES,
    STUBBORN,
    hidden,
    kept,
    loop,
    mother,
    nested,
    placed,
    restarted,
    tried,
)
from tests.story import Story, task


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
    store.apply(placed([c.SUBMITTED, c.SCHEDULED_1]))
    assert detail(reader) == {
        "id": c.JOB.hex,
        "name": "two steps",
        "description": "a nightly run",
        "tags": ["red", "blue"],
        "state": "PENDING",
        "createdAt": AT,
        "position": 0,
        "taskCount": 2,
        "context": {"job": {"id": c.JOB.hex, "name": "two steps"}},
        "tasks": [
            {"name": "first", "image": "busybox:stable", "run": "echo one"},
            {"name": "second", "image": "busybox:stable", "queue": "slow", "cmd": ["echo", "two"]},
        ],
        "execution": [
            {
                "id": c.ATTEMPT_1.hex,
                "jobId": c.JOB.hex,
                "position": 1,
                "path": "1",
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
    store.apply(placed(history))
    shown = detail(reader)
    assert (shown["state"], shown["position"]) == (state, position)


def test_a_failed_job_shows_why(store: Store, reader: sqlite3.Connection) -> None:
    store.apply(placed([*c.RUNNING_1, c.FAILED_1, c.JOB_FAILED]))
    shown = detail(reader)
    assert shown["error"] == shown["execution"][0]["error"] == "exit code 3: no"
    assert shown["failedAt"] == AT
    assert "completedAt" not in shown


def test_a_restart_keeps_earlier_attempts_and_takes_the_error_away(store: Store, reader: sqlite3.Connection) -> None:
    store.apply(placed([*c.RUNNING_1, c.FAILED_1, c.JOB_FAILED, c.RESTARTED, c.SCHEDULED_1B]))
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
    store.apply(placed([*c.RUNNING_1, c.COMPLETED_1]))
    run = detail(reader)["execution"][0]
    assert run["state"] == "COMPLETED"
    assert run["nodeId"] == c.RUNNER.hex
    assert run["result"] == "one"
    assert {run[each] for each in ("createdAt", "scheduledAt", "startedAt", "completedAt")} == {AT}


def test_a_cancelled_attempt_has_an_end(store: Store, reader: sqlite3.Connection) -> None:
    store.apply(placed([*c.RUNNING_1, c.CANCELLED]))
    shown = detail(reader)
    assert shown["cancelledAt"] == shown["execution"][0]["cancelledAt"] == AT


def test_an_attempt_that_never_ran_says_so(store: Store, reader: sqlite3.Connection) -> None:
    store.apply(placed([c.SUBMITTED, c.SCHEDULED_1, c.CLAIMED_1, c.INTENDED_1, c.LOST_1, c.SCHEDULED_1B]))
    assert [run["state"] for run in detail(reader)["execution"]] == ["FAILED", "SCHEDULED"]


def test_a_cancel_does_not_touch_the_attempt_that_a_restart_in_the_same_batch_scheduled(
    store: Store, reader: sqlite3.Connection
) -> None:
    store.apply(placed([*c.RUNNING_1, c.CANCELLED, c.RESTARTED, c.SCHEDULED_1B]))
    assert [run["state"] for run in detail(reader)["execution"]] == ["CANCELLED", "SCHEDULED"]


def test_rows_and_position_move_together_or_not_at_all(store: Store, reader: sqlite3.Connection) -> None:
    store.apply(placed([c.SUBMITTED]))
    with pytest.raises(IntegrityError):
        store.apply([*placed([c.SCHEDULED_1], after=1), *placed([c.SUBMITTED], after=2)])
    assert store.position == 1
    assert detail(reader)["execution"] == []
    reopened = views.open_store(store.path)
    assert reopened.position == 1
    reopened.close()


def test_an_event_is_not_applied_twice(store: Store) -> None:
    store.apply(placed([c.SUBMITTED]))
    with pytest.raises(Exception, match="Failed to record tracking"):
        store.apply(placed([c.SUBMITTED]))


def test_an_unknown_job_is_not_found(reader: sqlite3.Connection) -> None:
    assert document.find(reader, "nope") is None
    assert document.job_of(reader, "nope") is None
    assert document.state(reader, "nope") is None


def runs(reader: sqlite3.Connection) -> list[tuple[str, str]]:
    """Return the way to each attempt, and its state, in the order in which they are shown."""
    return [(run["path"], run["state"]) for run in detail(reader)["execution"]]


def show(store: Store, reader: sqlite3.Connection, events: Sequence[JobEvent]) -> Any:
    """Apply what has come since the last time, and look at the job."""
    store.apply(placed(events)[store.position :])
    return detail(reader)


def test_a_sub_job_is_shown_with_its_inputs_and_who_started_it(store: Store, reader: sqlite3.Connection) -> None:
    definition = msgspec.structs.replace(c.DEFINITION, inputs={"a": "1"})
    submitted = JobSubmitted(at=c.NOON, job=c.JOB, definition=definition, parent=Parent(UUID(int=1), UUID(int=2)))
    store.apply(placed([submitted]))
    (listed,) = search.newest(reader, 1, 10).items
    for shown in (detail(reader), msgspec.json.decode(listed)):
        assert shown["inputs"] == {"a": "1"}
        assert (shown["parentJobId"], shown["parentId"]) == (UUID(int=1).hex, UUID(int=2).hex)
    assert msgspec.json.decode(jobs.summary(submitted)) == msgspec.json.decode(listed)


def test_all_that_was_submitted_is_shown(store: Store, reader: sqlite3.Connection) -> None:
    definition = JobDefinition(
        name="full",
        tasks=(LAST,),
        output="{{ tasks.x }}",
        defaults=Defaults(timeout="5s"),
        webhooks=(Webhook(url="http://example.com", headers={"X": f"Bearer {hidden('k')}"}),),
        auto_delete=AutoDelete(after="1h"),
        secrets={"k": hidden("k")},
    )
    store.apply(placed([JobSubmitted(at=c.NOON, job=c.JOB, definition=definition)]))
    shown = detail(reader)
    assert shown["output"] == "{{ tasks.x }}"
    assert shown["defaults"] == {"timeout": "5s"}
    assert shown["webhooks"] == [{"url": "http://example.com", "headers": {"X": "Bearer [REDACTED]"}}]
    assert shown["autoDelete"] == {"after": "1h"}
    assert shown["secrets"] == shown["context"]["secrets"] == {"k": "[REDACTED]"}


def test_the_context_holds_what_expressions_see(store: Store, reader: sqlite3.Connection) -> None:
    story = Story(task("a", var="x"), LAST, inputs={"a": "1"})
    story.complete("1", "one")
    assert show(store, reader, story.events)["context"] == {
        "job": {"id": c.JOB.hex, "name": "story"},
        "inputs": {"a": "1"},
        "tasks": {"x": "one"},
    }


def test_of_two_results_under_one_name_the_later_one_is_in_the_context(
    store: Store, reader: sqlite3.Connection
) -> None:
    story = Story(loop(2, task("step", var="x")))
    story.complete("1.2", "two")
    story.complete("1.1", "one")
    shown = show(store, reader, story.events)
    assert shown["context"]["tasks"] == story.state.results == {"x": "one"}


def test_when_a_job_will_delete_itself_is_shown(store: Store, reader: sqlite3.Connection) -> None:
    store.apply(placed([c.SUBMITTED, c.SCHEDULED_1, JobCompleted(at=c.NOON, result="42", delete_at=c.NOON)]))
    shown = detail(reader)
    assert (shown["result"], shown["deleteAt"]) == ("42", AT)


TWO, THREE = (LAST, LAST), (LAST, LAST, LAST)


def steps(story: Story, *commands: str) -> Story:
    """Let things happen to a job: `complete 1.1`, `fail 2`, `50 of 1`, `start 2`, `restart`, `cancel`."""
    for command in commands:
        what, _, path = command.partition(" ")
        match what:
            case "restart":
                story.do(Restart(at=c.NOON))
            case "cancel":
                story.do(Cancel(at=c.NOON))
            case "complete" | "fail" | "start":
                getattr(story, what)(path)
            case _:
                story.report(path.removeprefix("of "), Progress, progress=float(what))
    return story


@pytest.mark.parametrize(
    ("tasks", "commands", "stand"),
    [
        (TWO, (), (0, None)),
        (TWO, ("start 1",), (1, None)),
        (TWO, ("start 1", "50 of 1"), (1, 25)),
        (THREE, ("complete 1",), (2, 33.33)),
        (THREE, ("complete 1", "start 2", "10 of 2"), (2, 36.67)),
        (THREE, ("complete 1", "complete 2", "complete 3"), (4, 100)),
        ((STUBBORN, LAST), ("start 1", "50 of 1", "fail 1"), (1, None)),
        ((LAST, STUBBORN), ("complete 1", "start 2", "50 of 2", "fail 2"), (2, 50)),
        (TWO, ("start 1", "50 of 1", "fail 1"), (1, 25)),
        (TWO, ("start 1", "50 of 1", "fail 1", "restart"), (1, None)),
        (TWO, ("complete 1", "start 2", "50 of 2", "cancel"), (2, 75)),
        (TWO, ("complete 1", "start 2", "50 of 2", "cancel", "restart"), (2, 50)),
        ((PAIR, LAST), ("start 1.1", "50 of 1.1"), (1, None)),
        ((PAIR, LAST), ("complete 1.2",), (1, 25)),
        ((PAIR, LAST), ("complete 1.2", "complete 1.1"), (2, 50)),
        ((loop(3), LAST), ("complete 1.2", "complete 1.1"), (1, 33.33)),
        ((loop(2, PAIR), LAST), ("complete 1.1.1",), (1, None)),
        ((loop(2, PAIR), LAST), ("complete 1.1.1", "complete 1.1.2"), (1, 25)),
        ((NEVER, LAST), (), (2, 50)),
        ((NEVER, LAST), ("start 2",), (2, 50)),
        ((NEVER, LAST), ("cancel", "restart"), (2, 50)),
        ((NEVER, NEVER), (), (3, 100)),
        ((loop(2, NEVER), LAST), (), (2, 50)),
        ((loop(3, MAYBE), LAST), (), (0, 16.67)),
        ((loop(3, MAYBE), LAST), ("start 1.2",), (1, 16.67)),
    ],
)
def test_position_and_progress_tell_how_far_a_job_is(
    store: Store,
    reader: sqlite3.Connection,
    tasks: tuple[TaskDefinition, ...],
    commands: tuple[str, ...],
    stand: tuple[int, float | None],
) -> None:
    story = steps(Story(*tasks), *commands)
    shown = show(store, reader, story.events)
    assert (shown["position"], shown.get("progress")) == stand
    assert shown["state"] == story.state.status


def test_a_job_whose_output_fails_stands_behind_its_last_task(store: Store, reader: sqlite3.Connection) -> None:
    story = steps(Story(LAST, LAST, output="{{ fromJSON('{') }}"), "complete 1", "complete 2")
    shown = show(store, reader, story.events)
    assert (shown["state"], shown["position"], shown["progress"]) == ("FAILED", 3, 100)


def test_a_job_whose_first_task_can_not_be_made_ready_stands_at_it(store: Store, reader: sqlite3.Connection) -> None:
    story = Story(task("{{ fromJSON('{') }}"))
    shown = show(store, reader, story.events)
    assert (shown["state"], shown["position"]) == ("FAILED", 1)
    (run,) = shown["execution"]
    assert (run["state"], run["error"], run["failedAt"]) == ("FAILED", shown["error"], AT)
    assert "scheduledAt" not in run


def test_children_come_after_the_task_around_them(store: Store, reader: sqlite3.Connection) -> None:
    shown = show(store, reader, Story(loop(2, PAIR)).events)["execution"]
    assert [run["path"] for run in shown] == ["1", "1.1", "1.1.1", "1.1.2", "1.2", "1.2.1", "1.2.2"]
    ids = {run["path"]: run["id"] for run in shown}
    assert [run.get("parentId") for run in shown[:3]] == [None, ids["1"], ids["1.1"]]
    assert {run["position"] for run in shown} == {1}


def test_children_that_can_not_begin_at_once_are_created(store: Store, reader: sqlite3.Connection) -> None:
    story = Story(loop(4, task("step {{ item.index }}", run="echo hi"), concurrency=2))
    shown = show(store, reader, story.events)["execution"]
    assert [(run["path"], run["state"]) for run in shown] == [
        ("1", "RUNNING"),
        ("1.1", "SCHEDULED"),
        ("1.2", "SCHEDULED"),
        ("1.3", "CREATED"),
        ("1.4", "CREATED"),
    ]
    assert shown[4] == {
        "id": attempt_id(story.attempt("1").id, 4, 1).hex,
        "jobId": c.JOB.hex,
        "parentId": shown[0]["id"],
        "position": 1,
        "path": "1.4",
        "state": "CREATED",
        "createdAt": AT,
        "name": "step {{ item.index }}",
        "image": "busybox:stable",
    }


def test_a_created_child_begins_in_its_place(store: Store, reader: sqlite3.Connection) -> None:
    story = Story(loop(3, task("step {{ item.index }}", var="x"), concurrency=1), at=c.NOON)
    show(store, reader, story.events)
    story.at += timedelta(seconds=1)
    story.complete("1.1")
    shown = show(store, reader, story.events)["execution"][2]
    assert (shown["path"], shown["state"], shown["name"], shown["var"]) == ("1.2", "SCHEDULED", "step 1", "x")
    assert (shown["createdAt"], shown["scheduledAt"]) == (AT, AT.replace("00.0", "01.0"))


def test_a_loop_tells_how_many_items_it_has_and_how_many_are_done(store: Store, reader: sqlite3.Connection) -> None:
    story = Story(loop(3, var="x", concurrency=2))
    each = {
        "list": "{{ sequence(0, 3) }}",
        "task": {"name": "last", "image": "busybox:stable"},
        "var": "x",
        "concurrency": 2,
        "size": 3,
    }
    assert show(store, reader, story.events)["execution"][0]["each"] == each
    story.complete("1.1")
    assert show(store, reader, story.events)["execution"][0]["each"] == each | {"completions": 1}


def test_a_parallel_task_tells_how_many_are_done(store: Store, reader: sqlite3.Connection) -> None:
    story = steps(Story(PAIR, LAST), "complete 1.2")
    first = show(store, reader, story.events)["execution"][0]
    assert first["parallel"]["completions"] == 1
    assert [each["name"] for each in first["parallel"]["tasks"]] == ["left", "right"]
    assert (first["state"], first["startedAt"]) == ("RUNNING", AT)


def test_a_task_that_started_a_job_names_it(store: Store, reader: sqlite3.Connection) -> None:
    story = mother()
    shown = show(store, reader, story.events)
    (run,) = shown["execution"]
    assert (shown["state"], shown["startedAt"], run["state"]) == ("RUNNING", AT, "RUNNING")
    assert run["subjob"]["id"] == story.last(SubjobStarted).job.hex
    assert run["subjob"]["secrets"] == {"k": "[REDACTED]"}


def test_a_skipped_task_has_its_times_and_its_condition(store: Store, reader: sqlite3.Connection) -> None:
    run = show(store, reader, Story(NEVER, LAST).events)["execution"][0]
    assert run["state"] == "SKIPPED"
    assert run["scheduledAt"] == run["startedAt"] == run["completedAt"] == AT
    assert run["if"] == NEVER.condition


def test_a_failure_inside_fails_all_around_it_and_cancels_the_rest(store: Store, reader: sqlite3.Connection) -> None:
    shown = show(store, reader, nested().events)
    assert runs(reader) == [
        ("1", "FAILED"),
        ("1.1", "COMPLETED"),
        ("1.2", "FAILED"),
        ("1.3", "CANCELLED"),
        ("1.4", "CANCELLED"),
        ("1.1.1", "COMPLETED"),
        ("1.1.2", "COMPLETED"),
        ("1.2.1", "FAILED"),
        ("1.2.2", "CANCELLED"),
        ("1.3.1", "CANCELLED"),
        ("1.3.2", "CANCELLED"),
    ]
    failed = [run for run in shown["execution"] if run["state"] == "FAILED"]
    assert {run["error"] for run in failed} == {shown["error"]} == {"exit code 3: no"}
    assert all(run["cancelledAt"] == AT for run in shown["execution"] if run["state"] == "CANCELLED")


def test_a_restart_begins_anew_below_what_was(store: Store, reader: sqlite3.Connection) -> None:
    story = restarted()
    shown = show(store, reader, story.events)
    states = {attempt.id.hex: str(attempt.status) for attempt in story.state.attempts.values()}
    assert {run["id"]: run["state"] for run in shown["execution"] if run["id"] in states} == states
    rounds = [number for number, (path, _) in enumerate(runs(reader)) if path == "1"]
    assert [runs(reader)[number][1] for number in rounds] == ["FAILED", "CANCELLED", "RUNNING"]
    assert all(state in {"RUNNING", "SCHEDULED", "CREATED"} for _, state in runs(reader)[rounds[-1] :])


def test_an_attempt_after_a_failure_tells_which_one_it_is(store: Store, reader: sqlite3.Connection) -> None:
    shown = show(store, reader, tried().events)["execution"]
    assert [run.get("retry") for run in shown] == [None, {"limit": 2}, {"limit": 2, "attempts": 1}]
    assert [run.get("progress") for run in shown] == [None, 50, None]


def test_an_attempt_that_waits_for_its_time_tells_until_when(store: Store, reader: sqlite3.Connection) -> None:
    story = Story(task("t", retry=Retry(limit=1, delay="90s")))
    story.fail("1")
    shown = show(store, reader, story.events)["execution"]
    assert [run.get("dueAt") for run in shown] == [None, AT.replace("12:00:00", "12:01:30")]


def test_an_attempt_after_one_that_was_lost_tells_until_when_it_waits(store: Store, reader: sqlite3.Connection) -> None:
    """Though it is no retry."""
    story = Story(task("t"))
    for _ in range(2):
        story.start("1")
        story.report("1", Lose, reason="never started")
    shown = show(store, reader, story.events)["execution"]
    assert [run.get("dueAt") for run in shown] == [None, None, AT.replace("00.0", "01.0")]


def test_no_placeholder_is_ever_shown(store: Store, reader: sqlite3.Connection) -> None:
    key = hidden("k")
    secretive = task("t", env={"K": "{{ secrets.k }}"}, registry=Registry(username="u", password=hidden("p")))
    webhook = Webhook(url="http://example.com", secret=hidden("w"))
    story = Story(loop(3, secretive, concurrency=1), LAST, secrets={"k": key}, webhooks=(webhook,))
    story.complete("1.1")
    store.apply(placed(story.events))
    found = document.find(reader, c.JOB.hex) or b""
    assert b"secret:" not in found
    assert b"\\u0000" not in found
    assert detail(reader)["execution"][1]["env"] == {"K": "[REDACTED]"}


GIVEN = {"DB_PASSWORD": "hunter2", "aws_secret_key": "hunter2", "S3_Access_Key_Id": "hunter2", "PASS": "shown"}
COMPUTED = "{{ inputs.PASS }}-hunter2"
SECRETIVE = task(
    "t",
    env=GIVEN,
    registry=Registry(username="u", password=COMPUTED),
    mounts=(Mount(type="volume", target="/a", opts={"password": "hunter2"}),),
    pre=(AuxiliaryTask(name="p", image="a", env=GIVEN),),
)
HOOK = Webhook(url="http://example.com", headers={"X-Secret": "hunter2"}, secret=COMPUTED)
CHILD = Subjob(name="s", tasks=(SECRETIVE,), inputs=GIVEN, secrets={"a": COMPUTED}, webhooks=(HOOK,))


def test_what_is_secret_by_its_name_is_not_shown(store: Store, reader: sqlite3.Connection) -> None:
    tasks = (task("s", subjob=CHILD), loop(2, SECRETIVE, concurrency=1), SECRETIVE, SECRETIVE)
    story = Story(*tasks, inputs=GIVEN, webhooks=(HOOK,))
    assert "shown-hunter2" in str(story.events)
    shown = show(store, reader, story.events)
    (listed,) = search.newest(reader, 1, 10).items
    assert "hunter2" not in f"{shown}{listed!r}"
    assert shown["inputs"] == shown["context"]["inputs"] == shown["tasks"][2]["env"]
    assert shown["inputs"] == dict.fromkeys(GIVEN, "[REDACTED]") | {"PASS": "shown"}
    assert shown["execution"][0]["subjob"]["secrets"] == {"a": "[REDACTED]"}
    assert shown["webhooks"][0] | {"url": ""} == {
        "url": "",
        "headers": {"X-Secret": "[REDACTED]"},
        "secret": "[REDACTED]",
    }


def test_a_password_that_an_expression_gave_is_not_shown_of_what_was_run(
    store: Store, reader: sqlite3.Connection
) -> None:
    story = Story(SECRETIVE, inputs={"PASS": "shown"})
    (run,) = show(store, reader, story.events)["execution"]
    assert story.last(TaskScheduled).task.registry == Registry(username="u", password="shown-hunter2")  # noqa: S106
    assert run["registry"] == {"username": "u", "password": "[REDACTED]"}
    assert (run["env"]["PASS"], run["mounts"][0]["opts"]) == ("shown", {"password": "[REDACTED]"})


def test_who_submits_and_who_is_told_of_a_job_has_its_inputs_whole() -> None:
    """Conditions of webhooks compare them."""
    story = Story(task(), inputs=GIVEN)
    assert msgspec.json.decode(jobs.summary(story.last(JobSubmitted)))["inputs"] == GIVEN


@pytest.mark.parametrize(
    "document", [{"run": "echo password"}, {"files": {"secret": "a", "password": "b"}}, [1, "secret"]]
)
def test_what_only_speaks_of_secrets_is_shown(document: Any) -> None:
    assert msgspec.json.decode(wire.public(document)) == document


def test_every_field_that_is_kept_as_a_secret_is_hidden_by_its_name() -> None:
    assert sorted(SECRET.values()) == sorted([*veil.FIELDS.values(), "secrets"])


def test_a_deleted_job_is_nowhere_to_be_seen(store: Store, reader: sqlite3.Connection) -> None:
    story = kept()
    store.apply(placed(story.events))
    assert names(reader, "nightly tag:red") == ["story"]
    assert all(Database(reader).table(table).count for table in EMPTIED)
    story.do(Delete(at=c.NOON))
    assert show(store, reader, story.events) is None
    assert not any(Database(reader).table(table).count for table in EMPTIED)
    assert names(reader, "nightly") == names(reader, "tag:red") == names(reader, "completed") == []
    assert search.newest(reader, 1, 10) == ([], 0)
    assert document.job_of(reader, story.attempt("1.1").id.hex) is None
    with rebuild.snapshot(store.path) as snapshot:
        assert list(snapshot.rows("jobs_fts")) == []


EMPTIED = ("jobs", "job_tags", "details", "attempts", "branches", "results")


def test_deleting_one_job_leaves_the_others_as_they_are(three: sqlite3.Connection, store: Store) -> None:
    store.apply(placed([JobDeleted(at=c.NOON)], store.position, UUID(int=2)))
    assert names(three, "tag:prod") == ["Nightly Backups"]
    assert search.newest(three, 1, 10).total == 2
    assert names(three, "figure") == []


def test_only_so_many_attempts_are_shown_at_once(store: Store, reader: sqlite3.Connection) -> None:
    store.apply(placed(Story(loop(20)).events))
    assert document.find(reader, c.JOB.hex, 21) == document.find(reader, c.JOB.hex)
    with pytest.raises(document.Long):
        document.find(reader, c.JOB.hex, 20)


@pytest.fixture
def cost(tmp_path: Path) -> Callable[[int, int], float]:
    """Tell what an event of a loop costs, in steps of SQLite's machine, which no clock disturbs."""

    def measured(size: int, rounds: int) -> float:
        story = Story(loop(size, LAST, concurrency=2))
        for _ in range(rounds):
            for place in range(1, size):
                story.complete(f"1.{place}")
            steps(story, f"fail 1.{size}", "restart")
        events, ticks = placed(story.events), count()
        store = views.open_store(tmp_path / f"views-{size}-{rounds}.db")
        with store._datastore.transaction(commit=True) as cursor:
            cursor.sqlite_cursor.connection.set_progress_handler(lambda: next(ticks) < 0, 10)
        for start in range(0, len(events), 50):
            store.apply(events[start : start + 50])
        store.close()
        return next(ticks) / len(events)

    return measured


def test_each_child_costs_the_same_however_many_there_are(cost: Callable[[int, int], float]) -> None:
    assert cost(400, 1) < 1.5 * cost(50, 1)


def test_each_child_costs_the_same_however_often_its_job_was_restarted(cost: Callable[[int, int], float]) -> None:
    assert cost(2, 400) < 1.5 * cost(2, 20)


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
        store.apply(placed([JobSubmitted(at=c.NOON, job=job, definition=definition)], number, job))
    store.apply(placed([c.CANCELLED], 3, UUID(int=3)))
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
        store.apply(placed([event], number, job))
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


HISTORIES = {"plain": lambda: history(0)} | {name: lambda make=make: make().events for name, make in STORIES.items()}


@pytest.mark.parametrize("name", HISTORIES)
def test_rebuilt_in_one_go_equals_built_event_by_event(tmp_path: Path, name: str) -> None:
    events = placed(HISTORIES[name]())
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
        ("UPDATE branches SET done = 3", "branches"),
        ("UPDATE results SET number = 0", "results"),
        ("INSERT INTO jobs_fts (rowid, name) VALUES (9, 'ghost')", "jobs_fts"),
    ],
)
def test_a_difference_in_any_table_is_found_and_named(tmp_path: Path, change: str, table: str) -> None:
    one, other = views.open_store(tmp_path / "views-1.db"), views.open_store(tmp_path / "views-2.db")
    for store in (one, other):
        store.apply(placed(kept().events))
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
    assert first.name == "views-1-layout-4.db"
    views.open_store(first).close()
    second = views.following(tmp_path)
    views.open_store(second).close()
    views.publish(tmp_path, second)
    assert views.current(tmp_path) == views.prepare(tmp_path) == second
    views.sweep(tmp_path, views.current(tmp_path))
    assert [path.name for path in tmp_path.glob("*.db")] == ["views-2-layout-4.db"]


def test_a_rebuild_never_writes_into_the_file_in_use_even_if_that_was_deleted(tmp_path: Path) -> None:
    live = views.prepare(tmp_path)
    assert not live.exists()
    assert views.following(tmp_path).name == "views-2-layout-4.db"


def test_the_file_that_is_used_stays_though_a_newer_one_is_there_already(tmp_path: Path) -> None:
    """Readers open it until its writer has looked and changed over."""
    first = views.prepare(tmp_path)
    views.open_store(first).close()
    for _ in range(2):
        used = views.following(tmp_path)
        views.open_store(used).close()
        views.publish(tmp_path, used)
    newest = views.current(tmp_path)
    used = next(path for path in tmp_path.glob("views-2-*.db"))
    views.sweep(tmp_path, used)
    assert used.exists()
    assert newest.exists()
    assert not first.exists()


def test_files_of_other_names_are_left_alone(tmp_path: Path) -> None:
    views.open_store(views.prepare(tmp_path)).close()
    (tmp_path / "views-copy.db").touch()
    views.sweep(tmp_path, views.current(tmp_path))
    assert (tmp_path / "views-copy.db").exists()
    assert views.following(tmp_path).name == "views-2-layout-4.db"
