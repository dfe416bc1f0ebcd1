"""One canonical example of everything that tests speak of."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

from domain.definition import JobDefinition, TaskDefinition
from domain.event import Actor, Context
from domain.job import (
    JobCancelled,
    JobCompleted,
    JobFailed,
    JobRestarted,
    JobSubmitted,
    Output,
    TaskAdopted,
    TaskClaimed,
    TaskCompleted,
    TaskFailed,
    TaskLost,
    TaskScheduled,
    TaskStarted,
    TaskStartIntended,
    TaskStopped,
    attempt_id,
)

NOON = datetime(2026, 11, 24, 12, 0, 0, 1, tzinfo=UTC)
JOB = UUID("9d7d7184b8f244249c5f5d8b4074f72e")
RUNNER = UUID("93a1cd11800741e6863d1adef3bc3d18")
ENGINE = "ABCD:EFGH"
EPOCH = 3
CONTAINER = "c0ffee"

CLIENT = Context(Actor("client", "anonymous", "127.0.0.1"), request_id="r1", correlation_id="r1")

FIRST = TaskDefinition(name="first", image="busybox:stable", run="echo one")
SECOND = TaskDefinition(name="second", image="busybox:stable", queue="slow", cmd=("echo", "two"))
DEFINITION = JobDefinition(name="two steps", description="a nightly run", tags=("red", "blue"), tasks=(FIRST, SECOND))

ATTEMPT_1 = attempt_id(JOB, 1, 1)
ATTEMPT_1B = attempt_id(JOB, 1, 2)
ATTEMPT_2 = attempt_id(JOB, 2, 1)
ATTEMPT_2B = attempt_id(JOB, 2, 2)
PRINTED = Output(length=4, sha256="5e2bf57d3f40c4b6df69daf1936cb766f832374b4fc0259a7cbff06e2f70f269")

QUEUED_FIRST = TaskDefinition(name="first", image="busybox:stable", run="echo one", queue="default")

SUBMITTED = JobSubmitted(at=NOON, job=JOB, definition=DEFINITION)
SCHEDULED_1 = TaskScheduled(at=NOON, attempt=ATTEMPT_1, position=1, number=1, task=QUEUED_FIRST, path="1")
CLAIMED_1 = TaskClaimed(at=NOON, attempt=ATTEMPT_1, runner=RUNNER, epoch=EPOCH, engine=ENGINE)
ADOPTED_1 = TaskAdopted(at=NOON, attempt=ATTEMPT_1, epoch=EPOCH + 1)
INTENDED_1 = TaskStartIntended(at=NOON, attempt=ATTEMPT_1, container=CONTAINER, image="sha256:1")
STARTED_1 = TaskStarted(at=NOON, attempt=ATTEMPT_1)
COMPLETED_1 = TaskCompleted(at=NOON, attempt=ATTEMPT_1, result="one", output=PRINTED)
FAILED_1 = TaskFailed(at=NOON, attempt=ATTEMPT_1, error="exit code 3: no", cause="exit", exit_code=3, output=PRINTED)
LOST_1 = TaskLost(at=NOON, attempt=ATTEMPT_1, reason="never started")
STOPPED_1 = TaskStopped(at=NOON, attempt=ATTEMPT_1, exit_code=143, output=PRINTED)
SCHEDULED_1B = TaskScheduled(at=NOON, attempt=ATTEMPT_1B, position=1, number=2, task=QUEUED_FIRST, path="1")
SCHEDULED_2 = TaskScheduled(at=NOON, attempt=ATTEMPT_2, position=2, number=1, task=SECOND, path="2")
SCHEDULED_2B = TaskScheduled(at=NOON, attempt=ATTEMPT_2B, position=2, number=2, task=SECOND, path="2")
CLAIMED_2 = TaskClaimed(at=NOON, attempt=ATTEMPT_2, runner=RUNNER, epoch=EPOCH, engine=ENGINE)
INTENDED_2 = TaskStartIntended(at=NOON, attempt=ATTEMPT_2, container=CONTAINER)
STARTED_2 = TaskStarted(at=NOON, attempt=ATTEMPT_2)
COMPLETED_2 = TaskCompleted(at=NOON, attempt=ATTEMPT_2)
FAILED_2 = TaskFailed(at=NOON, attempt=ATTEMPT_2, error="exit code 1", cause="exit", exit_code=1)
JOB_COMPLETED = JobCompleted(at=NOON)
JOB_FAILED = JobFailed(at=NOON, error="exit code 3: no")
CANCELLED = JobCancelled(at=NOON)
RESTARTED = JobRestarted(at=NOON, position=1)

RUNNING_1 = (SUBMITTED, SCHEDULED_1, CLAIMED_1, INTENDED_1, STARTED_1)
RUNNING_2 = (*RUNNING_1, COMPLETED_1, SCHEDULED_2, CLAIMED_2, INTENDED_2, STARTED_2)
"""The histories of a job whose first and whose second task is running."""
