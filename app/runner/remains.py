"""What the Engine has of an attempt, found by its labels, and its removal."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from contextlib import suppress
from uuid import UUID

from app.runner import spec
from app.runner.engine import Engine, EngineAway, EngineRefusal

logger = logging.getLogger("jobledger.runner")

PAUSES = (0.0, 0.1, 0.2, 0.4, 0.8)
"""Seconds before each try to remove what a container may be about to let go."""


class Remains:
    """Everything that bears an attempt's labels: containers, volumes, networks."""

    def __init__(self, engine: Engine, log: UUID, attempt: UUID) -> None:
        """Name the attempt, which is over."""
        self._engine = engine
        self._labels = {spec.LOG: log.hex, spec.ATTEMPT: attempt.hex}

    def clean(self) -> None:
        """Remove it; what can not be removed now will be when the runner looks around."""
        with suppress(EngineAway, EngineRefusal):
            for container in self._engine.find(self._labels):
                self._engine.remove(container.id)
            for volume in self._engine.volumes(self._labels):
                self._remove(self._engine.remove_volume, volume.id)
            for network in self._engine.networks(self._labels):
                self._remove(self._engine.remove_network, network.id)

    def _remove(self, remove: Callable[[str], None], what: str) -> None:
        for pause in PAUSES:
            time.sleep(pause)
            try:
                return remove(what)
            except EngineRefusal as refusal:
                reason = refusal
        logger.info("%s is removed later: %s", what, reason)
        return None
