"""The machine, which is known by an id, and each start of it by another."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from uuid import UUID, uuid4, uuid5

from app.runner.processes.warden import BOOT, claim, read

MACHINES = UUID("0c7d3a52-5f0b-4be5-9d5b-51f5a0c1a0a7")
"""The name space of machines' ids: the one of the system itself is not for others to know."""
SYSTEM = Path("/etc/machine-id")


@cache
def boot() -> str:
    """Return the id of this start of the machine: what was started before it does not run any more."""
    return read(BOOT).strip()


def identity(folder: Path) -> str:
    """Return the id of the machine, which it keeps; one that has none is given one, which is kept in a folder."""
    own = read(str(SYSTEM)).strip() if SYSTEM.exists() else ""
    return uuid5(MACHINES, own or _given(folder / "machine")).hex


def _given(path: Path) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    claim(str(path), uuid4().hex)
    return read(str(path))
