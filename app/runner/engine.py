"""The Docker Engine: few calls, each with a deadline, and few errors that say whose fault it is."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from threading import Event
from typing import Any, NamedTuple, Self

import msgspec
from docker.errors import APIError, DockerException, ImageNotFound, NotFound, StreamParseError
from docker.utils import kwargs_from_env
from requests.exceptions import ConnectionError as Broken
from requests.exceptions import ReadTimeout, RequestException
from urllib3.exceptions import HTTPError, ReadTimeoutError

from app.runner.client import DEADLINE, Client, Received
from app.runner.frames import frames

FIRST_DEADLINE = 5
"""Seconds that the Engine has when it is asked whether it is there."""
DEFAULT_ADDRESS = "unix:///var/run/docker.sock"
NEVER = "0001-01-01"
"""The day on which the Engine says that a container started which did not."""
CONFLICT = 409
AWAY = (RequestException, HTTPError, OSError, StreamParseError)
"""What goes wrong between two programs, and not in one of them."""

Frames = Iterator[tuple[int, bytes]]
"""What was printed, with its stream."""


class EngineAway(Exception):
    """The Engine is not there, or hangs: nothing is known of what was asked."""


class EngineRefusal(Exception):
    """The Engine answered that it will not."""


class ImageAbsent(EngineRefusal):
    """The Engine does not have the image."""


class Gone(EngineRefusal):
    """There is no such container."""


class NameTaken(EngineRefusal):
    """There is a container of this name."""


class Container(msgspec.Struct, frozen=True):
    """A container as the Engine shows it."""

    id: str
    image: str
    labels: dict[str, str]
    running: bool
    started_at: str
    exit_code: int
    oom_killed: bool

    @classmethod
    def shown(cls, document: dict[str, Any]) -> Self:
        """Read the Engine's document."""
        state = document["State"]
        return cls(
            id=document["Id"],
            image=document["Image"],
            labels=document["Config"]["Labels"] or {},
            running=state["Running"],
            started_at=state["StartedAt"],
            exit_code=state["ExitCode"],
            oom_killed=state.get("OOMKilled", False),
        )

    @property
    def was_started(self) -> bool:
        """Whether its program ever ran."""
        return not self.started_at.startswith(NEVER)

    @property
    def began(self) -> datetime:
        """When its program was started."""
        return datetime.fromisoformat(self.started_at)


class Found(NamedTuple):
    """A container in a list."""

    id: str
    labels: dict[str, str]


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
        self.is_there = Event()
        self.lost: Callable[[], None] = lambda: None
        """Called when an answer failed to come."""

    def connect(self) -> None:
        """Make sure that the Engine answers, and learn which one it is."""
        try:
            client = Client(**self._place, version="auto", timeout=FIRST_DEADLINE, max_pool_size=self._connections)
            client.trust_env = not client.base_url.startswith("http+docker:")  # no proxy leads to a socket
            self.id = client.info()["ID"]
        except (*AWAY, DockerException) as error:
            raise EngineAway(str(error)) from error
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
            client.start(container)

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
        wanted = [f"{name}={value}" for name, value in labels.items()]
        with self._asked() as client:
            found = client.containers(all=True, filters={"label": wanted})
            return [Found(container["Id"], container["Labels"]) for container in found]

    def pull(self, image: str) -> Iterator[dict[str, Any]]:
        """Fetch an image; yield the Engine's words about it."""
        with self._asked() as client:
            yield from client.pull(image, stream=True, decode=True)

    @contextmanager
    def _asked(self) -> Iterator[Client]:
        """Lend the client, and tell its many errors in the few words of this file."""
        if self._client is None:
            msg = f"no Docker Engine at {self.address}"
            raise EngineAway(msg)
        try:
            yield self._client
        except (APIError, DockerException, *AWAY) as error:
            translated = _translated(error)
            if isinstance(translated, EngineAway):
                self.is_there.clear()
                self.lost()
            raise translated from error


def _translated(error: Exception) -> EngineAway | EngineRefusal:
    match error:
        case ImageNotFound():
            return ImageAbsent(_words(error))
        case NotFound():
            return Gone(_words(error))
        case APIError(status_code=409):
            return NameTaken(_words(error))
        case APIError():
            return EngineRefusal(_words(error))
        case StreamParseError() | RequestException() | HTTPError() | OSError():
            return EngineAway(str(error))
    return EngineRefusal(str(error))


def _words(error: APIError) -> str:
    return str(error.explanation or error)
