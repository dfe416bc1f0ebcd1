"""Answering a submission when its job is over."""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from uuid import UUID

if TYPE_CHECKING:
    from litestar import Request


class Unfinished(Exception):
    """The answer can not wait for the job's end; the job goes on."""

    def __init__(self, job: UUID, message: str, status: HTTPStatus = HTTPStatus.REQUEST_TIMEOUT) -> None:
        """Say why, in the words that clients of this API know."""
        super().__init__(message)
        self.job = job
        self.status = status


async def until_over(request: Request[Any, Any, Any], job: UUID, ended: asyncio.Future[None], seconds: float) -> None:
    """Wait until a job is over; raises `Unfinished` if that takes too long, the client goes away or the service ends.

    Once the body has been read, what the server tells of a connection is that it is no more, or, before that, by
    anything else, that the service is about to end.
    """
    told = asyncio.ensure_future(request.receive())
    try:
        await asyncio.wait((ended, told), timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    finally:
        told.cancel()
    if ended.done():
        return
    if not told.done():
        raise Unfinished(job, "timeout waiting for job to complete")
    if told.result()["type"] == "http.disconnect":
        raise Unfinished(job, "request cancelled")
    raise Unfinished(job, "server shutting down", HTTPStatus.SERVICE_UNAVAILABLE)
