"""The history of a job: its events, as they are in the log."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from litestar import Request, Response, get
from litestar.params import FromPath

from app.api import answers
from app.api import request as read
from app.api.schema import EventDocument, EventPage, PagedOperation, answers_with
from app.api.services import services
from domain.errors import Missing
from domain.job import JobSubmitted
from domain.secrets import masked_json
from projections.veil import veil
from projections.wire import timestamp

if TYPE_CHECKING:
    from domain.event import Recorded

MOST_EVENTS = 1_000
"""Events on a page."""

AnyRequest = Request[Any, Any, Any]

_encode = msgspec.json.Encoder(uuid_format="hex").encode


@get(
    "/jobs/{job_id:str}/events",
    sync_to_thread=True,
    operation_class=PagedOperation,
    responses=answers_with(EventPage, 400, 404),
)
def job_events(request: AnyRequest, job_id: FromPath[str]) -> Response[bytes]:
    """Return what happened to a job, the oldest first: with time, actor and content."""
    number, size = read.page(request), read.size(request, 100, MOST_EVENTS)
    stream = read.identifier(job_id, "job")
    log = services(request).log
    first = next(log.read(stream, limit=1), None)
    if first is None or not isinstance(first.event, JobSubmitted):
        raise Missing("job not found")
    total = log.version(stream)
    events = log.read(stream, after=(number - 1) * size, limit=size)
    return answers.page([_shown(recorded) for recorded in events], number, size, total)


def _shown(recorded: Recorded) -> bytes:
    return veil(masked_json(_encode(_document(recorded))))


def _document(recorded: Recorded) -> EventDocument:
    context = recorded.context
    return EventDocument(
        number=recorded.originator_version,
        time=timestamp(recorded.recorded_at),
        type=type(recorded.event).__name__,
        actor=context.actor,
        data=recorded.event,
        request_id=context.request_id,
        correlation_id=context.correlation_id,
        causation_id=context.causation_id,
        reason=context.reason,
    )
