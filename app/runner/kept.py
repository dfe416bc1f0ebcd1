"""One stream of a container on its way to the store, also when it comes again, from the Engine's own file.

That file does not always have the very bytes that were printed: the json-file driver keeps text, a line or 16 KB at a
time, and puts U+FFFD for each byte that is no UTF-8.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterable, Iterator

from app.redaction import Redactor

LONGEST = 16 * 1024
"""Bytes of a line that are kept together."""


class Source:
    """What comes on one stream: its secrets hidden, without what is stored already, in whole characters."""

    def __init__(self, secrets: Iterable[str], stored: int = 0) -> None:
        """Know the secrets, and how many bytes at the beginning, with secrets hidden, are stored already.

        In this order, for what is stored has its secrets hidden, and no place in it tells one in what was printed.
        """
        self._redactor = Redactor(secrets)
        self._stored = stored
        self._half = b""
        """The begun character."""

    def feed(self, data: bytes) -> bytes:
        """Take what came, and return what is to be stored now."""
        data = self._half + self._new(self._redactor.feed(data))
        end = whole_characters(data)
        self._half = data[end:]
        return data[:end]

    def flush(self) -> bytes:
        """Return what was held back, begun characters as they are: nothing follows."""
        rest, self._half = self._half + self._new(self._redactor.flush()), b""
        return rest

    def _new(self, data: bytes) -> bytes:
        if not self._stored:
            return data
        known = min(self._stored, len(data))
        self._stored -= known
        return data[known:]


def whole_characters(data: bytes) -> int:
    """Measure a text without the character at its end of which more bytes must follow."""
    for back in range(1, min(4, len(data) + 1)):
        width = _WIDTHS[data[-back] >> 3]
        if width:
            return len(data) - back if width > back else len(data)
    return len(data)


_WIDTHS = [1] * 16 + [0] * 8 + [2] * 4 + [3] * 2 + [4, 1]
"""Bytes of a character, by the five highest bits of its first; 0 for a byte that can not be the first."""


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
