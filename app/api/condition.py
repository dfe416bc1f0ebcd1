"""The service's condition, asked for by clients and balancers."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

import msgspec
from litestar import Request, Response, get

from app.api import answers
from app.api.schema import answers_with
from app.api.services import services


class Condition(msgspec.Struct, frozen=True, omit_defaults=True):
    """The service's condition."""

    status: str
    """UP or DOWN."""
    message: str = ""
    """Why it is down."""


@get("/health", responses=answers_with(Condition))
async def show_health(request: Request[Any, Any, Any]) -> Response[Any]:
    """Tell whether the service can do its work."""
    trouble = await services(request).health.trouble()
    if trouble:
        return answers.json(msgspec.json.encode(Condition("DOWN", trouble)), HTTPStatus.SERVICE_UNAVAILABLE)
    return answers.json(b'{"status":"UP"}')
