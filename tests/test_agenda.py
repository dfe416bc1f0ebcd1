"""What is left to do, as the log tells it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import msgspec
import pytest
from eventsourcing.persistence import Notification

from app.policies.desk import Desk, Lane
from domain.definition import AutoDelete, JobDefinition, Subjob, TaskDefinition, Webhook
from domain.event import Actor, Context, Recorded
from domain.job import (
    JobCompleted,
    JobDeleted,
    JobRestarted,
    JobSubmitted,
    Parent,
    SubjobStarted,
    WebhookAttempted,
    WebhookDelivered,
    WebhookGaveUp,
)
from projections.agenda import Agenda
from projections.store import Store
from tests import controls as c

KEPT = 3600.0
CHILD = uuid4()
ATTEMPT = uuid4()
POLICY = Context(Actor("system", "policy"))
SUBTASK = TaskDefinition(name="start it", subjob=Subjob(name="inner", tasks=(c.FIRST,)))
SUBJOB = SubjobStarted(at=c.NOON, attempt=ATTEMPT, position=1, number=1, task=SUBTASK, job=CHILD)
INNER = JobSubmitted(
    at=c.NOON,
    job=CHILD,
    definition=JobDefinition(name="inner", tasks=(c.FIRST,)),
    parent=Parent(job=c.JOB, attempt=ATTEMPT),
)
HOOK = Webhook(url="https://a.example/x")
OTHER = Webhook(url="https://b.example:8443/y", event="task.StateChange")


def submitted(job: UUID = c.JOB, **given: Any) -> JobSubmitted:
    return JobSubmitted(at=c.NOON, job=job, definition=JobDefinition(**{"name": "n", "tasks": (c.FIRST,)} | given))


class Told:
    """An agenda to which a log is told, one event after another."""

    def __init__(self, folder: Path) -> None:
        self.log: list[Recorded] = []
        self.versions: dict[UUID, int] = {}
        self.agenda = Agenda(KEPT, self.origin)
        self.store = Store(folder / "agenda.db", [self.agenda])
        self.reader = sqlite3.connect(self.store.path)
        self.opened = 0

    def origin(self, job: UUID) -> JobSubmitted:
        return next(each.event for each in self.log if isinstance(each.event, JobSubmitted) and each.event.job == job)

    def tell(self, *events: Any, job: UUID = c.JOB, context: Context = c.CLIENT) -> None:
        """Append events to a job's stream, and let the agenda see those that concern it."""
        new = [self._recorded(event, job, context) for event in events]
        self.log += new
        concerning = self.agenda.concerning([_notification(each) for each in new], self._open)
        if concerning:
            self.store.apply(concerning)

    def _recorded(self, event: Any, job: UUID, context: Context) -> Recorded:
        self.versions[job] = self.versions.get(job, 0) + 1
        position = sum(self.versions.values())
        return Recorded(job, self.versions[job], event, c.NOON, context, position)

    def _open(self, notification: Notification) -> Recorded:
        self.opened += 1
        return self.log[notification.id - 1]

    def rows(self, columns: str) -> list[Any]:
        table = columns.partition(" FROM ")[2]
        return self.reader.execute(f"SELECT {columns} ORDER BY {table}.rowid").fetchall()

    def deliveries(self) -> list[tuple[int, int]]:
        """Return causes and webhooks."""
        return self.rows("cause, webhook FROM deliveries")

    def sends(self) -> list[tuple[str, str]]:
        """Return receivers and commands."""
        return self.rows("stream, command FROM sends")

    def is_empty(self) -> bool:
        tables = ("jobs", "webhooks", "children", "sends", "disposals", "deliveries")
        return not any(self.rows(f"1 FROM {table}") for table in tables)


def _notification(recorded: Recorded) -> Notification:
    topic = type(recorded.event).__name__
    return Notification(recorded.originator_id, recorded.originator_version, topic, b"", id=recorded.position)


@pytest.fixture
def told(tmp_path: Path) -> Iterator[Told]:
    made = Told(tmp_path)
    yield made
    made.reader.close()
    made.store.close()


def test_a_job_that_asks_for_nothing_leaves_nothing(told: Told) -> None:
    told.tell(*c.RUNNING_2, c.COMPLETED_2, c.JOB_COMPLETED)
    assert told.is_empty()


def test_of_a_job_that_asks_for_nothing_only_its_submission_is_read(told: Told) -> None:
    told.tell(*c.RUNNING_2, c.COMPLETED_2, c.JOB_COMPLETED)
    assert told.opened == 1


def test_a_sub_job_is_to_be_submitted_until_it_is(told: Told) -> None:
    told.tell(c.SUBMITTED, SUBJOB)
    assert told.sends() == [(CHILD.hex, "Submit")]
    told.tell(INNER, job=CHILD, context=POLICY)
    assert told.sends() == []


