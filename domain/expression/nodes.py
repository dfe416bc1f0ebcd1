"""The parts of an expression: what the parser makes, and the checker and the compiler read."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from domain.expression.limits import Value


class Node(msgspec.Struct):
    """A part, and where it is told to be: an operator stands at its sign."""

    position: int

    def children(self) -> Sequence[Node]:
        """Return its own parts."""
        return ()


class Constant(Node):
    """A literal."""

    value: Value


class Name(Node):
    """A variable."""

    name: str


class Pointer(Node):
    """What a predicate looks at: `#`, `#index` or `#acc`."""

    name: str


class Unary(Node):
    """An operator before its operand."""

    operator: str
    operand: Node

    def children(self) -> Sequence[Node]:
        """Return the operand."""
        return (self.operand,)


class Binary(Node):
    """An operator between its operands."""

    operator: str
    left: Node
    right: Node

    def children(self) -> Sequence[Node]:
        """Return the operands."""
        return (self.left, self.right)


class Conditional(Node):
    """`?:`, or `if` with `else`."""

    condition: Node
    chosen: Node
    otherwise: Node

    def children(self) -> Sequence[Node]:
        """Return the condition and both branches."""
        return (self.condition, self.chosen, self.otherwise)


class Member(Node):
    """`base.name` or `base[key]`."""

    base: Node
    key: Node
    optional: bool = False

    def children(self) -> Sequence[Node]:
        """Return the base and the key."""
        return (self.base, self.key)


class Method(Node):
    """`base.name(…)`."""

    base: Node
    name: str
    arguments: list[Node]
    optional: bool = False

    def children(self) -> Sequence[Node]:
        """Return the base and the arguments."""
        return (self.base, *self.arguments)


class Chain(Node):
    """Members of which each is left out when an optional one before it finds nil."""

    link: Node

    def children(self) -> Sequence[Node]:
        """Return the outermost member."""
        return (self.link,)


class Slice(Node):
    """`base[start:stop]`."""

    base: Node
    start: Node | None
    stop: Node | None

    def children(self) -> Sequence[Node]:
        """Return the base and the bounds."""
        return [node for node in (self.base, self.start, self.stop) if node]


class Call(Node):
    """`name(…)`."""

    name: str
    arguments: list[Node]

    def children(self) -> Sequence[Node]:
        """Return the arguments."""
        return self.arguments


class Predicate(Node):
    """What a loop asks of each item."""

    body: Node

    def children(self) -> Sequence[Node]:
        """Return the expression."""
        return (self.body,)


class Loop(Node):
    """A built-in function that asks a predicate of each item."""

    name: str
    items: Node
    predicate: Node | None = None
    extra: Node | None = None

    def children(self) -> Sequence[Node]:
        """Return the list, the predicate and what may follow it."""
        return [node for node in (self.items, self.predicate, self.extra) if node]


class Let(Node):
    """`let name = value; body`."""

    name: str
    value: Node
    body: Node

    def children(self) -> Sequence[Node]:
        """Return the value and what may use it."""
        return (self.value, self.body)


class Block(Node):
    """Expressions of which only the last one counts."""

    nodes: list[Node]

    def children(self) -> Sequence[Node]:
        """Return them."""
        return self.nodes


class List(Node):
    """`[…]`."""

    items: list[Node]

    def children(self) -> Sequence[Node]:
        """Return the items."""
        return self.items


class Map(Node):
    """`{…}`."""

    names: list[Node]
    values: list[Node]

    def children(self) -> Sequence[Node]:
        """Return the names and the values."""
        return [*self.names, *self.values]
