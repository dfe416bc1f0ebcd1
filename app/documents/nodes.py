"""What a document is made of, whether YAML or JSON: scalars, sequences and mappings, each with its place."""

from __future__ import annotations

import msgspec

NULL = frozenset({"", "~", "null", "Null", "NULL"})
"""Words that mean nothing when they stand in YAML without quotes."""

MERGE = "<<"

LARGEST_INTEGER = 2**53
"""Beyond it, many programs round."""

Value = str | int | float | bool | None


class Scalar(msgspec.Struct):
    """A single value."""

    line: int
    """From 0, as is the column: most nodes are never pointed at."""
    column: int
    value: Value
    plain: bool = False
    """Written in YAML without quotes: what it means depends on the type that is wanted."""

    def is_null(self) -> bool:
        """Tell whether nothing was given."""
        return self.value in NULL if self.plain else self.value is None


class Sequence(msgspec.Struct):
    """A list."""

    line: int
    column: int
    items: list[Node]


class Mapping(msgspec.Struct):
    """Values under names, each name once."""

    line: int
    column: int
    entries: dict[str, tuple[Scalar, Node]]
    """The key, for its place, and the value."""


Node = Scalar | Sequence | Mapping


def kind(node: Node) -> str:
    """Say what a node is, in words for people."""
    match node:
        case Sequence():
            return "a list"
        case Mapping():
            return "a mapping"
        case Scalar(value=bool()):
            return "true or false"
        case Scalar(value=int() | float()):
            return "a number"
        case _:
            return "nothing" if node.is_null() else "text"
