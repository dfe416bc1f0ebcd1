"""What handlers work with; put together once, in `application`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
from litestar import Request

from app.api.body import Bodies
from app.api.health import Health
from app.log import Log
from app.vault import Vault
from app.views import Views


class Services(msgspec.Struct, frozen=True):
    """The parts of one API process."""

    log: Log
    views: Views
    bodies: Bodies
    health: Health
    vault: Vault
    output: Path
    """The file in which the output of tasks is kept."""


def services(request: Request[Any, Any, Any]) -> Services:
    """Return the parts of the process that serves a request.

    Not by the framework's injection: that costs 20 µs for each part and request, which is more than the work itself.
    """
    found: Services = request.app.state["services"]
    return found
