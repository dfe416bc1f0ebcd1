"""Processes that lost their warden: they are known by the attempt's id, which they have in their environment."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from pathlib import Path
from signal import SIGKILL

from app.runner.processes import warden

logger = logging.getLogger("jobledger.runner")

MARK = "JOBLEDGER_ATTEMPT_ID"
PAUSE = 0.02
PATIENCE = 10.0
"""Seconds for processes to go that were killed."""


def kill(attempt: str) -> None:
    """Kill all that come from an attempt, also when their parents are gone."""
    end = time.monotonic() + PATIENCE
    while [each for each in _find(attempt) if warden.send(*each, SIGKILL)]:
        if time.monotonic() > end:
            logger.warning("processes of attempt %s were killed, and do not go", attempt)
            return
        time.sleep(PAUSE)


def _find(attempt: str) -> Iterator[tuple[int, int]]:
    sought = f"{MARK}={attempt}".encode()
    for path in Path("/proc").glob("[0-9]*"):
        pid = int(path.name)
        since = warden.begun(pid)
        if since and sought in _environment(path):
            yield pid, since


def _environment(path: Path) -> list[bytes]:
    try:
        return (path / "environ").read_bytes().split(b"\0")
    except OSError:  # it has ended, or is someone else's
        return []
