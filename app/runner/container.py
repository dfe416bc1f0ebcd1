"""The one container of a phase: created under its name, started at most once, gone in the end."""

from __future__ import annotations

from contextlib import suppress

from app.runner import spec
from app.runner.client import Received
from app.runner.engine import Container, Engine, EngineAway, EngineRefusal, Gone, NameTaken
from app.runner.patience import Patience
from app.runner.runtime import Work
from app.runner.signals import Signals
from app.runner.spec import Body
from app.runner.verdict import Failure, NeverRan

DOUBT = 10.0
"""Seconds in which a start that was not answered may yet show an effect."""
ABANDONED = "context canceled"
"""What the Engine says of a start when whoever asked for it died meanwhile: the container has not run."""
LOOK = 0.1
"""Seconds between two looks at a container of which something is awaited."""
RETRY = 1.0
"""Seconds until a container that could not be removed is tried again."""


class OwnContainer:
    """What a phase asks of the Engine, by the phase's own name."""

    def __init__(self, engine: Engine, work: Work, phase: str, signals: Signals) -> None:
        """Speak for one phase of one attempt of one log."""
        self._engine = engine
        self._patience = Patience(engine, signals)
        self._signals = signals
        self._mark = {spec.LOG: work.log.hex, spec.ATTEMPT: work.key}
        self._name = spec.name(work.place.attempt, phase)
        self._id = ""
        """The container's id, once it is known that it is ours."""

    def create(self, body: Body) -> Container:
        """Create the container, or find that it was created before: it does nothing yet, either way."""
        with suppress(NameTaken):
            self._patience.ask(lambda: self._engine.create(self._name, body))
        container = self.look()
        if container is None:
            msg = f"another container has the name {self._name}"
            raise NeverRan(msg)
        if container.labels.get(spec.SPEC) != body["Labels"][spec.SPEC]:
            if container.was_started:  # as one that a log from an older backup does not know: it must not run twice
                msg = "outcome unknown: its container was started before, of which the log does not tell"
                raise Failure(msg, "unknown")
            self.vanish()
            msg = "its container was created in another way than it would be now"
            raise NeverRan(msg)
        return container

    def look(self) -> Container | None:
        """Return the container, if there is one and it is the phase's."""
        with suppress(Gone):
            container = self._patience.ask(lambda: self._engine.inspect(self._name))
            if self._is_mine(container):
                self._id = container.id
                return container
        return None

    def start(self, *, heard: bool = True) -> Received | None:
        """Start the container, once and never again; return the connection to its output, if one is had and held."""
        try:
            received = self._patience.ask(lambda: self._engine.attach(self._id)) if heard else None
            return self._start(received)
        except EngineRefusal as refusal:
            if self.look() is None:
                msg = "its container was removed before it was started"
                raise NeverRan(msg) from None
            msg = f"the container can not be started: {refusal}"
            raise Failure(msg, "container") from None

    def started(self) -> Container:
        """Return the container if it was started, though nobody said so; else make sure that it never will be."""
        for _ in range(int(DOUBT / LOOK)):
            container = self.look()
            if container is None:
                msg = "outcome unknown: its container is gone"
                raise Failure(msg, "unknown")
            if container.was_started:
                return container
            if ABANDONED in container.error:
                break
            if container.error:
                msg = f"the container can not be started: {container.error}"
                raise Failure(msg, "container")
            self._signals.check()
            self._patience.pause(LOOK)
        self.vanish()  # for what is gone can not start
        msg = "the Docker Engine was asked to start its container, and did not"
        raise NeverRan(msg)

    def stop(self, grace: int) -> None:
        """Ask for the container's end."""
        with suppress(EngineRefusal):
            self._patience.ask(lambda: self._engine.stop(self._id, grace))

    def vanish(self) -> None:
        """Remove the container, whatever it does, and see that it is gone: what is gone can not start."""
        while container := self.look():
            self._remove(container.id)
            if self.look() is None:
                return
            self._patience.pause(RETRY)

    def discard(self) -> None:
        """Remove what is of no use any more; if it can not be now, it will be when the runner looks around."""
        with suppress(EngineAway, EngineRefusal):
            if self._id or self._is_mine(self._engine.inspect(self._name)):
                self._engine.remove(self._id or self._name)

    def _remove(self, container: str) -> None:
        with suppress(EngineRefusal):
            self._patience.ask(lambda: self._engine.remove(container))

    def _start(self, received: Received | None) -> Received | None:
        try:
            self._engine.start(self._id)
        except EngineAway:
            _close(received)
            self.started()
            return None
        except EngineRefusal:
            _close(received)
            raise
        return received

    def _is_mine(self, container: Container) -> bool:
        return self._mark.items() <= container.labels.items()


def _close(received: Received | None) -> None:
    if received is not None:
        received.close()
