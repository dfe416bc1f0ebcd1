"""What a runner is told to do, by its own threads or by signals."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import IntEnum

SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


class Order(IntEnum):
    """The more urgent, the greater."""

    LOOK = 0
    """There may be something to do."""
    DRAIN = 1
    """Claim no more, and end when all is done."""
    LEAVE = 2
    """End now, and leave the containers running."""


@contextmanager
def signals_heeded(drain: Callable[[], None], leave: Callable[[], None]) -> Iterator[None]:
    """Drain at the first signal, leave at the second; only a process's first thread may ask for them."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    answers = iter((drain, leave))
    before = {number: signal.signal(number, lambda *_: next(answers, leave)()) for number in SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