def test_a_detached_sub_job_leaves_nothing_once_it_is_submitted(told: Told) -> None:
    subjob = msgspec.structs.replace(SUBTASK.subjob, detached=True)
    task = msgspec.structs.replace(SUBTASK, subjob=subjob)
    told.tell(c.SUBMITTED, msgspec.structs.replace(SUBJOB, task=task))
    told.tell(msgspec.structs.replace(INNER, parent=None), job=CHILD, context=POLICY)
    assert told.is_empty()


@pytest.mark.parametrize("end", [c.JOB_COMPLETED, c.JOB_FAILED, c.CANCELLED], ids=lambda end: type(end).__name__)
def test_the_end_of_a_sub_job_is_to_be_told_to_the_job_that_waits(told: Told, end: Any) -> None:
    told.tell(c.SUBMITTED, SUBJOB)
    told.tell(INNER, end, job=CHILD, context=POLICY)
    assert told.sends() == [(c.JOB.hex, "EndSubjob")]


def test_once_the_job_that_waited_is_over_nothing_is_to_be_told_to_it(told: Told) -> None:
    told.tell(c.SUBMITTED, SUBJOB)
    told.tell(INNER, c.JOB_COMPLETED, job=CHILD, context=POLICY)
    told.tell(c.JOB_FAILED)
    assert told.is_empty()


def test_a_sub_job_that_is_restarted_after_its_end_has_nobody_to_tell(told: Told) -> None:
    told.tell(c.SUBMITTED, SUBJOB)
    told.tell(INNER, c.JOB_FAILED, job=CHILD, context=POLICY)
    told.tell(c.JOB_FAILED)
    told.tell(c.RESTARTED, c.JOB_COMPLETED, job=CHILD)
    assert told.is_empty()


@pytest.mark.parametrize("end", [c.JOB_FAILED, c.CANCELLED], ids=lambda end: type(end).__name__)
def test_a_sub_job_is_to_be_called_off_when_nobody_waits_any_more_until_it_is_over(told: Told, end: Any) -> None:
    told.tell(c.SUBMITTED, SUBJOB)
    told.tell(INNER, job=CHILD, context=POLICY)
    told.tell(end)
    assert told.sends() == [(CHILD.hex, "Cancel")]
    told.tell(c.CANCELLED, job=CHILD, context=POLICY)
    assert (CHILD.hex, "Cancel") not in told.sends()


def test_a_sub_job_that_is_over_is_not_called_off_when_it_is_restarted(told: Told) -> None:
    told.tell(c.SUBMITTED, SUBJOB)
    told.tell(INNER, job=CHILD, context=POLICY)
    told.tell(c.CANCELLED)
    told.tell(c.CANCELLED, c.RESTARTED, job=CHILD)
    assert (CHILD.hex, "Cancel") not in told.sends()


def test_a_job_that_deletes_itself_is_to_be_deleted_when_it_is_due(told: Told) -> None:
    later = c.NOON + timedelta(hours=2)
    told.tell(submitted(auto_delete=AutoDelete(after="2h")), JobCompleted(at=c.NOON, delete_at=later))
    assert told.rows("stream, command, due FROM sends") == [(c.JOB.hex, "Delete", later.timestamp())]


def test_what_a_deleted_job_printed_is_to_be_dropped(told: Told) -> None:
    later = c.NOON + timedelta(hours=2)
    told.tell(submitted(auto_delete=AutoDelete(after="2h")), JobCompleted(at=c.NOON, delete_at=later))
    told.tell(JobDeleted(at=later), context=POLICY)
    assert told.sends() == []
    assert told.rows("job, output FROM disposals") == [(c.JOB.hex, 1)]


@pytest.mark.parametrize("end", [c.JOB_COMPLETED, c.JOB_FAILED, c.CANCELLED], ids=lambda end: type(end).__name__)
def test_secrets_are_to_be_forgotten_some_time_after_the_end(told: Told, end: Any) -> None:
    told.tell(submitted(secrets={"a": "\0secret:a\0"}), end)
    assert told.rows("job, due, output FROM disposals") == [(c.JOB.hex, c.NOON.timestamp() + KEPT, 0)]


def test_a_restart_keeps_the_secrets_until_the_next_end(told: Told) -> None:
    told.tell(submitted(secrets={"a": "\0secret:a\0"}), c.JOB_FAILED, c.RESTARTED)
    assert told.rows("job FROM disposals") == []
    later = c.NOON + timedelta(days=1)
    told.tell(JobCompleted(at=later))
    assert told.rows("due FROM disposals") == [(later.timestamp() + KEPT,)]


def test_webhooks_are_told_only_of_what_they_ask_for(told: Told) -> None:
    told.tell(submitted(webhooks=(HOOK, OTHER)), c.SCHEDULED_1, c.CLAIMED_1, c.INTENDED_1, c.STARTED_1)
    assert told.deliveries() == [(1, 0), (2, 1), (3, 0), (5, 0), (5, 1)]


