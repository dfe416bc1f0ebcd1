"""A job and its tasks in short, and what each event changes in that: what the list of jobs shows, event by event."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, TypeVar

import msgspec

from domain.event import Recorded
from domain.job import (
    Beginning,
    Job,
    JobCancelled,
    JobCompleted,
    JobFailed,
    JobRestarted,
    JobSubmitted,
    SubjobStarted,
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
    TaskStatus,
)
from projections import attempts, jobs
from projections.wire import Document, JobSummary, percent, timestamp

HUNDREDTH = Decimal("0.01")


class TaskSummary(Document, frozen=True, kw_only=True):
    """One attempt of a task, in short."""

    id: str
    job_id: str
    parent_id: str | None = None
    """The attempt of the composite task to which it belongs."""
    path: str
    position: int
    progress: float | None = None
    name: str
    description: str | None = None
    state: str
    created_at: str
    scheduled_at: str | None = None
    started_at: str | None = None
    completed_at: str | None = None
    failed_at: str | None = None
    cancelled_at: str | None = None
    error: str | None = None
    result: str | None = None
    var: str | None = None
    tags: Sequence[str] = ()


Summary = TypeVar("Summary", JobSummary, TaskSummary)


def submitted(event: JobSubmitted) -> JobSummary:
    """Return a job as it was handed in."""
    return msgspec.json.decode(jobs.summary(event), type=JobSummary)


def after(event: Any, job: JobSummary, state: Job) -> JobSummary:
    """Return a job as it is after an event; `state` is what it is then to decisions."""
    match event:
        case TaskScheduled() | TaskExpanded() | TaskSkipped() | TaskRejected() | SubjobStarted():
            job = _moved(event, job)
        case TaskClaimed():
            job = _started(job, timestamp(event.at))
        case JobRestarted():
            job = changed(job, failed_at=None, cancelled_at=None, error=None)
        case JobCompleted() | JobFailed() | JobCancelled():
            job = _ended(event, job, state)
    return changed(job, state=state.status.value)


def progressed(job: JobSummary, position: int, share: float) -> JobSummary:
    """Return a job of whose task at a position a share is done, from 0 to 1."""
    done = Decimal(100.0 * (position - 1 + share) / job.task_count)
    return changed(job, progress=percent(float(done.quantize(HUNDREDTH, ROUND_HALF_UP))))


def begun(recorded: Recorded, created_at: str) -> TaskSummary:
    """Return a task as an event lets it begin."""
    event: Beginning = recorded.event
    state, *reached = attempts.BEGINNINGS[type(event)]
    task = event.task
    at: dict[str, Any] = dict.fromkeys(reached, timestamp(event.at))
    return TaskSummary(
        id=event.attempt.hex,
        job_id=recorded.originator_id.hex,
        parent_id=event.parent.hex if event.parent else None,
        path=event.path or str(event.position),
        position=event.position,
        name=task.name,
        description=task.description or None,
        state=state,
        created_at=created_at,
        error=event.error if isinstance(event, TaskRejected) else None,
        var=task.var or None,
        tags=task.tags,
        **at,
    )


def task_after(event: Any, task: TaskSummary) -> TaskSummary:
    """Return a task as it is after an event of it, or after its job's end."""
    at = timestamp(event.at)
    match event:
        case TaskStarted():
            return changed(task, state="RUNNING", started_at=at)
        case TaskProgressed(progress=progress):
            return changed(task, progress=percent(progress))
        case TaskCompleted(result=result):
            return changed(task, state="COMPLETED", completed_at=at, result=result or None)
        case TaskFailed(error=error) | TaskLost(reason=error):
            return changed(task, state="FAILED", failed_at=at, error=error)
        case JobFailed() | JobCancelled():
            return changed(task, state="CANCELLED", cancelled_at=at)
    return task


def changed(summary: Summary, **fields: Any) -> Summary:
    """Return a summary with other facts in it."""
    return msgspec.structs.replace(summary, **fields)


def _moved(event: Beginning, job: JobSummary) -> JobSummary:
    if isinstance(event, SubjobStarted):
        job = _started(job, timestamp(event.at))
    if event.parent is not None or (event.position == 1 and event.number == 1):
        return job
    position = job.position if event.position == 1 else max(job.position, event.position)
    return progressed(changed(job, position=position), event.position, 0.0)


def _started(job: JobSummary, at: str) -> JobSummary:
    return changed(job, started_at=job.started_at or at, position=max(job.position, 1))


def _ended(event: JobCompleted | JobFailed | JobCancelled, job: JobSummary, state: Job) -> JobSummary:
    at = timestamp(event.at)
    match event:
        case JobCompleted(result=result):
            started, position = job.started_at or at, job.task_count + 1
            return changed(
                job, completed_at=at, started_at=started, result=result or None, position=position, progress=100
            )
        case JobFailed(error=error):
            position = max(job.position, 1)
            if position == job.task_count and _are_tasks_done(state):
                job, position = changed(job, progress=100), position + 1
            return changed(job, failed_at=at, error=error, position=position)
        case JobCancelled():
            return changed(job, cancelled_at=at)


def _are_tasks_done(state: Job) -> bool:
    return state.latest is not None and state.latest.status in {TaskStatus.COMPLETED, TaskStatus.SKIPPED}
