"""Bounds of the work that one evaluation may cause, and the count of it.

A step is what takes about a tenth of a microsecond: whoever does more, says so before.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from domain.expression.errors import Fault

Value = Any
"""None, a truth value, a number, a text, a list, a dictionary, or a type of `values`; nothing else."""

LONGEST_SOURCE = 64 * 1024
"""Characters of an expression, and of a text with expressions."""
MOST_NODES = 5000
"""Operators, names and literals of an expression, or of all expressions of a text."""
DEEPEST_NESTING = 100
"""Brackets within brackets, and lists within lists."""
DEEPEST_TREE = 200
"""Operations of which each waits for the one before, such as the terms of one long sum."""
MOST_STEPS = 400_000
MOST_TOGETHER = 10_000_000
"""Steps of all evaluations for which there is one budget: a second or so."""
FLAT = 50
"""Steps that an evaluation takes beside what it counts."""
LONGEST_LIST = 100_000
LONGEST_TEXT = 1024 * 1024
"""Characters of a text that an expression makes."""
LONGEST_PATTERN = 4096
"""Characters of a regular expression."""
LONG = 256
"""A text or list from this length on is work to be counted."""

BUDGET = "memory budget exceeded"
"""What expr says when a list or text becomes too large."""
TOO_MUCH = f"too much work: an evaluation may take {MOST_STEPS:,} steps"
TOGETHER_TOO_MUCH = f"too much work: all that is evaluated at once may take {MOST_TOGETHER:,} steps"
TOO_DEEP = f"nested too deeply: at most {DEEPEST_NESTING} levels"

Pointer = tuple[Value, int, Value]
"""What a predicate sees: `#`, `#index` and `#acc`."""
OUTSIDE: Pointer = (None, 0, None)


class Budget:
    """How much the evaluations that have it in their scope, as `$budget`, may still do together."""

    __slots__ = ("left",)

    def __init__(self, steps: int = MOST_TOGETHER) -> None:
        """Begin, with so many steps."""
        self.left = steps


class Evaluation:
    """One evaluation: what it sees, and how much it may still do."""

    __slots__ = ("budget", "draws", "given", "here", "left", "scope", "variables")

    def __init__(self, scope: Mapping[str, Value]) -> None:
        """Begin, with the names that are known."""
        self.scope = scope
        self.budget: Budget | None = scope.get("$budget")
        self.given = self.left = MOST_STEPS if self.budget is None else min(MOST_STEPS, self.budget.left)
        self.here = OUTSIDE
        self.variables: dict[str, Value] = {}
        """What `let` has named."""
        self.draws = 0
        """How often chance was asked."""

    def spend(self, steps: int) -> None:
        """Count work that is about to be done."""
        self.left -= steps
        if self.left < 0:
            raise self.exhausted()

    def exhausted(self) -> Fault:
        """Say which bound has been reached."""
        return Fault(TOO_MUCH if self.given == MOST_STEPS else TOGETHER_TOO_MUCH)

    def end(self) -> None:
        """Take what was done from what may be done together."""
        if self.budget is not None:
            self.budget.left -= self.given - self.left + FLAT


def bounded_list(length: int) -> None:
    """Refuse to make a list that is too long."""
    if length > LONGEST_LIST:
        raise Fault(BUDGET)


def bounded_text(length: int, evaluation: Evaluation) -> None:
    """Count the making of a text, and refuse one that is too long."""
    if length > LONG:
        if length > LONGEST_TEXT:
            raise Fault(BUDGET)
        evaluation.spend(length >> 6)


def deeper(depth: int) -> int:
    """Go one level down into a value."""
    if depth >= DEEPEST_NESTING:
        raise Fault(TOO_DEEP)
    return depth + 1
