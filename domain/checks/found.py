"""How a check of several fields says what it has found."""

from __future__ import annotations

from collections.abc import Iterator

from domain.errors import Problem

Place = tuple[str | int, ...]
"""The way to a value, in the names of the document, such as `("tasks", 0, "each", "task", "if")`."""
Found = Iterator[tuple[Place, Problem]]
"""Problems with their places; a line and a column, if a problem has them, are those within the text at that place."""
