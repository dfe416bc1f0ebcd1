"""Hiding secrets in what a program prints, however it is cut into pieces."""

from __future__ import annotations

from collections.abc import Iterable

from domain.secrets import REDACTED, hidden, needles

MARK = REDACTED.encode()


class Redactor:
    """One stream. Of what was printed only an end is held back with which a secret could begin."""

    def __init__(self, values: Iterable[str]) -> None:
        """Know the secrets; without any it costs nothing."""
        self._needles = needles(values)
        self._held = b""
        self._hidden = 0
        """Bytes held back that are hidden already: a secret ended in them while another one may have begun."""

    def feed(self, data: bytes) -> bytes:
        """Take what was printed, and return what may be stored by now."""
        if not self._needles:
            return data
        data = self._held + data
        return self._decide(data, len(data) - _begun(data, self._needles))

    def flush(self) -> bytes:
        """Return what was held back: nothing follows."""
        return self._decide(self._held, len(self._held))

    def _decide(self, data: bytes, end: int) -> bytes:
        """Return the beginning of some data, its secrets hidden, and hold the rest back."""
        shown, at = [], self._hidden
        for start, stop in hidden(data, self._needles):
            if start >= end:
                break
            if start >= at:  # otherwise it goes on with what is hidden already
                shown += [data[at:start], MARK]
            at = max(at, stop)
        shown.append(data[at:end])
        self._held, self._hidden = data[end:], max(0, at - end)
        return b"".join(shown)


def _begun(data: bytes, sought: Iterable[bytes]) -> int:
    """Measure the longest end of some data with which something that is sought begins, and is not over yet."""
    longest = 0
    for needle in sought:
        start = max(0, len(data) - len(needle) + 1)
        while (start := data.find(needle[:1], start, len(data) - longest)) >= 0:
            if needle.startswith(data[start:]):
                longest = len(data) - start
                break
            start += 1
    return longest
