"""What an event of one job asks of others."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from domain.definition import AutoDelete, JobDefinition, Registry, Subjob, TaskDefinition, Webhook
from domain.event import Recorded
from domain.job import Cancel, Delete, EndSubjob, JobCompleted, JobRestarted, Parent, SubjobStarted, Submit
from domain.policy import CANCELLED, Facts, Send, keeps_secrets, react
from tests import controls as c

HIDDEN = "\0secret:a\0"
CHILD, OTHER = uuid4(), uuid4()
ATTEMPT = uuid4()
PARENT = Parent(job=uuid4(), attempt=ATTEMPT)
SUBJOB = Subjob(
    id="ignored",
    name="inner",
    description="what it is for",
    tasks=(c.FIRST,),
    inputs={"a": "b"},
    secrets={"token": "\0secret:token\0"},
    output="{{ tasks.x }}",
    webhooks=(Webhook(url="https://example.com/"),),
    auto_delete=AutoDelete(after="1h"),
)


def reaction(event: Any, stream: UUID = c.JOB, **facts: Any) -> tuple[Send, ...]:
    return react(Recorded(stream, 7, event, c.NOON, c.CLIENT, 70), Facts(**facts))


def started(subjob: Subjob) -> SubjobStarted:
    task = TaskDefinition(name="start it", subjob=subjob)
    return SubjobStarted(at=c.NOON, attempt=ATTEMPT, position=1, number=1, task=task, job=CHILD)


def test_a_task_that_starts_a_job_has_it_submitted_with_what_was_written_for_it() -> None:
    (send,) = reaction(started(SUBJOB))
    assert send.stream == CHILD
    assert isinstance(send.command, Submit)
    assert send.command.definition == JobDefinition(
        name="inner",
        description="what it is for",
        tasks=(c.FIRST,),
        inputs={"a": "b"},
        secrets={"token": "\0secret:token\0"},
        output="{{ tasks.x }}",
        webhooks=(Webhook(url="https://example.com/"),),
        auto_delete=AutoDelete(after="1h"),
    )


@pytest.mark.parametrize(("detached", "parent"), [(False, Parent(job=c.JOB, attempt=ATTEMPT)), (True, None)])
def test_only_an_attached_job_has_a_task_that_waits_for_it(*, detached: bool, parent: Parent | None) -> None:
    subjob = Subjob(name="inner", tasks=(c.FIRST,), detached=detached)
    assert reaction(started(subjob)) == (
        Send(
            CHILD,
            Submit(at=c.NOON, job=CHILD, definition=JobDefinition(name="inner", tasks=(c.FIRST,)), parent=parent),
        ),
    )


@pytest.mark.parametrize(
    ("end", "outcome"),
    [
        (JobCompleted(at=c.NOON, result="42"), {"result": "42"}),
        (c.JOB_FAILED, {"error": "exit code 3: no"}),
        (c.CANCELLED, {"error": CANCELLED}),
    ],
)
def test_the_task_that_waits_is_told_how_the_job_ended(end: Any, outcome: dict[str, str]) -> None:
    (send,) = reaction(end, parent=PARENT)
    assert (send.stream, send.command) == (PARENT.job, EndSubjob(at=c.NOON, attempt=ATTEMPT, **outcome))


@pytest.mark.parametrize("end", [c.JOB_COMPLETED, c.JOB_FAILED, c.CANCELLED])
def test_where_no_task_waits_nobody_is_told(end: Any) -> None:
    assert reaction(end) == ()


@pytest.mark.parametrize(("end", "why"), [(c.JOB_FAILED, "failed"), (c.CANCELLED, "was cancelled")])
def test_jobs_for_which_nobody_waits_any_more_are_called_off(end: Any, why: str) -> None:
    reason = f"job {c.JOB.hex}, which had started it, {why}"
    assert reaction(end, children=(CHILD, OTHER)) == (
        Send(CHILD, Cancel(at=c.NOON), reason=reason),
        Send(OTHER, Cancel(at=c.NOON), reason=reason),
    )


def test_a_job_deletes_itself_when_it_is_time() -> None:
    later = c.NOON + timedelta(hours=1)
    (send,) = reaction(JobCompleted(at=c.NOON, delete_at=later))
    assert (send.stream, send.command, send.due) == (c.JOB, Delete(at=c.NOON), later)


@pytest.mark.parametrize("event", [c.SUBMITTED, c.SCHEDULED_1, c.COMPLETED_1, JobRestarted(at=c.NOON, position=1)])
def test_other_events_ask_nothing_of_others(event: Any) -> None:
    assert reaction(event, parent=PARENT, children=(CHILD,)) == ()


def job(**given: Any) -> JobDefinition:
    return JobDefinition(**{"name": "n", "tasks": (c.FIRST,)} | given)


@pytest.mark.parametrize(
    "definition",
    [
        job(secrets={"a": HIDDEN}),
        job(webhooks=(Webhook(url="https://example.com", secret=HIDDEN),)),
        job(tasks=(TaskDefinition(name="t", image="i", registry=Registry(password=HIDDEN)),)),
    ],
)
def test_a_job_with_placeholders_keeps_secrets(definition: JobDefinition) -> None:
    assert keeps_secrets(definition)


@pytest.mark.parametrize("definition", [job(), job(webhooks=(Webhook(url="https://example.com"),))])
def test_a_job_without_placeholders_keeps_none(definition: JobDefinition) -> None:
    assert not keeps_secrets(definition)
