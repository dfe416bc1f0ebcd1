"""The Docker Engine: few calls, each with a deadline, and few errors that say whose fault it is."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Event
from typing import Any

from docker.errors import APIError, DockerException, NotFound
from docker.utils import kwargs_from_env
from requests.exceptions import ConnectionError as Broken
from requests.exceptions import ReadTimeout
from urllib3.exceptions import ReadTimeoutError

from app.runner.answers import (
    AWAY,
    CONFLICT,
    Container,
    EngineAway,
    EngineRefusal,
    Found,
    Gone,
    ImageAbsent,
    NameTaken,
    translated,
)
from app.runner.client import DEADLINE, Client, Line, Received
from app.runner.frames import frames

__all__ = ["Container", "Engine", "EngineAway", "EngineRefusal", "Found", "Gone", "ImageAbsent", "NameTaken"]

NOBODY: Mapping[str, str] = {}
FIRST_DEADLINE = 5
"""Seconds that the Engine has when it is asked whether it is there."""
DEFAULT_ADDRESS = "unix:///var/run/docker.sock"
Frames = Iterator[tuple[int, bytes]]
"""What was printed, with its stream."""


class Engine:
    """One Docker Engine, which may come and go."""

    def __init__(self, address: str = "", connections: int = 20) -> None:
        """Take the address, by default the one that DOCKER_HOST names; nothing is asked yet."""
        self._place: Mapping[str, Any] = {"base_url": address} if address else kwargs_from_env()
        self._connections = connections
        self._client: Client | None = None
        self.address: str = self._place.get("base_url", DEFAULT_ADDRESS)
        self.id = ""
        """The Engine's own id: containers belong to it, and not to the address."""
        self.folders: tuple[Path, ...] = ()
        """What of this host is the Engine's own: its data and its socket, which no container may have."""
        self.is_there = Event()
        self.lost: Callable[[], None] = lambda: None
        """Called when an answer failed to come."""

    def connect(self) -> None:
        """Make sure that the Engine answers, and learn which one it is."""
        try:
            client = Client(**self._place, version="auto", timeout=FIRST_DEADLINE, max_pool_size=self._connections)
            client.trust_env = not client.base_url.startswith("http+docker:")  # no proxy leads to a socket
            info = client.info()
        except (*AWAY, DockerException) as error:
            raise EngineAway(str(error)) from error
        self.id = info["ID"]
        socket = [self.address.removeprefix("unix://")] if self.address.startswith("unix://") else []
        self.folders = tuple(map(Path, [info["DockerRootDir"], *socket]))
        client.timeout = DEADLINE
        self.close()
        self._client = client
        self.is_there.set()

    def close(self) -> None:
        """Let go of idle connections."""
        if self._client is not None:
            self._client.close()

    def create(self, name: str, body: Mapping[str, Any]) -> None:
        """Create a container, which does nothing yet."""
        with self._asked() as client:
            client.create_container_from_config(body, name)  # type: ignore[no-untyped-call]  # the stubs lack it

    def inspect(self, container: str) -> Container:
        """Look at a container."""
        with self._asked() as client:
            return Container.shown(client.inspect_container(container))

    def attach(self, container: str) -> Received:
        """Begin to receive what a container will print, byte for byte; `read` makes sense of it."""
        with self._asked() as client:
            return client.attached(container)

    def read(self, received: Received) -> Frames:
        """Yield what a container prints."""
        with self._asked():
            yield from frames(received)

    def logs(self, container: str) -> Frames:
        """Yield what the Engine kept of a container's output, and keeps until its end."""
        with self._asked() as client:
            yield from frames(client.followed(container))

    def start(self, container: str) -> None:
        """Start a container."""
        with self._asked() as client:
            client.started(container)

    def wait(self, container: str, seconds: float) -> int | None:
        """Wait for a container's end and return its exit code; nothing when it takes longer."""
        with self._asked() as client:
            try:
                answer = client.wait(container, timeout=seconds)  # type: ignore[arg-type]  # fractions will do
            except ReadTimeout:
                return None
            except Broken as error:
                if isinstance(error.args[0], ReadTimeoutError):
                    return None
                raise
            code: int = answer["StatusCode"]
            return code

    def stop(self, container: str, grace: int) -> None:
        """End a container's program by SIGTERM and, when the grace is over, SIGKILL."""
        with self._asked() as client:
            client.stop(container, grace)

    def remove(self, container: str) -> None:
        """Remove a container, whatever it does; that it is gone, or going, is as good."""
        with self._asked() as client:
            try:
                client.remove_container(container, v=True, force=True)
            except NotFound:
                return
            except APIError as error:
                if error.status_code != CONFLICT:
                    raise

    def find(self, labels: Mapping[str, str]) -> list[Found]:
        """List all containers that have these labels."""
        with self._asked() as client:
            found = client.containers(all=True, filters=_having(labels))
            return [Found(container["Id"], container["Labels"]) for container in found]

    def put(self, container: str, folder: str, archive: bytes) -> None:
        """Unpack an archive in a folder of a container, which need not run."""
        with self._asked() as client:
            client.put_archive(container, folder, archive)

    def tail(self, container: str, lines: int) -> bytes:
        """Return the last lines that a container printed."""
        with self._asked() as client:
            printed: bytes = client.logs(container, tail=lines)
            return printed

    def pull(
        self, image: str, credentials: Mapping[str, str] = NOBODY, line: Line | None = None
    ) -> Iterator[dict[str, Any]]:
        """Fetch an image, as somebody or as nobody in particular; yield the Engine's words, until someone hangs up."""
        line = line or Line()
        with self._asked() as client:
            try:
                yield from client.pulled(image, credentials, line)
            except AWAY:
                if not line.is_hung_up:  # then it is not the Engine that went away
                    raise

    def image_id(self, reference: str) -> str:
        """Return the id of the image that has a name."""
        with self._asked() as client:
            found: str = client.inspect_image(reference)["Id"]  # type: ignore[no-untyped-call]  # the stubs lack it
            return found

    def remove_image(self, reference: str) -> None:
        """Take a name from an image, and remove the image if it was its last; refused while a container uses it."""
        with self._asked() as client:
            client.removed(reference)

    def create_network(self, name: str, labels: Mapping[str, str]) -> None:
        """Create a network of containers of this host."""
        with self._asked() as client:
            client.create_network(name, driver="bridge", labels=dict(labels), check_duplicate=True)

    def network(self, name: str) -> tuple[str, str]:
        """Return a network's name and driver."""
        with self._asked() as client:
            network = client.inspect_network(name)
            return network["Name"], network["Driver"]

    def connect_network(self, name: str, container: str, aliases: Sequence[str]) -> None:
        """Let a container into one more network."""
        with self._asked() as client:
            client.connect_container_to_network(container, name, aliases=list(aliases))

    def networks(self, labels: Mapping[str, str]) -> list[Found]:
        """List all networks that have these labels."""
        with self._asked() as client:
            return [Found(each["Id"], each["Labels"] or {}) for each in client.networks(filters=_having(labels))]

    def remove_network(self, network: str) -> None:
        """Remove a network; that it is gone is as good."""
        with self._asked() as client, suppress(NotFound):
            client.remove_network(network)

    def volumes(self, labels: Mapping[str, str]) -> list[Found]:
        """List all volumes that have these labels."""
        with self._asked() as client:
            found = client.volumes(filters=_having(labels))["Volumes"] or []
            return [Found(each["Name"], each["Labels"] or {}) for each in found]

    def remove_volume(self, volume: str) -> None:
        """Remove a volume; that it is gone is as good."""
        with self._asked() as client, suppress(NotFound):
            client.remove_volume(volume)

    @contextmanager
    def _asked(self) -> Iterator[Client]:
        """Lend the client, and tell its many errors in the few words of this file."""
        if self._client is None:
            msg = f"no Docker Engine at {self.address}"
            raise EngineAway(msg)
        try:
            yield self._client
        except (APIError, DockerException, *AWAY) as error:
            told = translated(error)
            if isinstance(told, EngineAway):
                self.is_there.clear()
                self.lost()
            raise told from error


def _having(labels: Mapping[str, str]) -> dict[str, list[str]]:
    return {"label": [f"{name}={value}" for name, value in labels.items()]}