def test_webhooks_with_one_address_share_a_lane(told: Told) -> None:
    told.tell(submitted(webhooks=(HOOK, OTHER, msgspec.structs.replace(HOOK, event="task.Progress"))))
    found = told.rows("number, lane, host FROM webhooks")
    assert found == [(0, 0, "a.example"), (1, 1, "b.example:8443"), (2, 0, "a.example")]


@pytest.mark.parametrize(
    "settled",
    [
        WebhookDelivered(at=c.NOON, webhook=0, cause=3, number=1, status=200),
        WebhookGaveUp(at=c.NOON, webhook=0, cause=3, number=5, error="HTTP 404"),
    ],
    ids=lambda event: type(event).__name__,
)
def test_what_is_settled_is_not_to_be_told_nor_what_came_before_it(told: Told, settled: Any) -> None:
    told.tell(submitted(webhooks=(HOOK, OTHER)), c.SCHEDULED_1, c.CLAIMED_1, c.INTENDED_1, c.STARTED_1, settled)
    assert told.deliveries() == [(2, 1), (5, 0), (5, 1)]


def test_a_try_that_failed_is_followed_by_another_one_when_that_is_due(told: Told) -> None:
    due = c.NOON + timedelta(seconds=4)
    attempted = WebhookAttempted(at=c.NOON, webhook=0, cause=1, number=2, error="HTTP 500", due=due)
    told.tell(submitted(webhooks=(HOOK,)), attempted)
    assert told.rows("cause, number, due FROM deliveries") == [(1, 3, due.timestamp())]


def test_a_try_of_which_the_log_tells_late_does_not_undo_those_made_since(told: Told) -> None:
    """The courier notes each try in the agenda itself, and does not wait until the log was read."""
    told.tell(submitted(webhooks=(HOOK,)))
    with closing(Desk(told.store.path)) as desk:
        lane = Lane(c.JOB, 0, "a.example")
        for _ in range(2):
            delivery = desk.first(lane)
            assert delivery
            desk.try_again(lane, delivery, 0.0)
    told.tell(WebhookAttempted(at=c.NOON, webhook=0, cause=1, number=1, error="HTTP 500", due=c.NOON))
    assert told.rows("cause, number, due FROM deliveries") == [(1, 3, 0.0)]


def delivered(cause: int) -> WebhookDelivered:
    return WebhookDelivered(at=c.NOON, webhook=0, cause=cause, number=1, status=200)


def test_a_job_stays_until_it_is_over_and_all_is_told(told: Told) -> None:
    told.tell(submitted(webhooks=(HOOK,)), delivered(1))
    assert not told.is_empty()
    told.tell(c.CANCELLED)
    assert not told.is_empty()
    told.tell(delivered(3))
    assert told.is_empty()


def test_a_job_that_is_restarted_has_its_webhooks_again(told: Told) -> None:
    told.tell(submitted(webhooks=(HOOK,)), delivered(1), c.CANCELLED, delivered(3), c.RESTARTED)
    assert told.deliveries() == [(5, 0)]


def test_lanes_with_something_new_are_named(told: Told) -> None:
    told.tell(submitted(webhooks=(HOOK, OTHER)))
    assert told.agenda.touched == {(c.JOB.hex, 0)}


def test_lanes_of_a_job_that_has_ended_are_named_though_nothing_is_told_of_the_end(told: Told) -> None:
    told.tell(submitted(webhooks=(msgspec.structs.replace(HOOK, event="task.Progress"),)))
    assert told.agenda.touched == set()
    told.tell(c.JOB_COMPLETED)
    assert told.agenda.touched == {(c.JOB.hex, 0)}


HISTORY: Sequence[tuple[Any, UUID]] = (
    (submitted(webhooks=(HOOK, OTHER), secrets={"a": "\0secret:a\0"}), c.JOB),
    (SUBJOB, c.JOB),
    (INNER, CHILD),
    (delivered(1), c.JOB),
    (c.SCHEDULED_1, CHILD),
    (c.CANCELLED, c.JOB),
    (c.CANCELLED, CHILD),
    (JobRestarted(at=c.NOON, position=1), CHILD),
)


@pytest.mark.parametrize("end", range(1, len(HISTORY) + 1))
def test_an_agenda_that_is_made_anew_is_the_same_wherever_it_was_closed_before(tmp_path: Path, end: int) -> None:
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    for folder in (whole, parts):
        folder.mkdir()
    told = Told(whole)
    for event, job in HISTORY[:end]:
        told.tell(event, job=job)
    again = Told(parts)
    for event, job in HISTORY[:end]:
        again.agenda.load(again.reader)  # as a process does that has just begun
        again.tell(event, job=job)
    assert list(told.reader.iterdump()) == list(again.reader.iterdump())
    for each in (told, again):
        each.reader.close()
        each.store.close()
