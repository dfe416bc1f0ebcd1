"""Random ids, by the hundred."""

from __future__ import annotations

import os
from threading import Lock
from uuid import UUID

BLOCK = 4_096
"""Bytes fetched at a time: each fetch gives up this thread's turn, which on a busy server it waits for anew."""


class Ids:
    """Makes ids as `uuid4` does, with one call of the system for many of them; any thread may ask."""

    def __init__(self) -> None:
        """Begin with nothing in stock."""
        self._lock = Lock()
        self._stock = b""

    def next(self) -> UUID:
        """Return an id that nobody has had."""
        with self._lock:
            if not self._stock:
                self._stock = os.urandom(BLOCK)
            taken, self._stock = self._stock[:16], self._stock[16:]
        return UUID(bytes=taken, version=4)


ids = Ids()
