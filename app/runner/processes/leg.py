"""One leg of a course: a phase as a process, from any point of it to its end."""

from __future__ import annotations

from signal import SIGINT, SIGTERM
from signal import Signals as Number
from typing import NamedTuple

from app.log.log import now
from app.output import RUNNER
from app.runner.leg import Leg
from app.runner.phases import Phase
from app.runner.processes import kin, program
from app.runner.processes.home import Home
from app.runner.processes.lookout import Lookout
from app.runner.reporter import Reporter
from app.runner.runtime import Work
from app.runner.signals import Cancelled, Signals, TimedOut
from app.runner.tools import Tools
from app.runner.verdict import TAIL, CalledOff, Failure, exited

STOPPING = 5.0
"""Seconds until a warden that was asked to end its program is asked again."""


class Means(NamedTuple):
    """What all legs of a course work with."""

    work: Work
    tools: Tools
    signals: Signals
    reporter: Reporter
    home: Home

    def say(self, line: str) -> None:
        """Add a line of the runner's own to the attempt's output."""
        self.tools.output.append(self.work.key, RUNNER, f"{line}\n".encode())


class ProcessLeg(Leg):
    """One phase as a process."""

    def __init__(self, means: Means, phase: Phase, *, tidying: bool = False) -> None:
        """Name what runs, and whether it only tidies up after a failure."""
        super().__init__(means.work, phase, means.signals, means.home.exchange(phase), tidying=tidying)
        self._means = means
        self._ward = means.home.ward(phase)

    def run(self, *, announced: bool) -> None:
        """Bring the phase to its end from wherever it is; whatever is not a good end is raised."""
        try:
            self._allow(now(), has_ended=self._ward.ending is not None)
            if not announced:
                self._announce()
            self._follow(SIGTERM, announced=announced)
        except TimedOut:  # before it was started
            if self._limit is None:
                raise
            raise self._limit.failure() from None
        except Failure as failure:
            raise failure.titled(self._phase.title) from None

    def call_off(self) -> int | None:
        """See to what is left of a phase that was called off while no runner was there; return its exit code."""
        if self._means.home.plate is None or self._ward.forbid():
            return None
        try:
            self._follow(SIGINT, announced=True)
        except (CalledOff, Failure) as end:
            return end.exit_code
        return 0

    def _announce(self) -> None:
        """Make ready, and announce the start, which is nobody's business but ours until then."""
        self._signals.check()
        program.prepare(self._phase, self._exchange)
        self._ward.prepare()
        self._means.reporter.intend(self._phase.name, f"{self._means.work.key}{self._phase.dotted}")
        self._signals.check()

    def _follow(self, number: Number, *, announced: bool) -> None:
        """Watch a program that runs, or did, or now will, to its end; if need be its warden is sent a signal."""
        work, output = self._means.work, self._means.tools.output
        if announced and self._ward.keeper is None and not self._means.home.is_sure:
            raise self._unsure()
        with Lookout(self._ward, (output, work.key), self._signals, self._phase.name) as lookout:
            if announced:
                output.resume(work.key, self._phase.name, is_exact=True)
            if self._ward.keeper is None:  # which after a crash another warden may yet become: only one starts it
                self._start()
            lookout.start()
            self._attend(lookout, number)
        self._judge(lookout)

    def _start(self) -> None:
        described = program.process(self._phase, self._means.work, self._exchange.folder)
        try:
            self._ward.start(described, program.environment())
        except OSError as error:
            msg = f"the program can not be started: {error.strerror}"
            raise Failure(msg, "container") from None

    def _attend(self, lookout: Lookout, number: Number) -> None:
        try:
            self._wait(lookout)
        except (Cancelled, TimedOut) as reason:
            self._end(lookout, number)
            exit_code = lookout.ending.exit_code if lookout.ending else None
            if self._limit and isinstance(reason, TimedOut):
                raise self._limit.failure(exit_code) from None
            raise CalledOff(exit_code) from None

    def _wait(self, lookout: Lookout) -> None:
        self._signals.wait(lambda: lookout.began is not None or lookout.ended)
        if lookout.began:
            self._means.reporter.started(lookout.began)
            self._allow(lookout.began, has_ended=self._ward.ending is not None)
        self._outlast(lambda: lookout.ended, self._means.reporter, self._means.say)

    def _end(self, lookout: Lookout, number: Number) -> None:
        """See that the phase ends, or never begins."""
        while True:
            if not self._ward.forbid() and (keeper := self._ward.keeper):
                keeper.send(number)
            if self._signals.settle(lambda: lookout.ended, STOPPING):
                break
        self._see_to_kin(lookout)

    def _see_to_kin(self, lookout: Lookout) -> None:
        """Kill what is left of a program whose warden was killed."""
        if lookout.ending is None and lookout.began:
            kin.kill(self._means.work.key)

    def _judge(self, lookout: Lookout) -> None:
        """Judge a program that ended by itself."""
        if lookout.error is not None:
            raise lookout.error
        if lookout.ending is None:
            raise self._lost(lookout)
        at, exit_code, error = lookout.ending
        if self._limit and at >= self._limit.at:
            raise self._limit.failure(exit_code)
        if error:
            msg = f"the program can not be started: {error}"
            raise Failure(msg, "container")
        if exit_code:
            last = self._means.tools.output.last(self._means.work.key, TAIL, self._phase.name)
            raise exited(exit_code, last)

    def _lost(self, lookout: Lookout) -> Failure:
        """Judge a program of which no warden tells how it ended."""
        self._see_to_kin(lookout)
        if lookout.began:
            return _unknown("its warden was killed") if self._means.home.is_sure else self._unsure()
        self._ward.forbid()
        return Failure(f"the program can not be started: {self._ward.trouble or 'its warden ended'}", "container")

    def _unsure(self) -> Failure:
        return _unknown("the machine was started anew" if self._means.home.plate else "its folder is gone")


def _unknown(reason: str) -> Failure:
    return Failure(f"outcome unknown: {reason}", "unknown")
