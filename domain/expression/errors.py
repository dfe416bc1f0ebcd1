"""What is wrong with an expression, and where."""

from __future__ import annotations

LONGEST_MESSAGE = 500
"""Characters: a mistake may be about a long text."""
WIDEST = 200
"""Characters of a line that are shown."""
BEFORE = 100
"""Of these, characters before the mistake where the line is longer."""


class Fault(Exception):
    """A mistake whose place is not known yet, or is known only within one expression."""

    def __init__(self, message: str, position: int | None = None) -> None:
        """Say what is wrong, and where if that is known."""
        super().__init__(message, position)
        self.message = message
        self.position = position

    def at(self, position: int) -> None:
        """Learn the place, unless a more precise one is known."""
        if self.position is None:
            self.position = position


class ExpressionError(Exception):
    """An expression can not be read, or has no value."""

    def __init__(self, message: str, text: str = "", position: int = 0) -> None:
        """Say what is wrong, and where in which text."""
        message = message if len(message) <= LONGEST_MESSAGE else f"{message[:LONGEST_MESSAGE]}…"
        super().__init__(message, text, position)
        start = text.rfind("\n", 0, position) + 1
        end = text.find("\n", start)
        self.message = message
        self.line = text.count("\n", 0, position) + 1
        """From 1."""
        self.column = position - start + 1
        """From 1, in characters."""
        self._shown = _around(text[start : end if end >= 0 else None], position - start)

    def __str__(self) -> str:
        """Say it as Go's expr does: the message, the place, the line and a caret under the place."""
        line, before = self._shown
        if not line:
            return self.message
        shown = line.replace("\t", " ")
        return f"{self.message} ({self.line}:{self.column})\n | {shown}\n | {'.' * before}^"


def _around(line: str, column: int) -> tuple[str, int]:
    """Return what is shown of a line, and how much of that stands before the mistake."""
    if len(line) <= WIDEST:
        return line, column
    first = max(0, column - BEFORE)
    return line[first : first + WIDEST], column - first
