"""Waiting for something to become so, with an end."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable

PATIENCE = 60.0
"""Seconds, where the time itself is not what is tested: the machine may be busy."""


def until(condition: Callable[[], object], seconds: float = PATIENCE) -> None:
    """Wait until the condition holds, or fail."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not become so in time"
        time.sleep(0.01)


def end(process: subprocess.Popen[bytes]) -> None:
    """Ask a program to end, and fail if it does not; it has ended in any case."""
    process.terminate()
    try:
        process.wait(PATIENCE)
    finally:
        process.kill()
        process.wait()
