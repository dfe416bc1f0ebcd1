"""The course of one attempt on a Docker Engine: its phases, one after another, from any point of it to a verdict."""

from __future__ import annotations

from collections.abc import Collection

from app.runner import phases
from app.runner.exchange import Exchange
from app.runner.leg import Leg, Means
from app.runner.limits import task_limit
from app.runner.phases import Phase
from app.runner.remains import Remains
from app.runner.sidecars import Sidecars
from app.runner.signals import Cancelled, TimedOut
from app.runner.verdict import CalledOff, Failure, NeverRan, Verdict, completed, failed, lost, stopped
from domain.job import TaskStatus


class DockerCourse:
    """Walks through all phases; after a crash again, and what was announced is found and taken up as it is."""

    def __init__(self, means: Means) -> None:
        """Know whose course it is; nothing happens yet."""
        self._means = means
        self._task = means.work.task
        self._limit = task_limit(means.work)
        self._own = Leg(means, phases.own(self._task))
        self._sidecars = Sidecars(means)
        self._announced: Collection[str] = ()

    def run(self, status: TaskStatus, announced: Collection[str]) -> Verdict:
        """Go on from what the log says, to a verdict."""
        self._announced = announced
        try:
            if status is TaskStatus.CANCELLED:
                return self._call_off()
            return completed(self._walk())
        except NeverRan as reason:
            return lost(reason)
        except Failure as failure:
            return failed(failure)
        except CalledOff as end:
            return stopped(end.exit_code)
        except Cancelled:
            return stopped()

    def clean(self) -> None:
        """Remove what the attempt has on the Engine and in the runner's folder, as far as it can be now."""
        work, task = self._means.work, self._task
        if task.pre or task.post or task.sidecars or task.mounts:
            Remains(self._means.engine, work.log, work.place.attempt).clean()
        else:
            self._own.container.discard()
        for phase in phases.each(task):
            Exchange(self._means.folder(phase)).remove()

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
            with self._sidecars.beside(self._announced):
                self._own.run(announced=phases.OWN in self._announced)
                return self._own.result()
        except TimedOut:  # between two phases
            if self._limit is None:
                raise
            raise self._limit.failure() from None
        except NeverRan as reason:
            if not self._has_run():
                raise
            raise _half_run(reason) from None

    def _begin(self) -> None:
        self._means.signals.limit(self._limit and self._limit.at)
        if self._means.work.may_follow and not self._announced:
            self._means.surroundings.make_way()
        if phases.OWN not in self._announced:
            self._means.surroundings.prepare()

    def _to_end(self, phase: Phase, failure: Failure | None) -> Failure | None:
        """Run a phase after the task's own; return the first failure, which may be an earlier one."""
        try:
            self._run(phase, tidying=failure is not None)
        except Failure as reason:
            return failure or reason
        except NeverRan as reason:
            return failure or _half_run(reason)
        return failure

    def _run(self, phase: Phase, *, tidying: bool = False) -> None:
        Leg(self._means, phase, tidying=tidying).run(announced=phase.name in self._announced)

    def _has_run(self) -> bool:
        """Tell whether something of the attempt ran, or may have: of what was announced, all but the last did."""
        return self._means.reporter.has_started or len(self._announced) > 1

    def _call_off(self) -> Verdict:
        """See to what is left of an attempt that was cancelled while no runner was there."""
        signals = self._means.signals
        signals.cancelled = signals.cancelled or self._means.work.claim.position
        exit_code = None
        for phase in phases.in_turn(self._task):
            if phase.name in self._announced:
                exit_code = Leg(self._means, phase).call_off()
        self._sidecars.end()
        return stopped(exit_code)


def _half_run(reason: NeverRan) -> Failure:
    return Failure(f"outcome unknown: {reason}, and what ran before it must not run again", "unknown")
