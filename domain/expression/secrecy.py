"""Where an expression may have secrets: as a whole, as a part of a sum, or as one of two branches."""

from __future__ import annotations

from domain.expression.errors import Fault
from domain.expression.nodes import Binary, Block, Chain, Conditional, Let, Member, Name, Node
from domain.expression.values import SEALED

SECRETS = "secrets"
NOWHERE = "secrets cannot be used in this field"

Part = tuple[Node, bool]
"""A part, and whether it may be a secret."""


def check_secrets(tree: Node, *, allowed: bool) -> None:
    """Refuse an expression that has secrets where it may not."""
    waiting: list[Part] = [(tree, allowed)]
    while waiting:
        node, free = waiting.pop()
        if isinstance(node, Name) and node.name == SECRETS:
            raise Fault(SEALED if allowed else NOWHERE, node.position)
        waiting.extend(reversed(_parts(node) if free else [(child, False) for child in node.children()]))


def _parts(node: Node) -> list[Part]:
    """Return the parts of what may be a secret."""
    parts = [(child, False) for child in node.children()]
    match node:
        case Member(base=Name(name="secrets"), key=key):
            parts = [(key, False)]
        case Chain() | Binary(operator="+"):
            parts = [(child, True) for child in node.children()]
        case Binary(operator="??") | Let() | Block():
            parts[-1] = (parts[-1][0], True)
        case Conditional(condition=condition, chosen=chosen, otherwise=otherwise):
            parts = [(condition, False), (chosen, True), (otherwise, True)]
    return parts
