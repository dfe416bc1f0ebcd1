"""Jobs: submit, list, look at, cancel, restart."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import UUID

import msgspec
from litestar import Request, Response, get, post, put
from litestar.params import FromPath

from app.api import answers, submission
from app.api import request as read
from app.api.schema import JobDetail, JobPage, SearchOperation, SubmitOperation, answers_with
from app.api.services import services
from app.api.waiting import until_over
from app.ids import ids
from app.log.log import now
from app.views import Views
from domain import job
from domain.definition import JobDefinition, parse_duration
from domain.errors import Missing, Refused
from projections import document, search
from projections.jobs import summary
from projections.wire import JobSummary

NEAR = 50
"""Pages up to which a list is read at once; for those behind, so many jobs are passed over that others would wait."""
MOST_JOBS = 20
"""Jobs on a page."""

AnyRequest = Request[Any, Any, Any]


@post(
    "/jobs",
    status_code=200,
    operation_class=SubmitOperation,
    responses=answers_with(JobSummary | JobDetail, 400, 408, 413, 415),
)
async def submit_job(request: AnyRequest) -> Response[bytes]:
    """Submit a new job to be scheduled for execution; with `wait` in it, the answer is the job in full, at its end."""
    parts = services(request)
    definition = await parts.bodies.job(request)
    job_id = ids.next()
    if definition.wait is not None:
        return await _submit_and_wait(request, job_id, definition, parse_duration(definition.wait.timeout))
    submitted = await submission.submit(parts, job_id, definition, read.context(request))
    return answers.json(summary(submitted))


async def _submit_and_wait(
    request: AnyRequest, job_id: UUID, definition: JobDefinition, seconds: float
) -> Response[bytes]:
    parts = services(request)
    written = msgspec.structs.replace(definition, wait=None)  # it is of this request, not of the job
    with parts.views.end_of(job_id) as ended:
        await submission.submit(parts, job_id, written, read.context(request))
        await until_over(request, job_id, ended, seconds)
    return answers.json(await _in_full(parts.views, job_id.hex))


@get("/jobs", operation_class=SearchOperation, responses=answers_with(JobPage, 400))
async def list_jobs(request: AnyRequest) -> Response[bytes]:
    """Return a page of jobs, the newest first; with `q`, those in which every word is found."""
    number, size, text = read.page(request), read.size(request, 10, MOST_JOBS), read.query(request)
    views = services(request).views
    await views.caught_up()
    if text.strip():
        found = await asyncio.to_thread(_search, views, text, number, size)
    elif number > NEAR:
        found = await asyncio.to_thread(lambda: search.newest(views.connection(), number, size))
    else:
        found = search.newest(views.connection(), number, size)
    return answers.page(found.items, number, size, found.total)


@get("/jobs/{job_id:str}", responses=answers_with(JobDetail, 404))
async def show_job(request: AnyRequest, job_id: FromPath[str]) -> Response[bytes]:
    """Return a job in full: its tasks as submitted, and every attempt of every task."""
    views = services(request).views
    await views.caught_up()
    return answers.json(await _in_full(views, job_id))


async def _in_full(views: Views, job_id: str) -> bytes:
    """Make the document of a job, in a thread if there is much of it."""
    try:
        found = document.find(views.connection(), job_id, document.FEW)
    except document.Long:
        found = await asyncio.to_thread(lambda: document.find(views.connection(), job_id))
    if found is None:
        raise Missing("job not found")
    return found


@put("/jobs/{job_id:str}/cancel", sync_to_thread=True, responses=answers_with(answers.Status, 400, 404))
def cancel_job(request: AnyRequest, job_id: FromPath[str]) -> Response[bytes]:
    """Call off a job that has not ended; its container is gone within two seconds."""
    stream = read.identifier(job_id, "job")
    try:
        services(request).log.execute(job, stream, job.Cancel(at=now()), read.context(request))
    except Refused as error:
        raise Refused("job in not running") from error  # in the words that clients of this API know
    return answers.json(answers.DONE)


@put("/jobs/{job_id:str}/restart", sync_to_thread=True, responses=answers_with(answers.Status, 400, 404))
def restart_job(request: AnyRequest, job_id: FromPath[str]) -> Response[bytes]:
    """Go on with a failed or cancelled job, at the task where it ended."""
    stream = read.identifier(job_id, "job")
    submission.check_secrets(services(request), stream)
    services(request).log.execute(job, stream, job.Restart(at=now()), read.context(request))
    return answers.json(answers.DONE)


def _search(views: Views, text: str, number: int, size: int) -> search.Page:
    position, connection, query = views.position, views.connection(), search.parse(text)
    items = search.search(connection, query, number, size)
    total = views.counted(text, position, lambda: search.count(connection, query))
    return search.Page(items, total)
