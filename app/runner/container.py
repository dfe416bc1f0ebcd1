"""The one container of an attempt: created under its name, started at most once, gone in the end.

Whatever the Engine does meanwhile: who asks here gets an answer, when the Engine is back.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, TypeVar
from uuid import UUID

from app.runner import spec
from app.runner.client import Received
from app.runner.engine import Container, Engine, EngineAway, EngineRefusal, Found, Gone, NameTaken
from app.runner.signals import Left, Signals
from app.runner.verdict import Failure, NeverRan
from projections.queue import Place

DOUBT = 10.0
"""Seconds in which a start that was not answered may yet show an effect."""
LOOK = 0.1
"""Seconds between two looks at a container of which something is awaited."""
RETRY = 1.0
"""Seconds until a container that could not be removed is tried again."""
MAKING_WAY = 5.0
"""Seconds that whoever holds a former attempt has to remove its container."""

T = TypeVar("T")


class OwnContainer:
    """What an attempt asks of the Engine, by the attempt's own name."""

    def __init__(self, engine: Engine, log: UUID, place: Place, signals: Signals) -> None:
        """Speak for one attempt of one log."""
        self._engine = engine
        self._log = log.hex
        self._place = place
        self._signals = signals
        self._name = spec.name(place.attempt)
        self._id = ""
        """The container's id, once it is known that it is ours."""

    def make_way(self) -> None:
        """See that no container of a former attempt is left: two of one task must not run side by side."""
        tries = int(MAKING_WAY / LOOK)
        while others := self._others():
            self._signals.check()
            self._signals.settle(_never, LOOK)
            tries -= 1
            for other in others if tries < 0 else ():
                self._remove(other.id)  # whoever held it is not there to do it

    def create(self, body: Mapping[str, Any]) -> Container:
        """Create the container, or find that it was created before: it does nothing yet, either way."""
        with suppress(NameTaken):
            self._ask(lambda: self._engine.create(self._name, body))
        container = self.look()
        if container is None:
            msg = f"another container has the name {self._name}"
            raise NeverRan(msg)
        if container.labels.get(spec.SPEC) != body["Labels"][spec.SPEC]:
            self.vanish()
            msg = "its container was created in another way than it would be now"
            raise NeverRan(msg)
        return container

    def look(self) -> Container | None:
        """Return the container, if there is one and it is the attempt's."""
        with suppress(Gone):
            container = self._ask(lambda: self._engine.inspect(self._name))
            if self._is_mine(container):
                self._id = container.id
                return container
        return None

    def start(self) -> Received | None:
        """Start the container, once and never again; return the connection to its output, if that has held."""
        try:
            received = self._ask(lambda: self._engine.attach(self._id))
            return self._start(received)
        except Gone:
            msg = "its container was removed before it was started"
            raise NeverRan(msg) from None
        except EngineRefusal as refusal:
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
            self._signals.check()
            self._signals.settle(_never, LOOK)
        self.vanish()
        msg = "the Docker Engine was asked to start its container, and did not"
        raise NeverRan(msg)

    def stop(self, grace: int) -> None:
        """Ask for the container's end."""
        with suppress(EngineRefusal):
            self._ask(lambda: self._engine.stop(self._id, grace))

    def vanish(self) -> None:
        """Remove the container, whatever it does, and see that it is gone: what is gone can not start."""
        while container := self.look():
            self._remove(container.id)
            if self.look() is None:
                return
            self._signals.settle(_never, RETRY)

    def discard(self) -> None:
        """Remove what is of no use any more; if it can not be now, it will be when the runner looks around."""
        with suppress(EngineAway, EngineRefusal):
            if self._id or self._is_mine(self._engine.inspect(self._name)):
                self._engine.remove(self._id or self._name)

    def await_engine(self) -> None:
        """Wait until the Engine is there."""
        while not self._engine.is_there.wait(1):
            if self._signals.left:
                raise Left

    def _others(self) -> list[Found]:
        labels = {spec.LOG: self._log, spec.JOB: self._place.job.hex}
        return [found for found in self._ask(lambda: self._engine.find(labels)) if not self._is_mine(found)]

    def _remove(self, container: str) -> None:
        with suppress(EngineRefusal):
            self._ask(lambda: self._engine.remove(container))

    def _start(self, received: Received) -> Received | None:
        try:
            self._engine.start(self._id)
        except EngineAway:
            received.close()
            self.started()
            return None
        except EngineRefusal:
            received.close()
            raise
        return received

    def _is_mine(self, container: Container | Found) -> bool:
        labels = container.labels
        return (labels.get(spec.LOG), labels.get(spec.ATTEMPT)) == (self._log, self._place.attempt.hex)

    def _ask(self, question: Callable[[], T]) -> T:
        while True:
            try:
                return question()
            except EngineAway:
                self.await_engine()


def _never() -> bool:
    return False
