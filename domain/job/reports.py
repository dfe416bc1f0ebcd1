"""What runners say of the attempts that they hold, and what follows."""

from __future__ import annotations

from typing import assert_never
from uuid import UUID

from domain.definition import Retry, parse_duration
from domain.errors import Refused
from domain.job.commands import Complete, Fail, IntendStart, Lose, Progress, Start, Stop
from domain.job.events import (
    JobEvent,
    TaskCompleted,
    TaskFailed,
    TaskLost,
    TaskProgressed,
    TaskStarted,
    TaskStartIntended,
    TaskStopped,
)
from domain.job.flow import Flow
from domain.job.state import Attempt, Job, TaskStatus

LONGEST_DELAY = 365 * 24 * 3600.0
"""Seconds that a retry waits at most, when nothing else bounds it."""
MOST_LOSSES = 10
"""Attempts in a row that may be lost: something keeps the task from ever being started, and will go on to."""
LONGEST_PAUSE = 60.0
"""Seconds, at most, before a lost attempt is made good: none for the first, one for the next, then always doubled."""

Events = tuple[JobEvent, ...]
Report = IntendStart | Start | Progress | Complete | Fail | Lose | Stop
"""What the holder of an attempt says of it."""


def find(job: Job, attempt: UUID) -> Attempt:
    """Return an attempt of a job."""
    try:
        return job.attempts[attempt]
    except KeyError:
        raise Refused(f"the job has no attempt {attempt.hex}") from None


def judge(command: Report, job: Job, attempt: Attempt) -> Events:
    """Judge a report, which must come from the one who holds the attempt."""
    if (attempt.runner, attempt.epoch) != (command.runner, command.epoch):
        raise Refused(f"attempt {attempt.id.hex} is not held by epoch {command.epoch} of runner {command.runner.hex}")
    match command:
        case IntendStart():
            return _intend_start(command, attempt)
        case Start():
            return _start(command, attempt)
        case Progress():
            return _progress(command, attempt)
        case Complete() | Fail() | Lose() if attempt.status.is_held:
            return _end(command, job, attempt)
        case Complete() | Fail() | Lose() | Stop():
            return _stop(command, attempt)
    assert_never(command)


def _end(command: Complete | Fail | Lose, job: Job, attempt: Attempt) -> Events:
    match command:
        case Complete():
            done = TaskCompleted(at=command.at, attempt=attempt.id, result=command.result, output=command.output)
            return _complete(done, job, attempt)
        case Fail():
            return _fail(command, job, attempt)
        case Lose():
            return _lose(command, job, attempt)
    assert_never(command)


def _intend_start(command: IntendStart, attempt: Attempt) -> Events:
    if not attempt.status.is_held or command.phase in attempt.phases:
        what = f"{command.phase} of attempt" if command.phase else "attempt"
        raise Refused(f"{what} {attempt.id.hex} is {attempt.status}: it must not be started")
    return (
        TaskStartIntended(
            at=command.at,
            attempt=attempt.id,
            container=command.container,
            image=command.image,
            phase=command.phase,
        ),
    )


def _start(command: Start, attempt: Attempt) -> Events:
    if attempt.status is not TaskStatus.STARTING:
        return ()
    return (TaskStarted(at=command.at, attempt=attempt.id),)


def _progress(command: Progress, attempt: Attempt) -> Events:
    if attempt.status is not TaskStatus.RUNNING or command.progress == attempt.progress:
        return ()
    return (TaskProgressed(at=command.at, attempt=attempt.id, progress=command.progress),)


def _complete(done: TaskCompleted, job: Job, attempt: Attempt) -> Events:
    flow = Flow(job, done.at)
    flow.complete(attempt, done)
    return tuple(flow.events)


def _fail(command: Fail, job: Job, attempt: Attempt) -> Events:
    failed = TaskFailed(
        at=command.at,
        attempt=attempt.id,
        error=command.error,
        cause=command.cause,
        exit_code=command.exit_code,
        output=command.output,
    )
    flow = Flow(job, command.at)
    retry = attempt.task.retry if attempt.task else None
    if retry is not None and attempt.retries < retry.limit:
        flow.retry(attempt, failed, _delay(retry, attempt.retries), retries=attempt.retries + 1)
    else:
        flow.fail(attempt, failed)
    return tuple(flow.events)


def _delay(retry: Retry, failures: int) -> float:
    """Return the seconds before the next try, after so many that were made already."""
    if not retry.delay:
        return 0.0
    longest = parse_duration(retry.max_delay) if retry.max_delay else LONGEST_DELAY
    return min(parse_duration(retry.delay) * retry.backoff**failures, longest)


def _lose(command: Lose, job: Job, attempt: Attempt) -> Events:
    flow = Flow(job, command.at)
    losses = attempt.losses + 1
    if losses < MOST_LOSSES:
        lost = TaskLost(at=command.at, attempt=attempt.id, reason=command.reason)
        flow.retry(attempt, lost, _pause(losses), retries=attempt.retries, losses=losses)
    else:
        error = f"could not be started, {losses} times in a row; the last time: {command.reason}"
        flow.fail(attempt, TaskFailed(at=command.at, attempt=attempt.id, error=error, cause="container"))
    return tuple(flow.events)


def _pause(losses: int) -> float:
    return min(2.0 ** (losses - 2), LONGEST_PAUSE) if losses > 1 else 0.0


def _stop(command: Stop | Complete | Fail | Lose, attempt: Attempt) -> Events:
    if attempt.stopped:
        return ()
    if attempt.status is not TaskStatus.CANCELLED:
        raise Refused(f"attempt {attempt.id.hex} is {attempt.status}: only a cancelled one is stopped")
    exit_code = 0 if isinstance(command, Complete) else getattr(command, "exit_code", None)
    output = getattr(command, "output", None)
    return (TaskStopped(at=command.at, attempt=attempt.id, exit_code=exit_code, output=output),)
