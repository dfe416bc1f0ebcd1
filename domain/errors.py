"""The three ways in which a wish is not granted: wrong input, a state that forbids it, nothing there."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec


class Problem(msgspec.Struct, frozen=True, omit_defaults=True):
    """One thing that is wrong with an input: where, why, and how to mend it."""

    message: str
    """What is wrong, for a person."""
    code: str = "invalid"
    """What is wrong, for a program."""
    path: str = ""
    """The field, such as `tasks[0].image`."""
    line: int = 0
    """From 1; 0 where there is no place to point at."""
    column: int = 0
    """From 1, in characters."""
    hint: str = ""

    def __str__(self) -> str:
        """Say it in one line."""
        path = f"{self.path}: " if self.path else ""
        place = f" (line {self.line}, column {self.column})" if self.line else ""
        return f"{path}{self.message}{place}"


class Invalid(Exception):
    """The input is wrong. Every problem of it is told at once."""

    def __init__(self, problems: Iterable[Problem], status: int = 400) -> None:
        """Name the problems, and the HTTP status to answer with."""
        self.problems = tuple(problems)
        self.status = status
        super().__init__(self.problems, status)

    def __str__(self) -> str:
        """Say the first problem, and how many more there are."""
        first, more = self.problems[0], len(self.problems) - 1
        rest = f", and {more} more {'problem' if more == 1 else 'problems'}" if more else ""
        return f"{first}{rest}"


class Refused(Exception):
    """The state forbids it."""

    def __init__(self, message: str) -> None:
        """Say what, which and what then."""
        super().__init__(message)
        self.message = message


class Elsewhere(Refused):
    """It has to be done at another place."""


class Missing(Exception):
    """There is nothing of that id."""

    def __init__(self, message: str) -> None:
        """Say what was not found."""
        super().__init__(message)
        self.message = message
