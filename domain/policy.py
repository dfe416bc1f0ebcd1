"""What an event of one job asks of others: a sub-job is submitted, its end told, a job without a purpose called off.

A job that deletes itself asks it of itself, for later.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from uuid import UUID

import msgspec

from domain.definition import JobDefinition, Subjob, TaskDefinition
from domain.event import Recorded
from domain.job.commands import Cancel, Delete, EndSubjob, Submit
from domain.job.events import JobCancelled, JobCompleted, JobFailed, Parent, SubjobStarted
from domain.secrets import INSIDE_TASK

CANCELLED = "the sub-job was cancelled"
"""The error of a task whose job was called off."""

Order = Submit | EndSubjob | Cancel | Delete


class Facts(msgspec.Struct, frozen=True):
    """What is known of a job beside its event."""

    parent: Parent | None = None
    """The task that waits for the job's end."""
    children: tuple[UUID, ...] = ()
    """The jobs that its tasks started, wait for, and have not seen end."""


class Send(msgspec.Struct, frozen=True):
    """A command to the stream of a job; the moment of sending takes the place of its time."""

    stream: UUID
    command: Order
    due: datetime | None = None
    """When it is to be sent; nothing for at once."""
    reason: str = ""


def react(recorded: Recorded, facts: Facts) -> tuple[Send, ...]:
    """Return what follows from an event for other jobs, or for the job itself later on."""
    stream = recorded.originator_id
    match recorded.event:
        case SubjobStarted(task=TaskDefinition(subjob=Subjob() as subjob)) as event:
            return (Send(event.job, _submission(stream, event, subjob)),)
        case JobCompleted() as event:
            return (*_end(event, facts.parent, event.result), *_delete(stream, event))
        case JobFailed() as event:
            children = _call_off(event, facts, f"job {stream.hex}, which had started it, failed")
            return (*_end(event, facts.parent, error=event.error), *children)
        case JobCancelled() as event:
            children = _call_off(event, facts, f"job {stream.hex}, which had started it, was cancelled")
            return (*_end(event, facts.parent, error=CANCELLED), *children)
    return ()


def definition_of(subjob: Subjob) -> JobDefinition:
    """Return the job that a task starts; what is said of the task's own job does not hold for it."""
    return JobDefinition(
        name=subjob.name,
        description=subjob.description,
        tasks=subjob.tasks,
        inputs=subjob.inputs,
        secrets=subjob.secrets,
        output=subjob.output,
        webhooks=subjob.webhooks,
        auto_delete=subjob.auto_delete,
    )


def keeps_secrets(definition: JobDefinition) -> bool:
    """Tell whether values were taken out of a job, or may have been: placeholders stand for them."""
    if definition.secrets:
        return True
    may_have = definition.webhooks or any(map(any, map(INSIDE_TASK, definition.tasks)))
    return bool(may_have) and rb"\u0000secret:" in msgspec.json.encode(definition)


def _submission(stream: UUID, event: SubjobStarted, subjob: Subjob) -> Submit:
    parent = None if subjob.detached else Parent(job=stream, attempt=event.attempt)
    return Submit(at=event.at, job=event.job, definition=definition_of(subjob), parent=parent)


def _end(
    event: JobCompleted | JobFailed | JobCancelled, parent: Parent | None, result: str = "", error: str | None = None
) -> Iterator[Send]:
    if parent is not None:
        command = EndSubjob(at=event.at, attempt=parent.attempt, result=result, error=error)
        yield Send(parent.job, command, reason="the sub-job ended")


def _call_off(event: JobFailed | JobCancelled, facts: Facts, reason: str) -> Iterator[Send]:
    for child in facts.children:
        yield Send(child, Cancel(at=event.at), reason=reason)


def _delete(stream: UUID, event: JobCompleted) -> Iterator[Send]:
    if event.delete_at is not None:
        yield Send(stream, Delete(at=event.at), due=event.delete_at, reason="it deletes itself some time after its end")
