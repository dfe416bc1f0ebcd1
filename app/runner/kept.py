"""What the Engine's own file of a container's output has kept: not always the very bytes that were printed.

The json-file driver keeps text, a line or 16 KB at a time, and puts U+FFFD for each byte that is no UTF-8.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterable, Iterator

LONGEST = 16 * 1024
"""Bytes of a line that are kept together."""


def kept_length(printed: Iterable[bytes]) -> int:
    """Tell how long the beginning of a stream is in the Engine's file."""
    length, begun = 0, b""
    for content in printed:
        text = begun + content
        end = text.rfind(b"\n") + 1
        length += _length(text[:end])
        begun = text[end:]
        while len(begun) > LONGEST:
            length += _length(begun[:LONGEST])
            begun = begun[LONGEST:]
    return length + _length(begun)


def unseen(kept: Iterable[tuple[int, bytes]], seen: dict[int, int]) -> Iterator[tuple[int, bytes]]:
    """Leave out, of what the Engine kept, so many bytes at the beginning of each stream; count in what is not."""
    left = dict(seen)
    for stream, data in kept:
        skipped = min(left.get(stream, 0), len(data))
        left[stream] = left.get(stream, 0) - skipped
        if skipped < len(data):
            seen[stream] = seen.get(stream, 0) + len(data) - skipped
            yield stream, data[skipped:]


def _length(lines: bytes) -> int:
    if lines.isascii():
        return len(lines)
    return sum(len(piece.decode(errors=_EACH_BYTE).encode()) for piece in _pieces(lines))


def _pieces(lines: bytes) -> Iterator[bytes]:
    start = 0
    while start < len(lines):
        end = lines.find(b"\n", start, start + LONGEST) + 1 or start + LONGEST
        yield lines[start:end]
        start = end


def _repair(error: UnicodeError) -> tuple[str, int]:
    """Put one sign for each byte, as the Engine does; Python would put one for several."""
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return "\N{REPLACEMENT CHARACTER}" * (error.end - error.start), error.end


_EACH_BYTE = "jobledger-each-byte"
codecs.register_error(_EACH_BYTE, _repair)
