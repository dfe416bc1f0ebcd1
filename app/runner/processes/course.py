"""The course of one attempt as processes: its phases, one after another, from any point of it to a verdict."""

from __future__ import annotations

import time
from collections.abc import Collection

from app.runner import phases
from app.runner.limits import task_limit
from app.runner.phases import Phase
from app.runner.processes import machine, program
from app.runner.processes.home import Plate, homes
from app.runner.processes.leg import Means, ProcessLeg
from app.runner.processes.remains import Remains
from app.runner.signals import Cancelled, TimedOut
from app.runner.verdict import CalledOff, Failure, Verdict, completed, failed, stopped
from domain.job import TaskStatus

MAKING_WAY = 5.0
"""Seconds that whoever holds a former attempt has to end its processes."""
LOOK = 0.1
"""Seconds between two looks at them."""


class ProcessCourse:
    """Walks through all phases; after a crash again, and what was announced is found and taken up as it is."""

    def __init__(self, means: Means) -> None:
        """Know whose course it is; nothing happens yet."""
        self._means = means
        self._task = means.work.task
        self._limit = task_limit(means.work)
        self._announced: Collection[str] = ()

    def run(self, status: TaskStatus, announced: Collection[str]) -> Verdict:
        """Go on from what the log says, to a verdict."""
        self._announced = announced
        try:
            if status is TaskStatus.CANCELLED:
                return stopped(self._call_off())
            program.check(self._task)
            return completed(self._walk())
        except Failure as failure:
            return failed(failure)
        except CalledOff as end:
            return stopped(end.exit_code)
        except Cancelled:
            return stopped()

    def clean(self) -> None:
        """End what is left of it, and remove its folder."""
        Remains(self._means.home, self._means.work.key).clean()

    def _walk(self) -> str:
        """Return the result, if all phases end well; those that tidy up after failures run in any case."""
        failure, result = None, ""
        try:
            result = self._to_result()
        except Failure as reason:
            failure = reason
        for phase in phases.after(self._task):
            if failure is None or phase.is_for_failures:
                failure = self._to_end(phase, failure)
        if failure is not None:
            raise failure
        return result

    def _to_result(self) -> str:
        try:
            self._begin()
            for phase in phases.before(self._task):
                self._run(phase)
            return self._run(phases.own(self._task)).result()
        except TimedOut:  # between two phases
            if self._limit is None:
                raise
            raise self._limit.failure() from None

    def _to_end(self, phase: Phase, failure: Failure | None) -> Failure | None:
        """Run a phase after the task's own; return the first failure, which may be an earlier one."""
        try:
            self._run(phase, tidying=failure is not None)
        except Failure as reason:
            return failure or reason
        return failure

    def _run(self, phase: Phase, *, tidying: bool = False) -> ProcessLeg:
        leg = ProcessLeg(self._means, phase, tidying=tidying)
        leg.run(announced=phase.name in self._announced)
        return leg

    def _begin(self) -> None:
        """Make the attempt's folder, unless something may have been started in it."""
        work = self._means.work
        self._means.signals.limit(self._limit and self._limit.at)
        if self._announced:
            return
        if work.may_follow:
            self._make_way()
        plate = Plate(work.log, work.place.job, work.place.attempt, work.path, machine.boot())
        self._means.home.create(plate)

    def _make_way(self) -> None:
        """See that nothing of a former attempt runs: two of one task must not run side by side."""
        end = time.monotonic() + MAKING_WAY
        while others := [each for each in self._others() if each.is_alive]:
            self._means.signals.check()
            self._means.signals.settle(_never, LOOK)
            if time.monotonic() > end:
                for other in others:
                    other.clean()  # whoever held it is not there to do it

    def _others(self) -> list[Remains]:
        work = self._means.work
        mine = (work.log, work.place.job, work.path)
        return [
            Remains(home, plate.attempt.hex)
            for home, plate in homes(self._means.home.folder.parent)
            if (plate.log, plate.job, plate.path) == mine and plate.attempt != work.place.attempt
        ]

    def _call_off(self) -> int | None:
        """See to what is left of an attempt that was cancelled while no runner was there; return its exit code."""
        signals = self._means.signals
        signals.cancelled = signals.cancelled or self._means.work.claim.position
        exit_code = None
        for phase in phases.in_turn(self._task):
            if phase.name in self._announced:
                exit_code = ProcessLeg(self._means, phase).call_off()
        return exit_code


def _never() -> bool:
    return False
