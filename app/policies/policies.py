"""The policies of one process, put together."""

from __future__ import annotations

from typing import Self

from app.log import Log
from app.policies.address import Guard
from app.policies.clerk import Clerk
from app.policies.courier import Courier
from app.policies.desk import Desk
from app.policies.errands import Errands
from app.policies.follower import Follower
from app.policies.post import Post
from app.settings import Settings
from app.vault import Vault

AGENDA = "agenda.db"


class Policies:
    """Follows the log and does what its events ask for. There must be one per log. Enter it with `with`."""

    def __init__(self, log: Log, settings: Settings, vault: Vault) -> None:
        """Open the agenda; nothing moves before it is entered."""
        path = settings.policies / AGENDA
        self._follower = Follower(log, path, settings.secrets_kept)
        self._desk = Desk(path)
        self._post = Post()
        guard = Guard(settings.webhooks_allowed, settings.host)
        courier = Courier(log, self._desk, vault, guard, self._post)
        self._clerk = Clerk(self._desk, Errands(log, vault, settings.output), courier)

    def __enter__(self) -> Self:
        """Begin."""
        self._follower.start(self._clerk.notice)
        return self

    def __exit__(self, *_: object) -> None:
        """Stop at once; what was under way is done again after the next start, if it is not known to be done."""
        self._post.close()
        self._clerk.stop()
        self._follower.stop()
        self._desk.close()
