"""Reading a job from the body of a request, without keeping others waiting."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from http import HTTPStatus
from typing import Any

from litestar import Request

from app.api import request as read
from app.documents import read_job
from domain.definition import JobDefinition
from domain.errors import Invalid, Problem

LARGE = 16_000
"""Bytes of a body from which on it is read beside the event loop."""
PATIENCE = 30.0
"""Seconds that a client has to send its body."""


class Bodies:
    """Reads jobs: small ones at once; large ones in one thread, for several would fight over the interpreter."""

    def __init__(self, *, images: bool) -> None:
        """Begin with nothing to read; say whether tasks need images, as they do where they run in containers."""
        self._read = partial(read_job, images=images)
        self._thread = ThreadPoolExecutor(1, "bodies")

    async def job(self, request: Request[Any, Any, Any]) -> JobDefinition:
        """Return the job in the body; raises `Invalid` with all that is wrong with it."""
        form = read.body_format(request)
        body = await _received(request)
        if len(body) <= LARGE:
            return self._read(body, form)
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._read, body, form)


async def _received(request: Request[Any, Any, Any]) -> bytes:
    try:
        async with asyncio.timeout(PATIENCE):
            return await request.body()
    except TimeoutError:
        problem = Problem(f"the body did not come within {PATIENCE:g} seconds", code="timeout")
        raise Invalid((problem,), status=HTTPStatus.REQUEST_TIMEOUT) from None
