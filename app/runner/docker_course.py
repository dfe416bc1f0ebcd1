"""The course of one attempt on a Docker Engine."""

from __future__ import annotations

from contextlib import AbstractContextManager

from app.runner import phases
from app.runner.course import PhasedCourse
from app.runner.docker_leg import DockerLeg, Means
from app.runner.exchange import Exchange
from app.runner.phases import Phase
from app.runner.remains import Remains
from app.runner.sidecars import Sidecars


class DockerCourse(PhasedCourse):
    """Phases in containers, with sidecars beside the task's own."""

    def __init__(self, means: Means) -> None:
        """Know whose course it is; nothing happens yet."""
        super().__init__(means.work, means.signals, means.reporter)
        self._means = means
        self._own = DockerLeg(means, phases.own(means.work.task))
        self._sidecars = Sidecars(means)

    def clean(self) -> None:
        """Remove what the attempt has on the Engine and in the runner's folder, as far as it can be now."""
        work, task = self._work, self._work.task
        if task.pre or task.post or task.sidecars or task.mounts:
            Remains(self._means.engine, work.log, work.place.attempt).clean()
        else:
            self._own.container.discard()
        for phase in phases.each(task):
            Exchange(self._means.folder(phase)).remove()

    def _leg(self, phase: Phase, *, tidying: bool = False) -> DockerLeg:
        return self._own if phase.name == phases.OWN else DockerLeg(self._means, phase, tidying=tidying)

    def _begin(self) -> None:
        if self._work.may_follow and not self._announced:
            self._means.surroundings.make_way()
        if phases.OWN not in self._announced:
            self._means.surroundings.prepare()

    def _beside(self) -> AbstractContextManager[None]:
        return self._sidecars.beside(self._announced)

    def _call_off(self) -> int | None:
        exit_code = super()._call_off()
        self._sidecars.end()
        return exit_code
