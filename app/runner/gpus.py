"""GPUs for a container, as the Engine asks its driver for them."""

from __future__ import annotations

from typing import Any

from app.runner.verdict import Failure
from domain.amounts import parse_gpus

DRIVERS = frozenset({"", "nvidia", "amd"})
"""Drivers of GPUs; another one, as `cdi`, could hand out any device and any folder of the host."""


def device_requests(text: str) -> list[dict[str, Any]]:
    """Return the `DeviceRequests` of a task that asks for GPUs as the command line of Docker does."""
    if not text:
        return []
    try:
        gpus = parse_gpus(text)
    except ValueError as error:
        raise Failure(f"these GPUs can not be given: {error}", "container") from None
    if gpus.driver not in DRIVERS:
        raise Failure(f"{gpus.driver} is no driver of GPUs", "container")
    return [
        {
            "Driver": gpus.driver,
            "Count": gpus.count,
            "DeviceIDs": list(gpus.devices),
            "Capabilities": [list(gpus.capabilities)],
            "Options": {},
        }
    ]
