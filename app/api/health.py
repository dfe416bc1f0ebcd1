"""Whether the service can do its work: write to the log, and keep its views up to date."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from time import monotonic

from eventsourcing.persistence import PersistenceError

from app.log import Log
from app.views import Views

FRESH = 1.0
"""Seconds for which a look at the log counts; more often it is not asked to write."""
PATIENCE = 2.0
"""Seconds that a write may take in good health."""


class Health:
    """Looks whether the log takes writes, no more than once a second however often it is asked."""

    def __init__(self, log: Log, views: Views) -> None:
        """Watch over one process's log and views."""
        self._log = log
        self._views = views
        self._looked = -FRESH
        self._trouble = ""
        self._look: asyncio.Task[None] | None = None
        self._thread = ThreadPoolExecutor(1, "health")
        """Of its own, so that no other work keeps it waiting."""

    async def trouble(self) -> str:
        """Say what is wrong; empty in good health."""
        if monotonic() - self._looked >= FRESH and self._look is None:
            self._look = asyncio.create_task(self._probe())
        if self._look is not None:
            await asyncio.wait([self._look], timeout=PATIENCE)
        if self._look is not None:
            return f"the log can not be written: no answer in {PATIENCE:g} seconds"
        return self._trouble or (self._views.failure and f"the views can not follow the log: {self._views.failure}")

    async def _probe(self) -> None:
        try:
            await asyncio.get_running_loop().run_in_executor(self._thread, self._log.recorder.probe)
            self._trouble = ""
        except PersistenceError as error:
            self._trouble = f"the log can not be written: {error}"
        finally:
            self._looked = monotonic()
            self._look = None
