"""What is left of an attempt on the machine, and its removal."""

from __future__ import annotations

import logging
import time
from signal import SIGINT

from app.runner.processes import kin
from app.runner.processes.home import Home
from app.runner.processes.ward import Ward

logger = logging.getLogger("jobledger.runner")

LOOK = 0.02
"""Seconds between two looks at processes whose end is awaited."""
PATIENCE = 10.0
"""Seconds that they have to end."""


class Remains:
    """The folder of an attempt that is over, and what may still run of it."""

    def __init__(self, home: Home, attempt: str) -> None:
        """Name the attempt."""
        self._home = home
        self._attempt = attempt

    @property
    def is_alive(self) -> bool:
        """Whether something of it runs."""
        return any(map(_is_alive, self._home.wards()))

    def clean(self) -> None:
        """End what runs, let nothing more begin, and remove the folder; what does not go now goes later."""
        wards = [ward for ward in self._home.wards() if not ward.forbid()]
        for ward in wards:
            if keeper := ward.keeper:
                keeper.send(SIGINT)
        end = time.monotonic() + PATIENCE
        while any(map(_is_alive, wards)):
            if time.monotonic() > end:
                return logger.warning("what is left of attempt %s was killed, and does not go yet", self._attempt)
            time.sleep(LOOK)
        if any(ward.ending is None for ward in wards):
            kin.kill(self._attempt)
        return self._home.remove()


def _is_alive(ward: Ward) -> bool:
    keeper = ward.keeper
    return keeper is not None and keeper.is_alive
