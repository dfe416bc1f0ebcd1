"""What all attempts of a runner work with, whatever the runtime."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from app.runner.ledger import Ledger
from app.runner.writer import Writer
from app.vault import Vault


class Tools(NamedTuple):
    """Made once, at the start of a runner."""

    output: Writer
    ledger: Ledger
    vault: Vault
    folder: Path
    """Where each attempt has a folder of its own, which is named after it (`KEY`, or `KEY.` and more)."""
