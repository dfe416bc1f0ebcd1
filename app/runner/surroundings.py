"""What the containers of one attempt have in common: mounts, networks, limits."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from functools import cached_property
from pathlib import PurePosixPath
from typing import Any

from app.runner import confinement, mounts, spec
from app.runner.engine import Container, EngineRefusal, NameTaken
from app.runner.exchange import archive
from app.runner.gpus import device_requests
from app.runner.mounts import Folders, Plan
from app.runner.patience import Patience
from app.runner.phases import OWN, Phase
from app.runner.runtime import Work
from app.runner.signals import Signals
from app.runner.verdict import Failure

LOOK = 0.1
"""Seconds between two looks at containers whose end is awaited."""
MAKING_WAY = 5.0
"""Seconds that whoever holds a former attempt has to remove its container."""
NOT_BRIDGED = ("host", "null")
"""Drivers of networks that are none."""


class Surroundings:
    """Makes them, once for all phases."""

    def __init__(self, patience: Patience, work: Work, signals: Signals, folders: Folders) -> None:
        """Know whose they are, and which folders of the host may be mounted."""
        self._patience = patience
        self._engine = patience.engine
        self._work = work
        self._signals = signals
        self._folders = folders

    @cached_property
    def _plan(self) -> Plan:
        work = self._work
        return mounts.plan(work.task.mounts, work.place.attempt, spec.labels(work), self._folders)

    @cached_property
    def _host(self) -> dict[str, Any]:
        return confinement.host_config(self._work.task.limits) | {"Mounts": self._plan.entries}

    def host(self, phase: Phase) -> dict[str, Any]:
        """Return the part of the Engine's HostConfig that a phase has from its task."""
        if phase.name == OWN and self._work.task.gpus:
            return self._host | {"DeviceRequests": device_requests(self._work.task.gpus)}
        return self._host

    def check(self) -> None:
        """See that what is mounted is what it was."""
        self._plan.check()

    def prepare(self) -> None:
        """See that the networks are there, and make the attempt's own."""
        for name in confinement.networks(self._work.task.networks):
            self._find_network(name)
        if self._work.task.sidecars:
            self._create_network()

    def connect(self, container: Container, phase: Phase) -> None:
        """Let a created container into its further networks; the first one it was given by its creation."""
        for network in spec.networks(phase, self._work)[1:]:
            if network not in container.addresses:
                self._connect(network, container, phase)

    def put(self, container: Container, files: Mapping[str, str], folder: str) -> None:
        """Put files into a created container.

        That is slower than to share them in a folder, but there they are in any folder, and are the container's own.
        """
        for entry in self._plan.entries:
            if entry["Type"] == "tmpfs" and PurePosixPath(folder).is_relative_to(entry["Target"]):
                msg = f"no files can be put into {folder}: the tmpfs at {entry['Target']} begins empty"
                raise Failure(msg, "container")
        try:
            self._patience.ask(lambda: self._engine.put(container.id, "/", archive(files, folder)))
        except EngineRefusal as refusal:
            msg = f"its files can not be put into the container: {refusal}"
            raise Failure(msg, "container") from None

    def make_way(self) -> None:
        """See that no container of a former attempt is left: two of one task must not run side by side."""
        tries = int(MAKING_WAY / LOOK)
        while others := self._others():
            self._signals.check()
            self._patience.pause(LOOK)
            tries -= 1
            for other in others if tries < 0 else ():
                self._remove(other)  # whoever held it is not there to do it

    def _others(self) -> list[str]:
        wanted = {spec.LOG: self._work.log.hex, spec.JOB: self._work.place.job.hex, spec.PATH: self._work.path}
        found = self._patience.ask(lambda: self._engine.find(wanted))
        return [each.id for each in found if each.labels.get(spec.ATTEMPT) != self._work.key]

    def _remove(self, container: str) -> None:
        with suppress(EngineRefusal):
            self._patience.ask(lambda: self._engine.remove(container))

    def _find_network(self, name: str) -> None:
        try:
            found, driver = self._patience.ask(lambda: self._engine.network(name))
        except EngineRefusal as refusal:
            msg = f"the network {name} can not be joined: {refusal}"
            raise Failure(msg, "container") from None
        if found != name or driver in NOT_BRIDGED:
            msg = f"a task can not have the network {name}"
            raise Failure(msg, "container")

    def _create_network(self) -> None:
        name, labels = spec.name(self._work.place.attempt), spec.labels(self._work)
        try:
            self._patience.ask(lambda: self._engine.create_network(name, labels))
        except NameTaken:
            if not self._patience.ask(lambda: self._engine.networks(labels)):
                msg = f"another network has the name {name}"
                raise Failure(msg, "container") from None
        except EngineRefusal as refusal:
            msg = f"the network for the sidecars can not be created: {refusal}"
            raise Failure(msg, "container") from None

    def _connect(self, network: str, container: Container, phase: Phase) -> None:
        aliases = spec.aliases(phase, network)
        try:
            self._patience.ask(lambda: self._engine.connect_network(network, container.id, aliases))
        except EngineRefusal as refusal:
            if network not in self._patience.ask(lambda: self._engine.inspect(container.id)).addresses:
                msg = f"the network {network} can not be joined: {refusal}"
                raise Failure(msg, "container") from None
