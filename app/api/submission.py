"""Taking a job in: the values of its secrets into the vault, and all else into the log."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING
from uuid import UUID

import msgspec

from app.log.log import now
from domain import job
from domain.errors import Refused
from domain.job import JobSubmitted
from domain.secrets import conceal, names
from projections import document

if TYPE_CHECKING:
    from collections.abc import Mapping

    from app.api.services import Services
    from domain.definition import JobDefinition
    from domain.event import Context

MANY = 100
"""Tasks of a job that are decided in a moment."""
ENDED_BADLY = frozenset({"FAILED", "CANCELLED"})


async def submit(parts: Services, job_id: UUID, definition: JobDefinition, context: Context) -> JobSubmitted:
    """Store a job durably; its secrets come first, for from then on it may be run."""
    bare, values = conceal(definition)
    command = job.Submit(at=now(), job=job_id, definition=bare)
    if values:
        return await _submit_with_secrets(parts, command, values, context)
    return await _append(parts, command, context)


async def _submit_with_secrets(
    parts: Services, command: job.Submit, values: Mapping[str, str], context: Context
) -> JobSubmitted:
    await asyncio.to_thread(parts.vault.put, command.job, values)  # if the append fails, the vault's sweep finds them
    return await _append(parts, command, context)


async def _append(parts: Services, command: job.Submit, context: Context) -> JobSubmitted:
    recorded = await parts.log.create(job, command.job, command, context, takes_long=_is_large(command.definition))
    submitted: JobSubmitted = recorded[0].event
    return submitted


def _is_large(definition: JobDefinition) -> bool:
    """Tell whether much may follow from a submission at once: children, skipped tasks, or what is evaluated."""
    more = any(task.each is not None or task.parallel is not None or task.condition for task in definition.tasks)
    return more or len(definition.tasks) > MANY or b"{{" in msgspec.json.encode(definition.tasks[0])


def check_secrets(parts: Services, job_id: UUID) -> None:
    """Refuse to restart a job whose secrets have been forgotten; of its state, another one speaks better."""
    first = next(parts.log.read(job_id, limit=1), None)
    if first is None or not isinstance(first.event, JobSubmitted):
        return
    needed = _secrets_of(first.event.definition)
    gone = needed and needed - parts.vault.values(job_id).keys()
    if gone and document.state(parts.views.connection(), job_id.hex) in ENDED_BADLY:
        names = ", ".join(sorted(gone))
        raise Refused(f"job can not be restarted: its secrets are no longer kept ({names}); submit it anew")


def _secrets_of(definition: JobDefinition) -> set[str]:
    """Name all that was put into the vault for a job, be it a secret with a name or a password in a task."""
    return set(names(msgspec.json.encode(definition).decode().replace(r"\u0000", "\0")))
