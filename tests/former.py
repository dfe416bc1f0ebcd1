"""A runner that was killed: it did by hand what is asked of it here, and no more."""

from __future__ import annotations

from app.runner import phases, spec
from app.runner.engine import Engine
from app.runner.exchange import Exchange
from app.runner.ledger import Ledger
from app.runner.mounts import Folders
from app.runner.patience import Patience
from app.runner.phases import Phase
from app.runner.runtime import Work
from app.runner.signals import Signals
from app.runner.surroundings import Surroundings
from domain import job
from domain.definition import TaskDefinition
from projections.queue import Claim, Place
from tests.site import Site, task

HELLO = task("echo hello; sleep 0.3; printf world")
WORDS = b"hello\nworld"


class Former:
    """The job of one task, and what was done about it."""

    def __init__(self, site: Site, definition: TaskDefinition = HELLO) -> None:
        self.site = site
        self.job = site.submit(definition)
        self.attempt = site.attempts(self.job)[0].id
        self.ledger = Ledger(site.log, site.settings.runner_name)
        self._place = Place(self._position(), self.attempt, self.job, 2)
        self._claim: Claim | None = None

    def claim(self) -> None:
        self._claim = self.ledger.claim(self._place, self.site.client.info()["ID"])

    def create(self, name: str = "") -> str:
        """Create the container of a phase."""
        work, phase = self._work(), self._phase(name)
        folder = Exchange(self.site.settings.runner / "attempts" / f"{self.attempt.hex}{phase.dotted}")
        folder.create(phase.program.run)
        surroundings = Surroundings(Patience(Engine(), Signals()), work, Signals(), Folders((), ()))
        body = spec.body(phase, work, folder.folder, surroundings.host(phase))
        created = self.site.client.api.create_container_from_config(body, spec.name(self.attempt, name))
        found: str = created["Id"]
        return found

    def make_network(self) -> None:
        """Create the network of the sidecars."""
        labels = spec.labels(self._work())
        self.site.client.networks.create(spec.name(self.attempt), driver="bridge", labels=labels)

    def intend(self, container_id: str, phase: str = "") -> None:
        self.ledger.report(self._place, job.IntendStart, 0, container=container_id, phase=phase)

    def start(self, container_id: str) -> None:
        self.site.client.api.start(container_id)

    def say_started(self) -> None:
        self.ledger.report(self._place, job.Start, 0)

    def complete(self) -> None:
        self.ledger.report(self._place, job.Complete, 0)

    def begin(self, phase: str = "") -> str:
        """Take a phase as far as it can be without its end."""
        created = self.create(phase)
        self.intend(created, phase)
        self.start(created)
        return created

    def finish(self, phase: str = "") -> str:
        """Take a phase to its end."""
        created = self.begin(phase)
        self.site.client.api.wait(created)
        return created

    def _work(self) -> Work:
        assert self._claim
        scheduled = self.ledger.scheduled(self._place)
        return Work(self.ledger.log_id, self.ledger.runner, self._place, self._claim, scheduled, scheduled.task)

    def _phase(self, name: str) -> Phase:
        return next(each for each in phases.each(self._work().task) if each.name == name)

    def _position(self) -> int:
        scheduled = (self.job, 2)
        placed = {(each.originator_id, each.originator_version): each.position for each in self.site.recorded()}
        return placed[scheduled]
