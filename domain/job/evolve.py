"""How each event changes a job: facts are copied, nothing is judged."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, assert_never

from domain.definition import JobDefinition
from domain.job.events import (
    Beginning,
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

Ending = TaskCompleted | TaskFailed | TaskLost

_BEGINNINGS: dict[type[JobEvent], TaskStatus] = {
    TaskScheduled: TaskStatus.SCHEDULED,
    TaskExpanded: TaskStatus.RUNNING,
    SubjobStarted: TaskStatus.RUNNING,
    TaskSkipped: TaskStatus.SKIPPED,
    TaskRejected: TaskStatus.FAILED,
}
_OUTCOMES: dict[type[JobEvent], TaskStatus] = {
    TaskCompleted: TaskStatus.COMPLETED,
    TaskFailed: TaskStatus.FAILED,
    TaskLost: TaskStatus.LOST,
}


def evolve(job: Job, event: JobEvent) -> Job:
    """Return the job as it is after the event; the given one is used up."""
    CHANGES[type(event)](job, event)
    return job


def _submit(job: Job, event: JobSubmitted) -> None:
    job.id, job.definition, job.parent = event.job, event.definition, event.parent
    job.root = _root(event.definition)


def _complete_job(job: Job, _: JobCompleted) -> None:
    job.status = JobStatus.COMPLETED


def _fail_job(job: Job, _: JobFailed) -> None:
    _call_off(job, JobStatus.FAILED)


def _cancel(job: Job, _: JobCancelled) -> None:
    _call_off(job, JobStatus.CANCELLED)


def _restart(job: Job, event: JobRestarted) -> None:
    job.status = JobStatus.RUNNING if job.has_begun else JobStatus.PENDING
    job.root.rewind(event.position)


def _delete(job: Job, _: JobDeleted) -> None:
    job.deleted = True


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
        case TaskScheduled() | TaskExpanded() | SubjobStarted():
            attempt.task = event.task
            job.active[attempt.id] = attempt
            _fill_in(job, attempt, event)
        case TaskSkipped():
            branch.end()
        case TaskRejected():
            branch.running -= 1
        case _:
            assert_never(event)


def _fill_in(job: Job, attempt: Attempt, event: TaskScheduled | TaskExpanded | SubjobStarted) -> None:
    match event:
        case TaskScheduled():
            attempt.retries, attempt.losses, attempt.due = event.retries, event.losses, event.due
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


def _claim(job: Job, event: TaskClaimed) -> None:
    attempt = job.attempts[event.attempt]
    attempt.status, attempt.runner, attempt.epoch = TaskStatus.CLAIMED, event.runner, event.epoch
    attempt.engine, attempt.stopped = event.engine, False
    job.has_begun = True
    if job.status is JobStatus.PENDING:
        job.status = JobStatus.SCHEDULED


def _adopt(job: Job, event: TaskAdopted) -> None:
    job.attempts[event.attempt].epoch = event.epoch


def _announce(job: Job, event: TaskStartIntended) -> None:
    attempt = job.attempts[event.attempt]
    attempt.phases = (*attempt.phases, event.phase)
    if not event.phase:
        attempt.container = event.container
    if attempt.status is TaskStatus.CLAIMED:
        attempt.status = TaskStatus.STARTING


def _start(job: Job, event: TaskStarted) -> None:
    job.attempts[event.attempt].status = TaskStatus.RUNNING
    job.status = JobStatus.RUNNING


def _progress(job: Job, event: TaskProgressed) -> None:
    job.attempts[event.attempt].progress = event.progress


def _stop(job: Job, event: TaskStopped) -> None:
    job.attempts[event.attempt].stopped = True


def _keep(_: Job, __: WebhookAttempted) -> None:
    """Change nothing: only how a delivery came out is remembered."""


def _settle(job: Job, event: WebhookDelivered | WebhookGaveUp) -> None:
    job.settled[event.webhook] = event.cause


CHANGES: dict[type[JobEvent], Callable[[Job, Any], None]] = {
    JobSubmitted: _submit,
    JobCompleted: _complete_job,
    JobFailed: _fail_job,
    JobCancelled: _cancel,
    JobRestarted: _restart,
    JobDeleted: _delete,
    **dict.fromkeys(_BEGINNINGS, _begin),
    **dict.fromkeys(_OUTCOMES, _end),
    TaskClaimed: _claim,
    TaskAdopted: _adopt,
    TaskStartIntended: _announce,
    TaskStarted: _start,
    TaskProgressed: _progress,
    TaskStopped: _stop,
    WebhookAttempted: _keep,
    WebhookDelivered: _settle,
    WebhookGaveUp: _settle,
}
"""What each event does: looked up, for to ask a struct's class about an event costs as much as the change itself."""
