"""Answers made of ready JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING

from litestar import MediaType, Response

from projections.wire import Document

if TYPE_CHECKING:
    from collections.abc import Sequence


class Status(Document, frozen=True):
    """The answer to a command that was done."""

    status: str


def json(document: bytes, status: int = 200) -> Response[bytes]:
    """Answer with JSON that is there already."""
    return Response(document, status_code=status, media_type=MediaType.JSON)


def page(items: Sequence[bytes], number: int, size: int, total: int) -> Response[bytes]:
    """Answer with one page of a list; `size` is how many would fit, the answer says how many there are."""
    pages = -(-total // size)
    tail = b'],"number":%d,"size":%d,"totalPages":%d,"totalItems":%d}' % (number, len(items), pages, total)
    return json(b'{"items":[' + b",".join(items) + tail)


DONE = b'{"status":"OK"}'
