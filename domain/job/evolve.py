"""How each event changes a job: facts are copied, nothing is judged."""

from __future__ import annotations

from typing import assert_never

from domain.definition import JobDefinition
from domain.job.events import (
    JobCancelled,
    JobCompleted,
    JobDeleted,
    JobEvent,
    JobFailed,
    JobRestarted,
    JobSubmitted,
    SubjobStarted,
    TaskAdopted,
    TaskClaimed,
    TaskCompleted,
    TaskExpanded,
    TaskFailed,
    TaskLost,
    TaskProgressed,
    TaskRejected,
    TaskScheduled,
    TaskSkipped,
    TaskStarted,
    TaskStartIntended,
    TaskStopped,
    WebhookAttempted,
    WebhookDelivered,
    WebhookGaveUp,
)
from domain.job.scope import item_scope
from domain.job.state import Attempt, Branch, Job, JobStatus, TaskStatus

Beginning = TaskScheduled | TaskExpanded | SubjobStarted | TaskSkipped | TaskRejected
"""Events by which an attempt comes into being."""
Ending = TaskCompleted | TaskFailed | TaskLost
Held = TaskClaimed | TaskAdopted | TaskStartIntended | TaskStarted | TaskProgressed | TaskStopped
Delivery = WebhookAttempted | WebhookDelivered | WebhookGaveUp

_BEGINNINGS = {
    TaskScheduled: TaskStatus.SCHEDULED,
    TaskExpanded: TaskStatus.RUNNING,
    SubjobStarted: TaskStatus.RUNNING,
    TaskSkipped: TaskStatus.SKIPPED,
    TaskRejected: TaskStatus.FAILED,
}
_OUTCOMES = {TaskCompleted: TaskStatus.COMPLETED, TaskFailed: TaskStatus.FAILED, TaskLost: TaskStatus.LOST}


def evolve(job: Job, event: JobEvent) -> Job:
    """Return the job as it is after the event; the given one is used up."""
    match event:
        case TaskScheduled() | TaskExpanded() | SubjobStarted() | TaskSkipped() | TaskRejected():
            _begin(job, event)
        case TaskCompleted() | TaskFailed() | TaskLost():
            _end(job, event)
        case TaskClaimed() | TaskAdopted() | TaskStartIntended() | TaskStarted() | TaskProgressed() | TaskStopped():
            _evolve_held(job, event)
        case WebhookAttempted() | WebhookDelivered() | WebhookGaveUp():
            _settle(job, event)
        case _:
            _evolve_job(job, event)
    return job


def _evolve_job(
    job: Job, event: JobSubmitted | JobCompleted | JobFailed | JobCancelled | JobRestarted | JobDeleted
) -> None:
    match event:
        case JobSubmitted():
            job.id, job.definition, job.parent = event.job, event.definition, event.parent
            job.root = _root(event.definition)
        case JobCompleted():
            job.status = JobStatus.COMPLETED
        case JobFailed():
            _call_off(job, JobStatus.FAILED)
        case JobCancelled():
            _call_off(job, JobStatus.CANCELLED)
        case JobRestarted():
            job.status = JobStatus.RUNNING if job.has_begun else JobStatus.PENDING
            job.root.rewind(event.position)
        case JobDeleted():
            job.deleted = True
        case _:
            assert_never(event)


def _root(definition: JobDefinition) -> Branch:
    return Branch(len(definition.tasks))


def _begin(job: Job, event: Beginning) -> None:
    attempt = Attempt(event.attempt, event.position, event.number, _BEGINNINGS[type(event)])
    attempt.parent, attempt.path = event.parent, event.path or str(event.position)  # older events have no path
    job.attempts[attempt.id] = attempt
    if attempt.parent is None:
        job.latest = attempt
    branch = job.branch(attempt.parent)
    branch.begin(attempt.place)
    match event:
        case TaskSkipped():
            branch.end()
        case TaskRejected():
            branch.running -= 1
        case TaskScheduled() | TaskExpanded() | SubjobStarted():
            attempt.task = event.task
            job.active[attempt.id] = attempt
            _fill_in(job, attempt, event)
        case _:
            assert_never(event)


def _fill_in(job: Job, attempt: Attempt, event: TaskScheduled | TaskExpanded | SubjobStarted) -> None:
    match event:
        case TaskScheduled():
            attempt.retries, attempt.due = event.retries, event.due
        case TaskExpanded():
            attempt.branch = _inner(job.branch(attempt.parent), attempt.place, event)
        case SubjobStarted():
            attempt.job = event.job
            job.status, job.has_begun = JobStatus.RUNNING, True
        case _:
            assert_never(event)


def _inner(outer: Branch, place: int, event: TaskExpanded) -> Branch:
    return Branch(
        size=event.size,
        limit=event.limit,
        room=outer.share,
        items=event.items,
        task=event.task,
        scope=item_scope(outer, place),
    )


def _end(job: Job, event: Ending) -> None:
    attempt = job.attempts[event.attempt]
    branch = job.branch(attempt.parent)
    if isinstance(event, TaskCompleted):
        branch.end()
        if event.result and attempt.task and attempt.task.var:
            job.results[attempt.task.var] = event.result
    else:
        branch.running -= 1
    _close(job, attempt, _OUTCOMES[type(event)])
    attempt.stopped = True


def _close(job: Job, attempt: Attempt, status: TaskStatus) -> None:
    """Remember of what is over only that it was."""
    attempt.status, attempt.task, attempt.branch = status, None, None
    job.active.pop(attempt.id, None)


def _call_off(job: Job, status: JobStatus) -> None:
    job.status = status
    for attempt in tuple(job.active.values()):
        _close(job, attempt, TaskStatus.CANCELLED)


def _evolve_held(job: Job, event: Held) -> None:
    attempt = job.attempts[event.attempt]
    match event:
        case TaskClaimed():
            _claim(job, attempt, event)
        case TaskAdopted():
            attempt.epoch = event.epoch
        case TaskStartIntended():
            _announce(attempt, event)
        case TaskStarted():
            attempt.status = TaskStatus.RUNNING
            job.status = JobStatus.RUNNING
        case TaskProgressed():
            attempt.progress = event.progress
        case TaskStopped():
            attempt.stopped = True
        case _:
            assert_never(event)


def _claim(job: Job, attempt: Attempt, event: TaskClaimed) -> None:
    attempt.status, attempt.runner, attempt.epoch = TaskStatus.CLAIMED, event.runner, event.epoch
    attempt.engine, attempt.stopped = event.engine, False
    job.has_begun = True
    if job.status is JobStatus.PENDING:
        job.status = JobStatus.SCHEDULED


def _announce(attempt: Attempt, event: TaskStartIntended) -> None:
    attempt.phases = (*attempt.phases, event.phase)
    if not event.phase:
        attempt.container = event.container
    if attempt.status is TaskStatus.CLAIMED:
        attempt.status = TaskStatus.STARTING


def _settle(job: Job, event: Delivery) -> None:
    if not isinstance(event, WebhookAttempted):
        job.settled[event.webhook] = event.cause
