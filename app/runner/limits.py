"""How long the programs of an attempt may run."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import NamedTuple

from app.runner.phases import Phase
from app.runner.runtime import Work
from app.runner.verdict import Failure
from domain.amounts import parse_duration

TIDYING = "1m"
"""What a post task has after a failure, when it does not say otherwise: the time of the task itself may be over."""


class Limit(NamedTuple):
    """The end of some time."""

    at: datetime
    error: str
    """What there is to say when it is over."""

    def failure(self, exit_code: int | None = None) -> Failure:
        """Say that it is over."""
        return Failure(self.error, "timeout", exit_code)


def task_limit(work: Work) -> Limit | None:
    """Return the end of a task's time, which begins with the claim and is that of all its phases and images."""
    return _limit(work.claim.at, work.task.timeout)


def own_limit(phase: Phase, began: datetime) -> Limit | None:
    """Return the end of the time that a phase was given for itself."""
    return _limit(began, phase.program.timeout, phase.title) if phase.name else None


def phase_limit(work: Work, phase: Phase, began: datetime, *, tidying: bool) -> Limit | None:
    """Return the end of a phase's time: its own or the task's, whichever is first; after a failure only its own."""
    if tidying:
        return _limit(began, phase.program.timeout or TIDYING, phase.title)
    return min((each for each in (task_limit(work), own_limit(phase, began)) if each), default=None)


def _limit(began: datetime, timeout: str, title: str = "") -> Limit | None:
    if not timeout:
        return None
    error = f"{title}: timed out after {timeout}" if title else f"timed out after {timeout}"
    return Limit(began + timedelta(seconds=parse_duration(timeout)), error)
