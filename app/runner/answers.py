"""What the Docker Engine answers, good and bad, in few words."""

from __future__ import annotations

from datetime import datetime
from typing import Any, NamedTuple, Self

import msgspec
from docker.errors import APIError, ImageNotFound, NotFound, StreamParseError
from requests.exceptions import RequestException
from urllib3.exceptions import HTTPError

from app.runner.runtime import RuntimeAway

NEVER = "0001-01-01"
"""The day on which the Engine says that something happened which did not."""
CONFLICT = 409
AWAY = (RequestException, HTTPError, OSError, StreamParseError)
"""What goes wrong between two programs, and not in one of them."""


class EngineAway(RuntimeAway):
    """The Engine is not there, or hangs: nothing is known of what was asked."""


class EngineRefusal(Exception):
    """The Engine answered that it will not."""


class ImageAbsent(EngineRefusal):
    """The Engine does not have the image."""


class Gone(EngineRefusal):
    """There is no such container, or no such thing as was asked for."""


class NameTaken(EngineRefusal):
    """There is a container, or a network, of this name."""


class Container(msgspec.Struct, frozen=True):
    """A container as the Engine shows it."""

    id: str
    image: str
    labels: dict[str, str]
    running: bool
    started_at: str
    ended_at: str
    exit_code: int
    oom_killed: bool
    """Whether the Engine saw it killed for want of memory; what happens within moments of the start it can miss."""
    memory: int
    """The bytes that it may take; 0 means any."""
    error: str
    """Why it could not be started."""
    addresses: dict[str, str]
    """Its address in each network, by the network's name."""

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
            ended_at=state["FinishedAt"],
            exit_code=state["ExitCode"],
            oom_killed=state.get("OOMKilled", False),
            memory=document["HostConfig"]["Memory"],
            error=state["Error"],
            addresses={name: each["IPAddress"] for name, each in document["NetworkSettings"]["Networks"].items()},
        )

    @property
    def was_started(self) -> bool:
        """Whether its program ever ran."""
        return not self.started_at.startswith(NEVER)

    @property
    def began(self) -> datetime:
        """When its program was started."""
        return datetime.fromisoformat(self.started_at)

    @property
    def ended(self) -> datetime | None:
        """When its program ended, if it has."""
        return None if self.running or self.ended_at.startswith(NEVER) else datetime.fromisoformat(self.ended_at)


class Found(NamedTuple):
    """A container, a network or a volume in a list; a volume's id is its name."""

    id: str
    labels: dict[str, str]


def translated(error: Exception) -> EngineAway | EngineRefusal:
    """Say in a word of this file what one of the many errors of the SDK says."""
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
