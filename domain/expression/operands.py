"""Reads operands: literals, names, calls, lists, maps, and what follows them with a dot or a bracket."""

from __future__ import annotations

from abc import ABC, abstractmethod

from domain.expression.cursor import Cursor
from domain.expression.errors import Fault
from domain.expression.lexer import BRACKET, IDENTIFIER, NUMBER, OPERATOR, STRING, WORDS, Token
from domain.expression.nodes import (
    Call,
    Chain,
    Constant,
    List,
    Loop,
    Map,
    Member,
    Method,
    Name,
    Node,
    Pointer,
    Predicate,
    Slice,
    Unary,
)
from domain.expression.numerals import literal

UNARY = {"not": 50, "!": 50, "-": 90, "+": 90}
"""Operators before an operand, and how strongly they bind."""
LITERALS = {"true": True, "false": False, "nil": None}
PREDICATES = {
    **dict.fromkeys(("all", "none", "any", "one", "filter", "map", "groupBy"), (2, 2)),
    **dict.fromkeys(("find", "findIndex", "findLast", "findLastIndex"), (2, 2)),
    **dict.fromkeys(("count", "sum"), (1, 2)),
    **dict.fromkeys(("sortBy", "reduce"), (2, 3)),
}
"""Functions with a predicate, and how many arguments they take at least and at most."""
POSTFIX = frozenset({"[", ".", "?."})
KEYS = frozenset({NUMBER, STRING, IDENTIFIER})
"""What a map's key may be without brackets around it."""


class Operands(Cursor, ABC):
    """Reads what stands between operators."""

    def __init__(self, source: str) -> None:
        """Begin at the first token, outside of any predicate."""
        super().__init__(source)
        self._predicates = 0

    @abstractmethod
    def expression(self, precedence: int = 0) -> Node:
        """Read an expression of operators that bind at least so strongly."""

    @abstractmethod
    def block(self) -> Node:
        """Read expressions of which the last one is the value."""

    def primary(self) -> Node:
        """Read one operand."""
        kind = self.current.kind
        if kind == IDENTIFIER:
            return self._identifier()
        if kind == NUMBER:
            return self._number()
        if kind == STRING:
            token = self.advance()
            return self._postfix(Constant(token.position, token.value))
        return self._postfix(self._prefixed() if kind == OPERATOR else self._bracketed())

    def _identifier(self) -> Node:
        token = self.advance()
        if token.value in LITERALS:
            return Constant(token.position, LITERALS[token.value])
        if self.at("(", BRACKET):
            return self._postfix(self.call(token))
        return self._postfix(Name(token.position, token.value))

    def _number(self) -> Node:
        token = self.advance()
        try:
            return Constant(token.position, literal(token.value))
        except Fault as fault:
            fault.at(self.current.position)
            raise

    def _prefixed(self) -> Node:
        token = self.current
        if token.value in UNARY:
            self.advance()
            return Unary(token.position, token.value, self.expression(UNARY[token.value]))
        if self._predicates and token.value in {"#", "."}:
            return self._pointer()
        self.expect("::")
        return self.call(self.word())

    def _pointer(self) -> Node:
        token = self.current
        named = self.take("#") and self.current.kind == IDENTIFIER
        return Pointer(token.position, self.advance().value if named else "")

    def _bracketed(self) -> Node:
        token = self.current
        if self.take("(", BRACKET):
            node = self.block()
            self.expect(")", BRACKET)
            return node
        if self.take("[", BRACKET):
            return List(token.position, self._items("]"))
        if self.take("{", BRACKET):
            return self._map(token.position)
        raise self.unexpected()

    def _items(self, end: str) -> list[Node]:
        """Read expressions with commas between them; one more at the end does no harm."""
        items: list[Node] = []
        while not self.take(end, BRACKET):
            if items:
                self.expect(",")
                if self.take(end, BRACKET):
                    break
            items.append(self.expression())
        return items

    def _map(self, position: int) -> Node:
        node = Map(position, [], [])
        while not self.take("}", BRACKET):
            if node.names:
                self.expect(",")
                if self.take("}", BRACKET):
                    break
            node.names.append(self._key())
            self.expect(":")
            node.values.append(self.expression())
        return node

    def _key(self) -> Node:
        token = self.current
        if token.kind in KEYS:
            return Constant(token.position, self.advance().value)
        if self.at("(", BRACKET):
            return self.expression()
        wanted = "a map key must be a quoted string, a number, a identifier, or an expression enclosed in parentheses"
        raise Fault(f"{wanted} (unexpected token {token})", token.position)

    def call(self, name: Token, piped: Node | None = None) -> Node:
        """Read what is called and with what; what is piped into it comes first."""
        self.expect("(", BRACKET)
        first = [piped] if piped else []
        if name.value in PREDICATES:
            return self._loop(name, first)
        return Call(name.position, name.value, first + self._items(")"))

    def _loop(self, name: Token, arguments: list[Node]) -> Node:
        least, most = PREDICATES[name.value]
        piped = len(arguments)
        while len(arguments) < most and not (self.at(")", BRACKET) and len(arguments) >= least):
            if self.at(")", BRACKET):
                raise Fault(f"expected at least {most - piped} arguments", self.current.position)
            if len(arguments) > piped:
                self.expect(",")
            arguments.append(self._predicate() if len(arguments) == 1 else self.expression())
        self.take(",")
        self.expect(")", BRACKET)
        return Loop(name.position, name.value, *arguments)

    def _predicate(self) -> Node:
        """Read what is asked of each item, in braces or without."""
        position = self.current.position
        self._predicates += 1
        if self.take("{", BRACKET):
            node = self.block()
            self.expect("}", BRACKET)
        else:
            node = self.expression()
            if self.at(";"):
                raise Fault("wrap predicate with brackets { and }", self.current.position)
        self._predicates -= 1
        return Predicate(position, node)

    def _postfix(self, node: Node) -> Node:
        """Read the members, slices and methods of an operand."""
        while self.current.value in POSTFIX:
            if self.at("[", BRACKET):
                node = self._bracket(node)
            elif self.take("."):
                node = self._dot(node)
            elif self.take("?."):
                node = self._bracket(node, optional=True) if self.at("[", BRACKET) else self._dot(node, optional=True)
            else:
                break
        return node

    def _dot(self, node: Node, *, optional: bool = False) -> Node:
        """Read a name, and arguments if it is a method's."""
        token = self.advance()
        if token.kind != IDENTIFIER and token.value not in WORDS:
            raise Fault("expected name", self.current.position)
        chained = isinstance(node, Chain)
        base = node.link if isinstance(node, Chain) else node
        member: Node
        if self.take("(", BRACKET):
            member = Method(token.position, base, token.value, self._items(")"), optional)
        else:
            member = Member(token.position, base, Constant(token.position, token.value), optional)
        return Chain(token.position, member) if optional or chained else member

    def _bracket(self, node: Node, *, optional: bool = False) -> Node:
        """Read an index, or the bounds of a slice."""
        position = self.advance().position
        if self.take(":"):
            return self._slice(position, node, None)
        index = self.expression()
        if self.take(":"):
            return self._slice(position, node, index)
        self.expect("]", BRACKET)
        member = Member(position, node, index, optional)
        return Chain(position, member) if optional else member

    def _slice(self, position: int, node: Node, start: Node | None) -> Node:
        stop = None if self.at("]", BRACKET) else self.expression()
        self.expect("]", BRACKET)
        return Slice(position, node, start, stop)
