"""Makes a tree of an expression: operators by their precedence, over the tokens of the lexer."""

from __future__ import annotations

from domain.expression.cursor import TOO_LARGE
from domain.expression.errors import Fault
from domain.expression.lexer import BRACKET, EOF, OPERATOR, Token
from domain.expression.limits import DEEPEST_NESTING, DEEPEST_TREE, LONGEST_SOURCE, MOST_NODES, TOO_DEEP
from domain.expression.nodes import Binary, Block, Conditional, Let, Node, Unary
from domain.expression.operands import Operands

BINARY = {
    "|": 0,
    **dict.fromkeys(("or", "||"), 10),
    **dict.fromkeys(("and", "&&"), 15),
    **dict.fromkeys(("==", "!=", "<", ">", ">=", "<="), 20),
    **dict.fromkeys(("in", "matches", "contains", "startsWith", "endsWith"), 20),
    "..": 25,
    **dict.fromkeys(("+", "-"), 30),
    **dict.fromkeys(("*", "/", "%"), 60),
    **dict.fromkeys(("**", "^"), 100),
    "??": 500,
}
"""Operators between operands, and how strongly they bind."""
FROM_THE_RIGHT = frozenset({"**", "^"})
NEGATED = frozenset({"in", "matches", "contains", "startsWith", "endsWith"})
"""What may follow `not` between operands."""
COMPARISONS = frozenset({"<", ">", "<=", ">="})


def parse(source: str) -> tuple[Node, int]:
    """Return the tree of an expression, and how many nodes it has."""
    if len(source) > LONGEST_SOURCE:
        raise Fault(f"too long: an expression may have {LONGEST_SOURCE:,} characters", 0)
    tree = Parser(source).parse()
    return tree, _size(tree)


def _size(tree: Node) -> int:
    """Count the nodes of a tree, and refuse one that is too deep or too large for those who will walk through it."""
    waiting, count = [(tree, 1)], 0
    while waiting:
        node, depth = waiting.pop()
        count += 1
        if depth > DEEPEST_TREE:
            raise Fault(f"too long a chain of operations: at most {DEEPEST_TREE}", node.position)
        if count > MOST_NODES:
            raise Fault(TOO_LARGE, node.position)
        waiting.extend([(child, depth + 1) for child in node.children()])
    return count


class Parser(Operands):
    """Reads one expression."""

    def __init__(self, source: str) -> None:
        """Begin at the first token."""
        super().__init__(source)
        self._nesting = 0

    def parse(self) -> Node:
        """Return the tree of the whole expression."""
        tree = self.block()
        if self.current.kind != EOF:
            raise self.unexpected()
        return tree

    def block(self) -> Node:
        """Read expressions of which the last one is the value."""
        node = self.expression()
        if not self.at(";"):
            return node
        nodes = [node]
        while self.take(";") and self.current.kind != EOF:
            nodes.append(self.expression())
        return Block(node.position, nodes)

    def expression(self, precedence: int = 0) -> Node:
        """Read an expression of operators that bind at least so strongly."""
        self._nesting += 1
        if self._nesting > DEEPEST_NESTING:
            raise Fault(TOO_DEEP, self.current.position)
        if precedence == 0 and self.at("let"):
            node = self._let()
        elif precedence == 0 and self.at("if"):
            node = self._if()
        else:
            node = self._operations(precedence)
        self._nesting -= 1
        return node

    def _let(self) -> Node:
        self.advance()
        name = self.word()
        self.expect("=")
        value = self.expression()
        self.expect(";")
        return Let(name.position, name.value, value, self.block())

    def _if(self) -> Node:
        self.advance()
        condition = self.expression()
        chosen = self._braced()
        self.expect("else")
        otherwise = self.expression() if self.at("if") else self._braced()
        return Conditional(condition.position, condition, chosen, otherwise)

    def _braced(self) -> Node:
        self.expect("{", BRACKET)
        node = self.block()
        self.expect("}", BRACKET)
        return node

    def _operations(self, precedence: int) -> Node:
        node, before = self.primary(), ""
        while self.current.kind == OPERATOR:
            negated = self._negated(precedence)
            operator = self.current
            if BINARY.get(operator.value, -1) < precedence:
                break
            self.advance()
            node = self._operation(node, operator, before)
            node = Unary(operator.position, "not", node) if negated else node
            before = operator.value
        while precedence == 0 and self.take("?"):
            node = self._ternary(node)
        return node

    def _negated(self, precedence: int) -> bool:
        """Skip the `not` of `not in` and its like, if they bind strongly enough."""
        if not self.at("not"):
            return False
        following = self.ahead()
        if following.value not in NEGATED:
            raise Fault(f"unexpected token {following}", following.position)
        if BINARY[following.value] < precedence:
            return False
        self.advance()
        return True

    def _operation(self, left: Node, operator: Token, before: str) -> Node:
        sign = operator.value
        if sign == "|":
            return self.call(self.word(), left)
        if before == "??" and sign != "??":
            mixed = f"Operator ({sign}) and coalesce expressions (??) cannot be mixed. Wrap either by parentheses."
            raise Fault(mixed, operator.position)
        if sign in COMPARISONS:
            return self._comparison(left, operator)
        right = self.expression(BINARY[sign] if sign in FROM_THE_RIGHT else BINARY[sign] + 1)
        return Binary(operator.position, sign, left, right)

    def _comparison(self, left: Node, operator: Token) -> Node:
        """Read `a < b < c` as `a < b && b < c`."""
        right = self.expression(BINARY["<"] + 1)
        node = Binary(operator.position, operator.value, left, right)
        while self.current.kind == OPERATOR and self.current.value in COMPARISONS:
            left, operator = right, self.advance()
            right = self.expression(BINARY["<"] + 1)
            compared = Binary(operator.position, operator.value, left, right)
            node = Binary(operator.position, "&&", node, compared)
        return node

    def _ternary(self, condition: Node) -> Node:
        if self.take(":"):
            return Conditional(condition.position, condition, condition, self.expression())
        chosen = self.expression()
        self.expect(":")
        return Conditional(condition.position, condition, chosen, self.expression())
