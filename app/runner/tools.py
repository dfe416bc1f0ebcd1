"""What all attempts of a runner work with."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from app.runner.engine import Engine
from app.runner.images import Images
from app.runner.ledger import Ledger
from app.runner.writer import Writer


class Tools(NamedTuple):
    """Made once, at the start of a runner."""

    engine: Engine
    images: Images
    output: Writer
    ledger: Ledger
    folder: Path
    """Where the folders that attempts share with their containers lie."""
