"""How errors become answers: `message`, which Tork's clients read, beside the fields of RFC 9457."""

from __future__ import annotations

import logging
import sqlite3
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import msgspec
from eventsourcing.persistence import PersistenceError
from litestar import Request, Response
from litestar.exceptions import HTTPException
from litestar.exceptions.http_exceptions import RequestEntityTooLarge

from app.api.request import request_id
from app.api.waiting import Unfinished
from app.log import Contended
from app.vault import VaultUnusable
from app.views import Behind
from domain.errors import Invalid, Missing, Problem, Refused

if TYPE_CHECKING:
    from collections.abc import Sequence

    from litestar.types import ExceptionHandlersMap

logger = logging.getLogger("jobledger.api")

PROBLEM = "application/problem+json"
LARGEST_BODY = 500_000
"""Bytes: the limit that job files of this API have always had."""
HEADERS = {
    HTTPStatus.SERVICE_UNAVAILABLE: {"Retry-After": "1"},
    HTTPStatus.REQUEST_TIMEOUT: {"Connection": "close"},
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: {"Connection": "close"},
}
"""When to come again; and that the rest of a body is not read."""


class ProblemDocument(msgspec.Struct, frozen=True, omit_defaults=True):
    """An answer that is not a success."""

    message: str
    """What is wrong, for a person."""
    title: str
    """The HTTP status in words."""
    status: int
    code: str
    """What is wrong, for a program."""
    detail: str
    type: str
    """As RFC 9457 wants it; `code` says more."""
    request_id: str
    """To find the request by in the service's own log."""
    errors: tuple[Problem, ...] = ()
    """Every problem of the input, with line, column, path and a hint."""
    job_id: str = ""
    """The job that was submitted and goes on, although its end was not awaited."""


def answer(
    request: Request[Any, Any, Any],
    status: int,
    message: str,
    code: str,
    errors: Sequence[Problem] = (),
) -> Response[bytes]:
    """Make the answer for an error."""
    document = _document(request, status, message, code)
    return _respond(msgspec.structs.replace(document, errors=tuple(errors)), HEADERS.get(HTTPStatus(status), {}))


def _document(request: Request[Any, Any, Any], status: int, message: str, code: str) -> ProblemDocument:
    return ProblemDocument(
        message=message,
        title=HTTPStatus(status).phrase,
        status=status,
        code=code,
        detail=message,
        type="about:blank",
        request_id=request_id(request),
    )


def _respond(document: ProblemDocument, headers: dict[str, str]) -> Response[bytes]:
    return Response(msgspec.json.encode(document), status_code=document.status, media_type=PROBLEM, headers=headers)


def invalid(request: Request[Any, Any, Any], error: Invalid) -> Response[bytes]:
    """Answer for bad input: every problem in words, a line each, and in `errors` for programs."""
    message = "\n".join(str(problem) for problem in error.problems)
    return answer(request, error.status, message, error.problems[0].code, error.problems)


def refused(request: Request[Any, Any, Any], error: Refused) -> Response[bytes]:
    """Answer for what the state forbids; 400 and not 409, for that is what clients of this API know."""
    return answer(request, HTTPStatus.BAD_REQUEST, str(error), "state")


def missing(request: Request[Any, Any, Any], error: Missing) -> Response[bytes]:
    """Answer for an unknown id."""
    return answer(request, HTTPStatus.NOT_FOUND, str(error), "not_found")


def unavailable(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    """Answer when the log or the views can not serve just now: nothing is lost by asking again."""
    logger.error("%s %s: %s", request.method, request.url.path, error)
    return answer(request, HTTPStatus.SERVICE_UNAVAILABLE, f"try again: {error}", "unavailable")


def unfinished(request: Request[Any, Any, Any], error: Unfinished) -> Response[bytes]:
    """Answer for a job whose end did not come in time: it is accepted, so nothing invites to submit it again."""
    document = _document(request, error.status, str(error), "unfinished")
    return _respond(msgspec.structs.replace(document, job_id=error.job.hex), {})


def http_error(request: Request[Any, Any, Any], error: HTTPException) -> Response[bytes]:
    """Answer for what the framework refused: unknown paths, wrong methods, broken requests."""
    status = HTTPStatus(error.status_code)
    response = answer(request, status, error.detail or status.phrase, status.name.lower())
    for name, value in (error.headers or {}).items():
        response.headers[name] = value
    return response


def too_large(request: Request[Any, Any, Any], _: RequestEntityTooLarge) -> Response[bytes]:
    """Answer for a body over the limit, most of which is not even read."""
    message = f"the body is too large: at most {LARGEST_BODY:,} bytes are read"
    return answer(request, HTTPStatus.REQUEST_ENTITY_TOO_LARGE, message, "too_large")


def failure(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    """Answer for our own fault, which goes to the log in full and to the client not at all."""
    name = request_id(request)
    logger.error("%s %s failed, request %s", request.method, request.url.path, name, exc_info=error)
    status = HTTPStatus.INTERNAL_SERVER_ERROR
    return answer(request, status, status.phrase, "internal")


HANDLERS: ExceptionHandlersMap = {
    Invalid: invalid,
    Refused: refused,
    Missing: missing,
    Unfinished: unfinished,
    VaultUnusable: unavailable,
    Contended: unavailable,
    Behind: unavailable,
    PersistenceError: unavailable,
    sqlite3.Error: unavailable,
    RequestEntityTooLarge: too_large,
    HTTPException: http_error,
    Exception: failure,
}
