"""Ends a process with the one that started it, also when that one was killed and could say nothing.

The parent keeps the writing end of a pipe and never writes. When it is gone, however it went, the pipe is at its end.
"""

from __future__ import annotations

import os
import threading

PARENT_GONE = 1
"""The exit code; nobody is there to see it."""


def hold(descriptor: int | None) -> None:
    """End this process at once when the parent is gone; without a pipe there is no parent to heed."""
    if descriptor is not None:
        threading.Thread(target=_wait, args=[descriptor], name="lifeline", daemon=True).start()


def _wait(descriptor: int) -> None:
    while os.read(descriptor, 1):
        pass
    os._exit(PARENT_GONE)  # no clean-up: this is a crash, and the log is made for crashes
