"""What tasks printed: pages of JSON, the newest first, or the whole text, the oldest first."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from litestar import Request, Response, get
from litestar.params import FromPath
from litestar.response import Stream

from app import output
from app.api import answers
from app.api import request as read
from app.api.schema import LogOperation, LogPage, answers_with
from app.api.services import services
from domain.errors import Missing
from projections import document
from projections.wire import encode

if TYPE_CHECKING:
    from collections.abc import Sequence

MOST_PARTS = 100
"""Parts of a log on a page."""
PLAIN = "text/plain"

AnyRequest = Request[Any, Any, Any]


@get("/jobs/{job_id:str}/log", operation_class=LogOperation, responses=answers_with(LogPage, 400, 404))
async def job_log(request: AnyRequest, job_id: FromPath[str]) -> Response[Any]:
    """Return what a job's tasks printed."""
    views = services(request).views
    await views.caught_up()
    if document.state(views.connection(), job_id) is None:
        raise Missing("job not found")
    return await _answer(request, document.attempts_of(views.connection(), job_id))


@get("/tasks/{task_id:str}/log", operation_class=LogOperation, responses=answers_with(LogPage, 400, 404))
async def task_log(request: AnyRequest, task_id: FromPath[str]) -> Response[Any]:
    """Return what one attempt of a task printed."""
    views = services(request).views
    await views.caught_up()
    if document.job_of(views.connection(), task_id) is None:
        raise Missing("task not found")
    return await _answer(request, [task_id])


async def _answer(request: AnyRequest, attempts: Sequence[str]) -> Response[Any]:
    path = services(request).output
    number, size, text = read.page(request), read.size(request, 25, MOST_PARTS), read.query(request)
    if request.accept.best_match(["application/json", PLAIN]) == PLAIN:
        return Stream(output.whole(path, attempts, read.offset(request)), media_type=PLAIN)
    parts, total = await asyncio.to_thread(output.page, path, attempts, (number, size), text)
    return answers.page([encode(part) for part in parts], number, size, total)
