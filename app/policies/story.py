"""A job as clients saw it at one event, and what was new in it: that is what webhooks tell."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from app.policies import summaries
from app.policies.summaries import TaskSummary
from domain import job
from domain.definition import JobDefinition
from domain.event import Recorded
from domain.job import (
    Beginning,
    JobCancelled,
    JobFailed,
    JobSubmitted,
    TaskCompleted,
    TaskFailed,
    TaskLost,
    TaskProgressed,
    TaskRejected,
    TaskSkipped,
    TaskStarted,
)
from domain.webhook import JOB_PROGRESS, JOB_STATE, TASK_PROGRESS, TASK_STATE
from projections.wire import JobSummary, timestamp

News = Mapping[str, Sequence[TaskSummary | None]]
"""Of what there is to tell, by the kind of webhook: of tasks, or, where there is none, of the job."""


class Story:
    """A job up to the last event that was told; each is told once, in order."""

    def __init__(self) -> None:
        """Begin before the first event."""
        self.state = job.initial()
        self.version = 0
        """The number of the last event in the job's stream."""
        self.at = datetime.min.replace(tzinfo=UTC)
        """When the last event happened."""
        self.correlation = ""
        """What request of a client brought it about."""
        self.news: News = {}
        """What the last event brought."""
        self._summary: JobSummary | None = None
        self._tasks: dict[UUID, TaskSummary] = {}
        """Those that are not over."""

    @property
    def summary(self) -> JobSummary:
        """The job in short."""
        if self._summary is None:
            raise LookupError("nothing was told yet")
        return self._summary

    @property
    def definition(self) -> JobDefinition:
        """The job as it was submitted."""
        if self.state.definition is None:
            raise LookupError("nothing was told yet")
        return self.state.definition

    def tell(self, recorded: Recorded) -> None:
        """Go on by one event."""
        event, before = recorded.event, self.state.status
        tasks = self._tell_tasks(recorded)
        self.state = job.evolve(self.state, event)
        share = self._share(event)
        self._summary = self._summary_after(event, share)
        self.version, self.at, self.correlation = recorded.originator_version, event.at, recorded.context.correlation_id
        is_new = isinstance(event, JobSubmitted) or self.state.status is not before
        self.news = {
            JOB_STATE: [None] if is_new else [],
            JOB_PROGRESS: [None] if share is not None else [],
            TASK_PROGRESS if isinstance(event, TaskProgressed) else TASK_STATE: tasks,
        }

    def _summary_after(self, event: Any, share: tuple[int, float] | None) -> JobSummary:
        if isinstance(event, JobSubmitted):
            return summaries.submitted(event)
        summary = summaries.after(event, self.summary, self.state)
        return summaries.progressed(summary, *share) if share is not None else summary

    def _tell_tasks(self, recorded: Recorded) -> Sequence[TaskSummary]:
        """Go on with the tasks; return those that are not what they were."""
        event = recorded.event
        if isinstance(event, Beginning):
            task = self._tasks[event.attempt] = summaries.begun(recorded, self._created_at(event))
            changed = [task]
        elif isinstance(event, JobFailed | JobCancelled):
            changed = [summaries.task_after(event, task) for task in self._tasks.values()]
            self._tasks.clear()
        elif isinstance(event, TaskStarted | TaskProgressed | TaskCompleted | TaskFailed | TaskLost):
            task = self._tasks[event.attempt] = summaries.task_after(event, self._tasks[event.attempt])
            changed = [task]
        else:
            return []
        if isinstance(event, TaskSkipped | TaskRejected | TaskCompleted | TaskFailed | TaskLost):
            del self._tasks[event.attempt]
        return changed

    def _created_at(self, event: Beginning) -> str:
        """Tell when a task came into being: with the composite task around it, where not all children fit in."""
        around = self.state.attempts[event.parent] if event.parent else None
        branch = around.branch if around else None
        if around and branch and branch.size > branch.limit and event.number == 1:
            return self._tasks[around.id].created_at
        return timestamp(event.at)

    def _share(self, event: Any) -> tuple[int, float] | None:
        """Tell how much is done of which task of the job itself, if the event says something of that."""
        if not isinstance(event, TaskCompleted | TaskSkipped | TaskProgressed):
            return None
        attempt = self.state.attempts[event.attempt]
        if attempt.parent is None:
            return attempt.position, event.progress / 100 if isinstance(event, TaskProgressed) else 1.0
        around = self.state.attempts[attempt.parent]
        if isinstance(event, TaskProgressed) or around.parent is not None or around.branch is None:
            return None
        return around.position, around.branch.done / around.branch.size
