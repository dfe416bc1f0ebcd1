"""What handlers read from a request: numbers of pages, kinds of bodies, who asks."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Literal
from uuid import UUID

from app.ids import ids
from domain.errors import Invalid, Missing, Problem
from domain.event import Actor, Context

if TYPE_CHECKING:
    from litestar import Request

FORMATS: dict[str, Literal["yaml", "json"]] = {
    "text/yaml": "yaml",
    "application/yaml": "yaml",
    "application/x-yaml": "yaml",
    "application/json": "json",
}
LONGEST_QUERY = 256
LONGEST_NUMBER = 9
"""Digits of a page number that still makes sense."""
LONGEST_REQUEST_ID = 128


def body_format(request: Request[Any, Any, Any]) -> Literal["yaml", "json"]:
    """Tell how the body is written, from its content type; a charset beside it does no harm."""
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise _unsupported("content encodings are not supported", "send the body as it is, not compressed")
    written = request.headers.get("content-type", "")
    if not written:
        raise _unsupported("missing content type", "set Content-Type to text/yaml or application/json")
    try:
        return FORMATS[written.partition(";")[0].strip().lower()]
    except KeyError:
        raise _unsupported(f"unknown content type: {written}", "use text/yaml or application/json") from None


def _unsupported(message: str, hint: str) -> Invalid:
    problem = Problem(message, code="content_type", hint=hint)
    return Invalid((problem,), status=HTTPStatus.UNSUPPORTED_MEDIA_TYPE)


def page(request: Request[Any, Any, Any]) -> int:
    """Return the number of the page that is wanted, from 1."""
    return max(1, _number(request, "page", 1))


def size(request: Request[Any, Any, Any], default: int, most: int) -> int:
    """Return how many items a page may hold."""
    return min(max(1, _number(request, "size", default)), most)


def offset(request: Request[Any, Any, Any]) -> int:
    """Return how many bytes of a text the client has already."""
    return max(0, _number(request, "from", 0))


def query(request: Request[Any, Any, Any]) -> str:
    """Return the text that is sought."""
    text = _single(request, "q") or ""
    if len(text) > LONGEST_QUERY:
        raise _bad("q", f"q is {len(text)} characters long", f"use at most {LONGEST_QUERY}")
    return text


def _number(request: Request[Any, Any, Any], name: str, default: int) -> int:
    text = _single(request, name)
    if text is None:
        return default
    digits = text.removeprefix("-")
    if not (digits.isascii() and digits.isdigit() and len(digits) <= LONGEST_NUMBER):
        raise _bad(name, f"{name} is not a number that makes sense: {text[:40]!r}", f"use {name}={default}")
    return int(text)


def _single(request: Request[Any, Any, Any], name: str) -> str | None:
    values = request.query_params.getall(name, [])
    if len(values) > 1:
        raise _bad(name, f"{name} is given {len(values)} times", "give it once")
    return values[0] if values else None


def _bad(path: str, message: str, hint: str) -> Invalid:
    return Invalid((Problem(message, code="query", path=path, hint=hint),))


def identifier(text: str, what: str) -> UUID:
    """Read the id of a job or task; what can not be one is not found."""
    if len(text) == 32 and text.isascii() and text.isalnum() and text == text.lower():  # noqa: PLR2004 - a UUID in hex
        try:
            return UUID(hex=text)
        except ValueError:
            pass
    raise Missing(f"{what} not found")


def context(request: Request[Any, Any, Any]) -> Context:
    """Say who asks; until there is authentication every client is anonymous."""
    client, name = request.scope["client"], request_id(request)
    actor = Actor("client", "anonymous", client[0] if client else "")
    return Context(actor, request_id=name, correlation_id=name)


def request_id(request: Request[Any, Any, Any]) -> str:
    """Return the client's name for the request, or give it one; it stays the same."""
    if "request_id" not in request.state:
        given = request.headers.get("x-request-id", "")
        request.state["request_id"] = given if _is_token(given) else ids.next().hex
    name: str = request.state["request_id"]
    return name


def _is_token(text: str) -> bool:
    return 0 < len(text) <= LONGEST_REQUEST_ID and text.isascii() and text.isprintable() and " " not in text
