"""One leg of a course: a phase in its container, from any point of it to its end."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from app.log.log import now
from app.output import RUNNER
from app.runner import spec
from app.runner.client import Received
from app.runner.container import OwnContainer
from app.runner.credentials import credentials
from app.runner.engine import Container, Engine, EngineAway, EngineRefusal, ImageAbsent
from app.runner.exchange import WORKDIR, Exchange
from app.runner.images import Audience, Images
from app.runner.leg import Leg
from app.runner.patience import Patience
from app.runner.phases import Phase
from app.runner.reporter import Reporter
from app.runner.runtime import Work
from app.runner.signals import Cancelled, Signals, TimedOut
from app.runner.surroundings import Surroundings
from app.runner.tools import Tools
from app.runner.verdict import TAIL, CalledOff, Failure, exited
from app.runner.watch import Watch

PULLS = 2
"""How often an image is fetched for a phase: it may be removed in between, but not for ever."""
STOPPING = 5.0
"""Seconds until a container that was asked to end is asked again."""


class Means(NamedTuple):
    """What all legs of a course work with."""

    patience: Patience
    images: Images
    work: Work
    tools: Tools
    signals: Signals
    reporter: Reporter
    surroundings: Surroundings

    @property
    def engine(self) -> Engine:
        """The Engine itself, for who can do without patience."""
        return self.patience.engine

    def folder(self, phase: Phase) -> Path:
        """Return the folder that a phase shares with its container."""
        return self.tools.folder / f"{self.work.key}{phase.dotted}"

    def say(self, line: str) -> None:
        """Add a line of the runner's own to the attempt's output."""
        self.tools.output.append(self.work.key, RUNNER, f"{line}\n".encode())


class Begun(NamedTuple):
    """A container that was started."""

    id: str
    at: datetime
    attached: Received | None = None
    """The connection to its output, if there is one."""
    ended: datetime | None = None
    """When it had ended, if it was found so."""


class DockerLeg(Leg):
    """One phase in its container."""

    def __init__(self, means: Means, phase: Phase, *, tidying: bool = False) -> None:
        """Name what runs, and whether it only tidies up after a failure."""
        super().__init__(means.work, phase, means.signals, Exchange(means.folder(phase)), tidying=tidying)
        self._means = means
        self.container = OwnContainer(means.engine, means.work, phase.name, means.signals)

    def run(self, *, announced: bool) -> None:
        """Bring the phase to its end from wherever it is; whatever is not a good end is raised."""
        with self.ending():
            self._follow(self.begin(announced=announced))

    @contextmanager
    def ending(self) -> Iterator[None]:
        """See that a phase which was given up can not begin any more, and that a failure says whose it is."""
        try:
            yield
        except Cancelled:
            self.container.vanish()
            raise
        except TimedOut:
            self.container.vanish()
            if self._limit is None:
                raise
            raise self._limit.failure() from None
        except Failure as failure:
            raise failure.titled(self._phase.title) from None

    def begin(self, *, announced: bool, heard: bool = True) -> Begun:
        """Start the phase, or find that it was started: once and never again, either way."""
        self._allow(now())
        if announced:
            container = self.container.started()
            return Begun(container.id, container.began, ended=container.ended)
        container = self._prepare()
        self._signals.check()
        self._means.reporter.intend(self._phase.name, container.id, container.image)
        self._signals.check()
        if container.was_started:  # by another's hand: to start it again would be to run it twice
            return Begun(container.id, container.began, ended=container.ended)
        self._means.surroundings.check()
        attached = self.container.start(heard=heard)
        return Begun(container.id, now(), attached)

    def call_off(self) -> int | None:
        """See to what is left of a phase that was called off while no runner was there; return its exit code."""
        container = self.container.look()
        if container is None or not container.was_started:
            self.container.vanish()
            return None
        try:
            self._follow(Begun(container.id, container.began, ended=container.ended))
        except (CalledOff, Failure) as end:
            return end.exit_code
        return 0

    def _prepare(self) -> Container:
        """Create the container, ready to be started."""
        given, inside = self._phase.program.files, spec.workdir(self._phase)
        are_shared = inside == WORKDIR
        self._exchange.create(self._phase.program.run, given if are_shared else {})
        container = self._create()
        self._means.images.used(container.image)
        self._means.surroundings.connect(container, self._phase)
        if given and not are_shared:
            self._means.surroundings.put(container, given, inside)
        return container

    def _create(self) -> Container:
        """Create the container, with its image fetched first if need be."""
        surroundings = self._means.surroundings
        body = spec.body(self._phase, self._means.work, self._exchange.folder, surroundings.host(self._phase))
        for _ in range(PULLS + 1):
            self._signals.check()
            surroundings.check()
            try:
                return self.container.create(body)
            except ImageAbsent:
                self._fetch()
            except EngineRefusal as refusal:
                msg = f"the container can not be created: {refusal}"
                raise Failure(msg, "container") from None
        msg = f"the image {self._phase.program.image} was fetched, and yet is not there"
        raise Failure(msg, "image")

    def _fetch(self) -> None:
        means, program = self._means, self._phase.program
        audience = Audience(means.work.key, means.say, means.signals)
        while True:
            try:
                return means.images.fetch(program.image, credentials(program.image, program.registry), audience)
            except EngineAway:
                means.patience.await_engine()
            except EngineRefusal as refusal:
                msg = f"the image {program.image} can not be pulled: {refusal}"
                raise Failure(msg, "image") from None

    def _follow(self, begun: Begun) -> None:
        """Watch a container that runs, or did, to its end."""
        grace = 0 if self._signals.cancelled else spec.GRACE
        self._allow(begun.at, has_ended=begun.ended is not None)
        watch = self._watch(begun)
        self._means.reporter.started(begun.at)
        try:
            self._outlast(lambda: watch.ended, self._means.reporter, self._means.say)
        except (Cancelled, TimedOut) as reason:
            self._end(watch, grace)
            if self._limit and isinstance(reason, TimedOut):
                raise self._limit.failure(watch.exit_code) from None
            raise CalledOff(watch.exit_code) from None
        if self._limit and begun.ended and begun.ended >= self._limit.at:
            raise self._limit.failure(watch.exit_code)
        self._judge(watch)

    def _watch(self, begun: Begun) -> Watch:
        output = (self._means.tools.output, self._means.work.key)
        watch = Watch(self._means.engine, begun.id, output, self._signals, self._phase.name)
        watch.attached = begun.attached
        watch.start()
        return watch

    def _end(self, watch: Watch, grace: int) -> None:
        self.container.stop(grace)
        while not self._signals.settle(lambda: watch.ended, STOPPING):
            self.container.stop(grace)

    def _judge(self, watch: Watch) -> None:
        """Judge a container that ended by itself."""
        if watch.error is not None:
            raise watch.error
        if watch.exit_code is None:
            msg = "outcome unknown: its container is gone"
            raise Failure(msg, "unknown")
        if watch.exit_code:
            raise self._exited(watch.exit_code, engine_was_away=watch.engine_was_away)

    def _exited(self, exit_code: int, *, engine_was_away: bool) -> Failure:
        last = self._means.tools.output.last(self._means.work.key, TAIL, self._phase.name)
        container = self.container.look()
        oom_killed, memory = (container.oom_killed, container.memory) if container else (False, 0)
        return exited(exit_code, last, oom_killed=oom_killed, memory=memory, engine_was_away=engine_was_away)
