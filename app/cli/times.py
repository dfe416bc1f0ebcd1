"""Times and spans of time, for eyes."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

MINUTE = 60
HOUR = 60 * MINUTE
DAY = 24 * HOUR
ENDS = ("completedAt", "failedAt", "cancelledAt")


def span(seconds: float) -> str:
    """Write how long something took: "0.8s", "12s", "3m 05s", "2h 10m", "4d 3h"."""
    whole = int(seconds)
    if seconds < 10:  # noqa: PLR2004 - below, tenths tell something
        return f"{max(0.0, seconds):.1f}s"
    if whole < MINUTE:
        return f"{whole}s"
    if whole < HOUR:
        return f"{whole // MINUTE}m {whole % MINUTE:02}s"
    if whole < DAY:
        return f"{whole // HOUR}h {whole % HOUR // MINUTE:02}m"
    return f"{whole // DAY}d {whole % DAY // HOUR}h"


def took(document: dict[str, Any]) -> str:
    """Tell how long a job or a task has run; nothing if it never began."""
    started = document.get("startedAt")
    if not started:
        return ""
    ended = next((document[name] for name in ENDS if document.get(name)), None)
    return span((_read(ended) - _read(started)).total_seconds())


def age(timestamp: str | None) -> str:
    """Tell how long ago something was."""
    return span((_read(None) - _read(timestamp)).total_seconds()) if timestamp else ""


def left(timestamp: str | None) -> float:
    """Tell how many seconds there are until then."""
    return (_read(timestamp) - _read(None)).total_seconds() if timestamp else 0.0


def local(timestamp: str | None) -> str:
    """Write a time for the reader's clock."""
    return _read(timestamp).astimezone().isoformat(" ", "milliseconds") if timestamp else ""


def _read(timestamp: str | None) -> datetime:
    return datetime.fromisoformat(timestamp) if timestamp else datetime.now(UTC)
