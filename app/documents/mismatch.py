"""Notes that something else stands in a document than what was wanted."""

from __future__ import annotations

from app.documents.nodes import Node, Scalar, kind
from app.documents.problems import Path, Problems
from domain.errors import Problem

LIST_HINT = "write [a, b], or in YAML each item after '- ' on a line of its own"
MAPPING_HINT = 'write {"name": "value"}, or in YAML name: value'
TEXT_HINT = "put a text that begins with { or [ in quotes"


def is_blank(node: Node) -> bool:
    """Tell whether nothing was written at all, which JSON can not say."""
    return isinstance(node, Scalar) and node.plain and node.is_null()


def mismatch(node: Node, path: Path, problems: Problems, wanted: tuple[str, str]) -> None:
    """Note that something else was wanted; where nothing was written at all, that it is missing."""
    expected, hint = wanted
    if is_blank(node):
        problems.add(node, path, Problem("must not be empty", "required", hint=f"give {expected}"))
    else:
        problems.add(node, path, Problem(f"expected {expected}, got {kind(node)}", "type", hint=hint))
