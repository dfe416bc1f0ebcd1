"""How each event changes a job: facts are copied, nothing is judged."""

from __future__ import annotations

from typing import assert_never

from domain.job.events import (
    JobCancelled,
    JobCompleted,
    JobEvent,
    JobFailed,
    JobRestarted,
    JobSubmitted,
    TaskAdopted,
    TaskClaimed,
    TaskCompleted,
    TaskFailed,
    TaskLost,
    TaskScheduled,
    TaskStarted,
    TaskStartIntended,
    TaskStopped,
)
from domain.job.state import Attempt, Job, JobStatus, TaskStatus

AttemptEvent = (
    TaskScheduled
    | TaskClaimed
    | TaskAdopted
    | TaskStartIntended
    | TaskStarted
    | TaskCompleted
    | TaskFailed
    | TaskLost
    | TaskStopped
)
_OUTCOMES = {TaskCompleted: TaskStatus.COMPLETED, TaskFailed: TaskStatus.FAILED, TaskLost: TaskStatus.LOST}


def evolve(job: Job, event: JobEvent) -> Job:
    """Return the job as it is after the event; the given one is used up."""
    match event:
        case JobSubmitted():
            job.id, job.tasks = event.job, event.definition.tasks
        case JobCompleted():
            job.status = JobStatus.COMPLETED
        case JobFailed():
            job.status = JobStatus.FAILED
        case JobCancelled():
            _cancel(job)
        case JobRestarted():
            job.status = JobStatus.RUNNING if _has_been_claimed(job) else JobStatus.PENDING
        case _:
            _evolve_attempt(job, event)
    return job


def _evolve_attempt(job: Job, event: AttemptEvent) -> None:
    match event:
        case TaskScheduled():
            job.attempts[event.attempt] = Attempt(event.attempt, event.position, event.number)
        case TaskClaimed():
            _claim(job, event)
        case TaskAdopted():
            job.attempts[event.attempt].epoch = event.epoch
        case TaskStartIntended():
            attempt = job.attempts[event.attempt]
            attempt.status, attempt.container = TaskStatus.STARTING, event.container
        case TaskStarted():
            job.attempts[event.attempt].status = TaskStatus.RUNNING
            job.status = JobStatus.RUNNING
        case TaskCompleted() | TaskFailed() | TaskLost():
            attempt = job.attempts[event.attempt]
            attempt.status, attempt.stopped = _OUTCOMES[type(event)], True
        case TaskStopped():
            job.attempts[event.attempt].stopped = True
        case _:
            assert_never(event)


def _claim(job: Job, event: TaskClaimed) -> None:
    attempt = job.attempts[event.attempt]
    attempt.status, attempt.runner, attempt.epoch = TaskStatus.CLAIMED, event.runner, event.epoch
    attempt.stopped = False
    if job.status is JobStatus.PENDING:
        job.status = JobStatus.SCHEDULED


def _cancel(job: Job) -> None:
    job.status = JobStatus.CANCELLED
    job.latest.status = TaskStatus.CANCELLED


def _has_been_claimed(job: Job) -> bool:
    return any(attempt.runner for attempt in job.attempts.values())
