"""What follows from a command: events, nothing when it is so already, or `Refused`."""

from __future__ import annotations

from typing import assert_never

from domain.errors import Elsewhere, Missing, Refused
from domain.job.commands import (
    Adopt,
    Cancel,
    Claim,
    Delete,
    EndSubjob,
    JobCommand,
    RecordDelivery,
    Restart,
    Submit,
)
from domain.job.events import (
    JobCancelled,
    JobDeleted,
    JobRestarted,
    JobSubmitted,
    TaskAdopted,
    TaskClaimed,
    TaskCompleted,
    TaskFailed,
    WebhookAttempted,
    WebhookDelivered,
    WebhookGaveUp,
)
from domain.job.evolve import evolve
from domain.job.flow import Flow
from domain.job.reports import Events, find, judge
from domain.job.state import Attempt, Job, JobStatus, TaskStatus, initial


def decide(command: JobCommand, job: Job) -> Events:
    """Judge a command by the job's state."""
    if isinstance(command, Submit):
        return _submit(command, job)
    _ = job.submitted  # of a job that was not there is nothing to decide
    match command:
        case Cancel() | Restart() | Delete() | RecordDelivery():
            return _decide_job(command, job)
        case Claim() | Adopt() | EndSubjob():
            return _decide_attempt(command, job)
    return judge(command, job, find(job, command.attempt))


def _submit(command: Submit, job: Job) -> Events:
    if job.definition is not None:
        raise Refused(f"job {command.job.hex} exists: every job has an id of its own")
    submitted = JobSubmitted(at=command.at, job=command.job, definition=command.definition, parent=command.parent)
    flow = Flow(evolve(initial(), submitted), command.at)
    flow.begin()
    return (submitted, *flow.events)


def _decide_job(command: Cancel | Restart | Delete | RecordDelivery, job: Job) -> Events:
    if job.deleted and isinstance(command, Cancel | Restart):
        raise Missing("job not found")
    match command:
        case RecordDelivery():
            return _record_delivery(command, job)
        case Cancel():
            return _cancel(command, job)
        case Restart():
            return _restart(command, job)
        case Delete():
            return _delete(command, job)
    assert_never(command)


def _decide_attempt(command: Claim | Adopt | EndSubjob, job: Job) -> Events:
    attempt = find(job, command.attempt)
    match command:
        case Claim():
            return _claim(command, attempt)
        case Adopt():
            return _adopt(command, attempt)
        case EndSubjob():
            return _end_subjob(command, Flow(job, command.at), attempt)
    assert_never(command)


def _cancel(command: Cancel, job: Job) -> Events:
    if job.status is JobStatus.CANCELLED:
        return ()
    if not job.status.is_active:
        raise Refused(f"job is {job.status} and can not be cancelled")
    return (JobCancelled(at=command.at),)


def _restart(command: Restart, job: Job) -> Events:
    if job.status not in {JobStatus.FAILED, JobStatus.CANCELLED}:
        raise Refused(f"job is {job.status} and can not be restarted")
    if job.latest is None or job.root.is_done:
        raise Refused("job has no more tasks to run")
    position = job.latest.position
    flow = Flow(job, command.at)
    flow.restart(position)
    return (JobRestarted(at=command.at, position=position), *flow.events)


def _delete(command: Delete, job: Job) -> Events:
    if job.deleted:
        return ()
    if job.status.is_active:
        raise Refused(f"job is {job.status} and can not be deleted")
    return (JobDeleted(at=command.at),)


def _claim(command: Claim, attempt: Attempt) -> Events:
    if attempt.status is not TaskStatus.SCHEDULED:
        raise Refused(f"attempt {attempt.id.hex} is {attempt.status}: only a scheduled one can be claimed")
    if attempt.due is not None and command.at < attempt.due:
        raise Refused(f"attempt {attempt.id.hex} is not due before {attempt.due.isoformat()}")
    return (
        TaskClaimed(
            at=command.at,
            attempt=attempt.id,
            runner=command.runner,
            epoch=command.epoch,
            engine=command.engine,
        ),
    )


def _adopt(command: Adopt, attempt: Attempt) -> Events:
    if attempt.runner != command.runner or attempt.epoch > command.epoch or attempt.stopped:
        raise Refused(
            f"attempt {attempt.id.hex} is not for epoch {command.epoch} of runner {command.runner.hex} to adopt"
        )
    if attempt.engine != command.engine:
        raise Elsewhere(f"it was claimed for {attempt.engine}, and this is {command.engine}")
    if attempt.epoch == command.epoch:
        return ()
    return (TaskAdopted(at=command.at, attempt=attempt.id, epoch=command.epoch),)


def _end_subjob(command: EndSubjob, flow: Flow, attempt: Attempt) -> Events:
    if attempt.job is None:
        raise Refused(f"attempt {attempt.id.hex} has not started a job")
    if attempt.status is not TaskStatus.RUNNING:
        return ()
    if command.error is None:
        flow.complete(attempt, TaskCompleted(at=command.at, attempt=attempt.id, result=command.result))
    else:
        flow.fail(attempt, TaskFailed(at=command.at, attempt=attempt.id, error=command.error, cause="subjob"))
    return tuple(flow.events)


def _record_delivery(command: RecordDelivery, job: Job) -> Events:
    if command.cause <= job.settled.get(command.webhook, 0):
        return ()
    tried = (command.at, command.webhook, command.cause, command.number)
    if not command.error:
        return (WebhookDelivered(*tried, status=command.status or 0),)
    if command.due is not None:
        return (WebhookAttempted(*tried, error=command.error, due=command.due, status=command.status),)
    return (WebhookGaveUp(*tried, error=command.error, status=command.status),)
