"""Reads job files."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Literal

import msgspec

from app.cli.failure import Failure, Source

STDIN = "-"
FORMS: dict[str, Literal["yaml", "json"]] = {".json": "json", ".yaml": "yaml", ".yml": "yaml"}


def read(name: str) -> Source:
    """Read a file, or stdin."""
    try:
        if name == STDIN:
            return Source("<stdin>", sys.stdin.buffer.read())
        return Source(name, Path(name).read_bytes())
    except OSError as error:
        msg = f"can not read {name}: {error.strerror}"
        raise Failure(msg) from error


def form(source: Source) -> Literal["yaml", "json"]:
    """Tell how a file is written, by its name, or else by what it holds."""
    return FORMS.get(Path(source.name).suffix.lower()) or ("json" if _is_json(source.body) else "yaml")


def _is_json(body: bytes) -> bool:
    """Tell JSON from YAML, in which a mapping may begin with a brace as well."""
    if not body.lstrip().startswith(b"{"):
        return False
    try:
        msgspec.json.decode(body)
    except msgspec.MsgspecError:
        return False
    return True
