"""Ctrl-C ends a command at once, wherever it is.

Python's way, an exception at whatever point the program has come to, does not do beside libraries that take locks:
raised when the HTTP client has just taken one, it leaves it taken, and the clean-up waits for it for ever; raised in a
finaliser it is lost. So nothing is raised and nothing is cleaned up. The process ends by the signal, as shells and
scripts expect it of a program that was called off.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

STDERR = 2


def ends_at_once() -> None:
    """Leave Ctrl-C to the system, until a command has its own way of ending."""
    if _is_heeded():
        signal.signal(signal.SIGINT, signal.SIG_DFL)


@contextmanager
def last_words(words: Callable[[], str]) -> Iterator[None]:
    """Say something before the end; it is asked for in the midst of anything, so it must not wait for anything."""

    def end(number: int, _frame: object) -> None:
        with suppress(OSError):  # the terminal may be gone
            os.write(STDERR, words().encode())  # not through a stream: that may be in the midst of writing
        signal.signal(number, signal.SIG_DFL)
        signal.raise_signal(number)

    if not _is_heeded():
        yield
        return
    usual = signal.signal(signal.SIGINT, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, usual)


def _is_heeded() -> bool:
    """Tell whether Ctrl-C is meant for this process: a shell starts what runs in the background deaf to it."""
    return signal.getsignal(signal.SIGINT) is not signal.SIG_IGN
