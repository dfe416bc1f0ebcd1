"""Finds the place of a value in a document, and the place within its text."""

from __future__ import annotations

from itertools import islice
from typing import NamedTuple

from app.documents.mismatch import is_blank
from app.documents.nodes import Mapping, Node, Scalar, Sequence
from app.documents.problems import Path
from app.documents.text import Place


class Spot(NamedTuple):
    """A node, and the way to what was looked for: to the node itself, or to what is missing in it."""

    node: Node
    path: Path


def find(root: Node, way: tuple[str | int, ...]) -> Spot:
    """Go as far as there is something."""
    node: Node = root
    path: Path = None
    for number, step in enumerate(way):
        found = _child(node, step)
        if found is None:
            return Spot(node, _joined(path, way[number:]))
        node, path = found[1], (path, found[0])
    return Spot(node, path)


def _joined(path: Path, way: tuple[str | int, ...]) -> Path:
    for step in way:
        path = (path, step)
    return path


def _child(node: Node, step: str | int) -> tuple[str | int, Node] | None:
    """Return what a step leads to, and how the document calls it."""
    if isinstance(node, Mapping) and step in node.entries:
        return step, node.entries[str(step)][1]
    if isinstance(node, Sequence) and isinstance(step, int):
        # items with nothing in them are no items, but they count where a person counts
        given = ((index, item) for index, item in enumerate(node.items) if not is_blank(item))
        return next(islice(given, step, None), None)
    return None


def inside(source: str, node: Node, line: int, column: int) -> Place | None:
    """Find a line and a column, from 1, of a text in the source; nothing where it is not written as it reads."""
    if not isinstance(node, Scalar):
        return None
    written, meant = source.split("\n"), str(node.value).split("\n")
    if len(meant) == 1:
        return _in_line(written[node.line], node, column)
    return _in_block(written, node.line + line, meant[line - 1], column)


def _in_line(written: str, node: Scalar, column: int) -> Place | None:
    for quote in ("", '"', "'"):
        start = node.column + len(quote)
        if written.startswith(f"{quote}{node.value}{quote}", node.column):
            return Place(node.line, start + column - 1)
    return None


def _in_block(written: list[str], number: int, meant: str, column: int) -> Place | None:
    line = written[number].rstrip("\r") if number < len(written) else ""
    indent = len(line) - len(meant)
    if indent < 0 or line[indent:] != meant or line[:indent].strip(" "):
        return None
    return Place(number, indent + column - 1)
