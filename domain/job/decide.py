"""What follows from a command: events, nothing when it is so already, or `Refused`."""

from __future__ import annotations

from datetime import datetime
from typing import assert_never
from uuid import UUID

import msgspec

from domain.definition import TaskDefinition
from domain.errors import Missing, Refused
from domain.job.commands import (
    Adopt,
    Cancel,
    Claim,
    Complete,
    Fail,
    IntendStart,
    JobCommand,
    Lose,
    Restart,
    Start,
    Stop,
    Submit,
)
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
from domain.job.state import Attempt, Job, JobStatus, TaskStatus, attempt_id

DEFAULT_QUEUE = "default"

Events = tuple[JobEvent, ...]
Report = IntendStart | Start | Complete | Fail | Lose | Stop
"""What the holder of an attempt says of it."""


def decide(command: JobCommand, job: Job) -> Events:
    """Judge a command by the job's state."""
    if isinstance(command, Submit):
        return _submit(command, job)
    if not job.tasks:
        raise Missing("job not found")
    match command:
        case Cancel():
            return _cancel(command, job)
        case Restart():
            return _restart(command, job)
        case Claim():
            return _claim(command, job)
        case Adopt():
            return _adopt(command, job)
        case _:
            return _report(command, job, _held(command, job))


def _submit(command: Submit, job: Job) -> Events:
    if job.tasks:
        raise Refused(f"job {command.job.hex} exists: every job has an id of its own")
    first = _schedule(command.at, command.job, command.definition.tasks[0], (1, 1))
    return (JobSubmitted(at=command.at, job=command.job, definition=command.definition), first)


def _cancel(command: Cancel, job: Job) -> Events:
    if job.status is JobStatus.CANCELLED:
        return ()
    if not job.status.is_active:
        raise Refused(f"job is {job.status} and can not be cancelled")
    return (JobCancelled(at=command.at),)


def _restart(command: Restart, job: Job) -> Events:
    if job.status not in {JobStatus.FAILED, JobStatus.CANCELLED}:
        raise Refused(f"job is {job.status} and can not be restarted")
    last = job.latest
    return (
        JobRestarted(at=command.at, position=last.position),
        _schedule_again(command.at, job, last),
    )


def _claim(command: Claim, job: Job) -> Events:
    attempt = _attempt(job, command.attempt)
    if attempt.status is not TaskStatus.SCHEDULED:
        raise Refused(f"attempt {attempt.id.hex} is {attempt.status}: only a scheduled one can be claimed")
    return (
        TaskClaimed(
            at=command.at,
            attempt=attempt.id,
            runner=command.runner,
            epoch=command.epoch,
            engine=command.engine,
        ),
    )


def _adopt(command: Adopt, job: Job) -> Events:
    attempt = _attempt(job, command.attempt)
    if attempt.runner != command.runner or attempt.epoch > command.epoch or attempt.stopped:
        raise Refused(
            f"attempt {attempt.id.hex} is not for epoch {command.epoch} of runner {command.runner.hex} to adopt"
        )
    if attempt.epoch == command.epoch:
        return ()
    return (TaskAdopted(at=command.at, attempt=attempt.id, epoch=command.epoch),)


def _report(command: Report, job: Job, attempt: Attempt) -> Events:
    """Judge what the holder of an attempt says of it."""
    match command:
        case IntendStart():
            return _intend_start(command, attempt)
        case Start():
            return _start(command, attempt)
        case Complete() | Fail() | Lose() if attempt.status.is_held:
            return _end(command, job, attempt)
        case Complete() | Fail() | Lose() | Stop():
            return _stop(command, attempt)
    assert_never(command)


def _end(command: Complete | Fail | Lose, job: Job, attempt: Attempt) -> Events:
    match command:
        case Complete():
            return _complete(command, job, attempt)
        case Fail():
            return _fail(command, attempt)
        case Lose():
            return _lose(command, job, attempt)
    assert_never(command)


def _intend_start(command: IntendStart, attempt: Attempt) -> Events:
    if attempt.status is not TaskStatus.CLAIMED:
        raise Refused(f"attempt {attempt.id.hex} is {attempt.status}: it must not be started")
    return (TaskStartIntended(at=command.at, attempt=attempt.id, container=command.container, image=command.image),)


def _start(command: Start, attempt: Attempt) -> Events:
    if attempt.status is not TaskStatus.STARTING:
        return ()
    return (TaskStarted(at=command.at, attempt=attempt.id),)


def _complete(command: Complete, job: Job, attempt: Attempt) -> Events:
    done = TaskCompleted(at=command.at, attempt=attempt.id, result=command.result, output=command.output)
    if attempt.position == len(job.tasks):
        return (done, JobCompleted(at=command.at))
    following = attempt.position + 1
    return (done, _schedule(command.at, job.id, job.tasks[following - 1], (following, 1)))


def _fail(command: Fail, attempt: Attempt) -> Events:
    failed = TaskFailed(
        at=command.at,
        attempt=attempt.id,
        error=command.error,
        cause=command.cause,
        exit_code=command.exit_code,
        output=command.output,
    )
    return (failed, JobFailed(at=command.at, error=command.error))


def _lose(command: Lose, job: Job, attempt: Attempt) -> Events:
    lost = TaskLost(at=command.at, attempt=attempt.id, reason=command.reason)
    return (lost, _schedule_again(command.at, job, attempt))


def _stop(command: Stop | Complete | Fail | Lose, attempt: Attempt) -> Events:
    if attempt.stopped:
        return ()
    if attempt.status is not TaskStatus.CANCELLED:
        raise Refused(f"attempt {attempt.id.hex} is {attempt.status}: only a cancelled one is stopped")
    exit_code = 0 if isinstance(command, Complete) else getattr(command, "exit_code", None)
    output = getattr(command, "output", None)
    return (TaskStopped(at=command.at, attempt=attempt.id, exit_code=exit_code, output=output),)


def _held(command: Report, job: Job) -> Attempt:
    """Find the attempt of a report, and see that it comes from the one who holds it."""
    attempt = _attempt(job, command.attempt)
    if (attempt.runner, attempt.epoch) != (command.runner, command.epoch):
        raise Refused(f"attempt {attempt.id.hex} is not held by epoch {command.epoch} of runner {command.runner.hex}")
    return attempt


def _attempt(job: Job, attempt: UUID) -> Attempt:
    try:
        return job.attempts[attempt]
    except KeyError:
        raise Refused(f"the job has no attempt {attempt.hex}") from None


def _schedule_again(at: datetime, job: Job, last: Attempt) -> TaskScheduled:
    return _schedule(at, job.id, job.tasks[last.position - 1], (last.position, last.number + 1))


def _schedule(at: datetime, job: UUID, task: TaskDefinition, place: tuple[int, int]) -> TaskScheduled:
    position, number = place
    if not task.queue:
        task = msgspec.structs.replace(task, queue=DEFAULT_QUEUE)
    return TaskScheduled(at=at, attempt=attempt_id(job, position, number), position=position, number=number, task=task)
