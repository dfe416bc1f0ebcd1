"""The course of one attempt as processes of this machine."""

from __future__ import annotations

import time

from app.runner.course import PhasedCourse
from app.runner.phases import Phase
from app.runner.processes import machine, program
from app.runner.processes.home import Plate, homes
from app.runner.processes.leg import Means, ProcessLeg
from app.runner.processes.remains import Remains

MAKING_WAY = 5.0
"""Seconds that whoever holds a former attempt has to end its processes."""
LOOK = 0.1
"""Seconds between two looks at them."""


class ProcessCourse(PhasedCourse):
    """Phases as processes, in a folder of the attempt's own."""

    def __init__(self, means: Means) -> None:
        """Know whose course it is; nothing happens yet."""
        super().__init__(means.work, means.signals, means.reporter)
        self._means = means

    def clean(self) -> None:
        """End what is left of it, and remove its folder."""
        Remains(self._means.home, self._work.key).clean()

    def _walk(self) -> str:
        program.check(self._work.task)
        return super()._walk()

    def _leg(self, phase: Phase, *, tidying: bool = False) -> ProcessLeg:
        return ProcessLeg(self._means, phase, tidying=tidying)

    def _begin(self) -> None:
        """Make the attempt's folder, unless something may have been started in it."""
        work = self._work
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
            self._signals.check()
            self._signals.settle(_never, LOOK)
            if time.monotonic() > end:
                for other in others:
                    other.clean()  # whoever held it is not there to do it

    def _others(self) -> list[Remains]:
        work = self._work
        mine = (work.log, work.place.job, work.path)
        return [
            Remains(home, plate.attempt.hex)
            for home, plate in homes(self._means.home.folder.parent)
            if (plate.log, plate.job, plate.path) == mine and plate.attempt != work.place.attempt
        ]


def _never() -> bool:
    return False
