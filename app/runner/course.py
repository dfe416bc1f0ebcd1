"""The course of one attempt, phase after phase, on whatever runs them: from any point of it to a verdict."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection
from contextlib import AbstractContextManager, nullcontext

from app.runner import phases
from app.runner.leg import Leg
from app.runner.limits import task_limit
from app.runner.phases import Phase
from app.runner.reporter import Reporter
from app.runner.runtime import Work
from app.runner.signals import Cancelled, Signals, TimedOut
from app.runner.verdict import CalledOff, Failure, NeverRan, Verdict, completed, failed, lost, stopped
from domain.job import TaskStatus


class PhasedCourse(ABC):
    """Walks through all phases; after a crash again, and what was announced is found and taken up as it is."""

    def __init__(self, work: Work, signals: Signals, reporter: Reporter) -> None:
        """Know whose course it is; nothing happens yet."""
        self._work = work
        self._signals = signals
        self._reporter = reporter
        self._limit = task_limit(work)
        self._announced: Collection[str] = ()

    def run(self, status: TaskStatus, announced: Collection[str]) -> Verdict:
        """Go on from what the log says, to a verdict."""
        self._announced = announced
        try:
            if status is TaskStatus.CANCELLED:
                return stopped(self._call_off())
            return completed(self._walk())
        except NeverRan as reason:
            return lost(reason)
        except Failure as failure:
            return failed(failure)
        except CalledOff as end:
            return stopped(end.exit_code)
        except Cancelled:
            return stopped()

    @abstractmethod
    def clean(self) -> None:
        """Remove what is left of the attempt, as far as it can be now."""

    @abstractmethod
    def _leg(self, phase: Phase, *, tidying: bool = False) -> Leg:
        """Take a phase upon itself, which may only be to tidy up after a failure."""

    @abstractmethod
    def _begin(self) -> None:
        """Make what all phases need, unless it was made before a crash."""

    def _beside(self) -> AbstractContextManager[None]:
        """Have run, meanwhile, what runs beside the task's own phase."""
        return nullcontext()

    def _walk(self) -> str:
        """Return the result, if all phases end well; those that tidy up after failures run in any case."""
        failure, result = None, ""
        try:
            result = self._to_result()
        except Failure as reason:
            failure = reason
        for phase in phases.after(self._work.task):
            if failure is None or phase.is_for_failures:
                failure = self._to_end(phase, failure)
        if failure is not None:
            raise failure
        return result

    def _to_result(self) -> str:
        try:
            self._signals.limit(self._limit and self._limit.at)
            self._begin()
            for phase in phases.before(self._work.task):
                self._run(phase)
            with self._beside():
                return self._run(phases.own(self._work.task)).result()
        except TimedOut:  # between two phases
            if self._limit is None:
                raise
            raise self._limit.failure() from None
        except NeverRan as reason:
            if not self._has_run():
                raise
            raise _half_run(reason) from None

    def _to_end(self, phase: Phase, failure: Failure | None) -> Failure | None:
        """Run a phase after the task's own; return the first failure, which may be an earlier one."""
        try:
            self._run(phase, tidying=failure is not None)
        except Failure as reason:
            return failure or reason
        except NeverRan as reason:
            return failure or _half_run(reason)
        return failure

    def _run(self, phase: Phase, *, tidying: bool = False) -> Leg:
        leg = self._leg(phase, tidying=tidying)
        leg.run(announced=phase.name in self._announced)
        return leg

    def _has_run(self) -> bool:
        """Tell whether something of the attempt ran, or may have: of what was announced, all but the last did."""
        return self._reporter.has_started or len(self._announced) > 1

    def _call_off(self) -> int | None:
        """See to what is left of an attempt that was cancelled while no runner was there; return its exit code."""
        self._signals.cancelled = self._signals.cancelled or self._work.claim.position
        exit_code = None
        for phase in phases.in_turn(self._work.task):
            if phase.name in self._announced:
                exit_code = self._leg(phase).call_off()
        return exit_code


def _half_run(reason: NeverRan) -> Failure:
    return Failure(f"outcome unknown: {reason}, and what ran before it must not run again", "unknown")
