"""Waiting for something to become so, with an end."""

from __future__ import annotations

import time
from collections.abc import Callable

PATIENCE = 30.0
"""Seconds, where the time itself is not what is tested: the machine may be busy."""


def until(condition: Callable[[], object], seconds: float = PATIENCE) -> None:
    """Wait until the condition holds, or fail."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not become so in time"
        time.sleep(0.01)
