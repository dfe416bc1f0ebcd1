"""The Engine's framing of a container's stdout and stderr on one connection."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

HEADER = 8
"""Bytes before each frame: the stream, three zeros, the length of the frame in four."""


def frames(chunks: Iterable[bytes]) -> Iterator[tuple[int, bytes]]:
    """Yield what came on which stream; neighbours of one stream are joined, as many short lines come at a time."""
    rest = b""
    for chunk in chunks:
        rest += chunk
        joined: list[bytes] = []
        stream, start = 0, 0
        while (end := _end(rest, start)) <= len(rest):
            if joined and rest[start] != stream:
                yield stream, b"".join(joined)
                joined = []
            stream = rest[start]
            joined.append(rest[start + HEADER : end])
            start = end
        if joined:
            yield stream, b"".join(joined)
        rest = rest[start:]


def _end(data: bytes, start: int) -> int:
    """Tell where a frame ends, which may be later than the data that came."""
    if len(data) < start + HEADER:
        return len(data) + 1
    return start + HEADER + int.from_bytes(data[start + 4 : start + HEADER])
