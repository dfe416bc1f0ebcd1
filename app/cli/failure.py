"""How a command says that it could not do its work."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from app.cli import exits

if TYPE_CHECKING:
    from collections.abc import Sequence

    from domain.errors import Problem


class Source(NamedTuple):
    """A job file, to show problems in."""

    name: str
    body: bytes


class Failure(Exception):
    """What went wrong and what then; shown in the same form for every command."""

    def __init__(
        self, message: str, *, hint: str = "", exit_code: int = exits.USAGE, details: Sequence[str] = ()
    ) -> None:
        """Fail with a message; `details` are lines below it."""
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.details = details
        self.exit_code = exit_code
        self.problems: Sequence[Problem] = ()
        self.source: Source | None = None
