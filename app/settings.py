"""Where things lie and how many there may be. Nothing below this file reads the environment."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import Literal

import msgspec

DEFAULT_DATA = "jobledger-data"
DEFAULT_SERVER = "http://127.0.0.1:8000"


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What one installation on one host is made of."""

    data: Path
    """The folder that holds everything: log, read models, output."""
    host: str = "127.0.0.1"
    port: int = 8000
    slots: int = 0
    """Containers at a time; 0 for twice the number of processors."""
    queues: tuple[str, ...] = ("default",)
    """The queues from which the runner takes work."""
    name: str = ""
    """The runner's name, the host's if empty: two runners of one log need two names."""
    runtime: Literal["docker", "process"] = "docker"
    """Whether tasks run as containers, or as processes of this machine."""
    bind_roots: tuple[Path, ...] = ()
    """The folders of the host that tasks may mount, with all that is in them."""
    image_ttl: float = 72 * 3600.0
    """Seconds after its last use at which an image that the runner pulled is removed; 0 for never."""
    secrets_kept: float = 24 * 3600.0
    """Seconds for which the secrets of a job are kept after its end: for as long it can be restarted."""
    webhooks_allowed: tuple[str, ...] = ()
    """Networks (`10.0.0.0/8`) and names of hosts that webhooks may reach though they are not public."""

    @property
    def log(self) -> Path:
        """The append-only log."""
        return self.data / "log.db"

    @property
    def views(self) -> Path:
        """The folder of the API's read models."""
        return self.data / "views"

    @property
    def output(self) -> Path:
        """What tasks printed."""
        return self.data / "output.db"

    @property
    def secrets(self) -> Path:
        """The secrets of jobs, encrypted; their key lies beside them."""
        return self.data / "secrets.db"

    @property
    def policies(self) -> Path:
        """The folder of what the policies have yet to do: a read model as well."""
        return self.data / "policies"

    @property
    def runner(self) -> Path:
        """The runner's own folder: its queue, its lock, the folders it shares with containers."""
        return self.data / "runner" / self.runner_name

    @property
    def runner_name(self) -> str:
        """The runner's name."""
        return self.name or socket.gethostname()

    @property
    def runner_slots(self) -> int:
        """Containers at a time."""
        return self.slots or 2 * (os.cpu_count() or 1)

    def prepare(self) -> None:
        """Create the data folder; what is in it is for its owner alone."""
        self.data.mkdir(parents=True, exist_ok=True, mode=0o700)
