"""Tasks as containers of a Docker Engine."""

from __future__ import annotations

from collections.abc import Callable, Collection
from threading import Event
from uuid import UUID

from app.runner import spec
from app.runner.docker_course import DockerCourse
from app.runner.docker_leg import Means
from app.runner.engine import Engine, EngineAway, EngineRefusal
from app.runner.image_keeper import ImageKeeper
from app.runner.images import Images
from app.runner.mounts import Folders
from app.runner.patience import Patience
from app.runner.remains import Remains
from app.runner.reporter import Reporter
from app.runner.runtime import Work
from app.runner.signals import Signals
from app.runner.surroundings import Surroundings
from app.runner.tools import Tools
from app.settings import Settings
from projections.queue import Place


class DockerRuntime:
    """Runs attempts on one Engine; each phase of an attempt is a container."""

    def __init__(self, settings: Settings, engine: Engine | None = None) -> None:
        """Make ready; without an Engine it is the one that DOCKER_HOST names. Nothing is asked yet."""
        self._engine = engine or Engine(connections=2 * settings.runner_slots + 4)
        self._keeper = ImageKeeper(self._engine, settings.runner / "images.json", settings.image_ttl)
        self._images = Images(self._engine, self._keeper)
        self._folders = Folders(settings.bind_roots, kept=[settings.data])

    @property
    def id(self) -> str:
        """The Engine's own id."""
        return self._engine.id

    @property
    def name(self) -> str:
        """What the Engine is called."""
        return f"Docker Engine at {self._engine.address}"

    @property
    def is_there(self) -> Event:
        """Set while the Engine answers."""
        return self._engine.is_there

    @property
    def lost(self) -> Callable[[], None]:
        """Called when the Engine does not answer any more."""
        return self._engine.lost

    @lost.setter
    def lost(self, call: Callable[[], None]) -> None:
        self._engine.lost = call

    def connect(self) -> None:
        """Make sure that the Engine answers, and learn which one it is."""
        self._engine.connect()
        self._folders.keep(*self._engine.folders)

    def course(self, work: Work, tools: Tools, signals: Signals) -> DockerCourse:
        """Take an attempt upon itself; nothing happens yet."""
        patience = Patience(self._engine, signals)
        surroundings = Surroundings(patience, work, signals, self._folders)
        reporter = Reporter(tools.ledger, work)
        return DockerCourse(Means(patience, self._images, work, tools, signals, reporter, surroundings))

    def found(self, log: UUID, runner: UUID) -> Collection[Place]:
        """Name the attempts of a runner of which the Engine still has something."""
        labels = {spec.LOG: log.hex, spec.RUNNER: runner.hex}
        self._keeper.look()
        try:
            all_of_them = [self._engine.find(labels), self._engine.volumes(labels), self._engine.networks(labels)]
        except EngineRefusal as refusal:
            raise EngineAway(str(refusal)) from refusal
        places = (spec.place(each.labels) for found in all_of_them for each in found)
        return {place for place in places if place is not None}

    def leftover(self, log: UUID, place: Place) -> Remains:
        """Take what the Engine has of an attempt, which is over."""
        return Remains(self._engine, log, place.attempt)

    def close(self) -> None:
        """Let go of idle connections."""
        self._engine.close()
