"""Makes closures of a tree that was checked: each evaluates one part."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from domain.expression.checker import STRING_MAPS
from domain.expression.closures import (
    applying,
    caller,
    coalescing,
    constant,
    located,
    matching,
    member_step,
    method_step,
    pointer,
    string_map,
    uncallable,
    unsealed,
)
from domain.expression.errors import Fault
from domain.expression.limits import Evaluation, Value
from domain.expression.loops import EACH, LOOPS, NOT_GIVEN, Run, Walk, items_of
from domain.expression.members import cut, key_of
from domain.expression.nodes import (
    Binary,
    Block,
    Call,
    Chain,
    Conditional,
    Constant,
    Let,
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
from domain.expression.operators import BINARY, negative, positive
from domain.expression.signatures import FUNCTIONS
from domain.expression.values import HIGHEST, SEALED, Sealed, StringMap, text, truth

TEXTS = StringMap()
"""Stands for any map of texts."""
CALL = 20
"""How many more steps a call takes than other parts."""
PLACES = {"": 0, "index": 1, "acc": 2}
"""Where pointers are in what a predicate sees."""
DEFAULTS = {"sortBy": "asc", "reduce": NOT_GIVEN}
"""What stands for the argument after the predicate."""


class Compiler:
    """Goes through one expression."""

    def __init__(self) -> None:
        """Know no variable yet."""
        self._variables: set[str] = set()
        self.size = 0
        """How many parts there are."""

    def compile(self, node: Node) -> Run:
        """Return the closure that evaluates a part."""
        self.size += 1
        run: Run = COMPILERS[type(node)](self, node)
        return run

    def compiled(self, nodes: list[Node]) -> list[Run]:
        """Return the closures of several parts."""
        return [self.compile(node) for node in nodes]

    def name(self, node: Name) -> Run:
        """Look a name up."""
        name = node.name
        if name in self._variables:
            return lambda evaluation: evaluation.variables[name]
        if name in STRING_MAPS:
            return located(lambda evaluation: string_map(evaluation, name), node)
        return lambda evaluation: evaluation.scope[name]

    def unary(self, node: Unary) -> Run:
        """Apply an operator to what is behind it."""
        operand = self.compile(node.operand)
        if node.operator in {"!", "not"}:
            return located(lambda evaluation: not truth(operand(evaluation)), node)
        apply = negative if node.operator == "-" else positive
        return located(lambda evaluation: apply(operand(evaluation)), node)

    def binary(self, node: Binary) -> Run:
        """Apply an operator to what is on both sides."""
        left = self.compile(node.left)
        if node.operator == "matches" and isinstance(node.right, Constant):
            return located(matching(left, node.right.value), node)
        right = self.compile(node.right)
        if node.operator in {"&&", "and"}:
            return located(lambda evaluation: truth(left(evaluation)) and truth(right(evaluation)), node)
        if node.operator in {"||", "or"}:
            return located(lambda evaluation: truth(left(evaluation)) or truth(right(evaluation)), node)
        if node.operator == "??":
            return coalescing(left, right)
        return applying(left, right, BINARY[node.operator], node.position)

    def conditional(self, node: Conditional) -> Run:
        """Evaluate one of two branches."""
        asked = self.compile(node.condition)
        condition = located(lambda evaluation: truth(asked(evaluation)), node.condition)
        chosen, otherwise = self.compile(node.chosen), self.compile(node.otherwise)
        return lambda evaluation: chosen(evaluation) if condition(evaluation) else otherwise(evaluation)

    def member(self, node: Member) -> Run:
        """Fetch a member."""
        if self._in_string_map(node):
            return self._string_member(node, node.base)
        base = self.compile(node.base)
        step = member_step(self.compile(node.key), node.position)
        if not isinstance(node.key, Constant) or type(node.key.value) is not str:
            return lambda evaluation: step(base(evaluation), evaluation)
        name = node.key.value

        def run(evaluation: Evaluation) -> Value:
            found = base(evaluation)
            return found.get(name) if type(found) is dict else step(found, evaluation)

        return run

    def _in_string_map(self, node: Node) -> bool:
        """Tell whether a part is a member of a map of texts, which need not be copied for that."""
        if not isinstance(node, Member) or not isinstance(node.base, Name):
            return False
        return node.base.name in STRING_MAPS and node.base.name not in self._variables

    def _string_member(self, node: Member, base: Any) -> Run:
        table = base.name
        if isinstance(node.key, Constant) and type(node.key.value) is str:
            name = node.key.value
            return lambda evaluation: evaluation.scope[table].get(name, "")
        key = self.compile(node.key)
        return located(lambda evaluation: evaluation.scope[table].get(key_of(TEXTS, key(evaluation)), ""), node)

    def method(self, node: Method) -> Run:
        """Call a method."""
        base = self.compile(node.base)
        step = method_step(self.compiled(node.arguments), node.name, node.position)
        return lambda evaluation: step(base(evaluation), evaluation)

    def chain(self, node: Chain) -> Run:
        """Fetch members one by one, and stop where an optional one finds nil."""
        links: list[Member | Method] = []
        link = node.link
        while isinstance(link, Member | Method) and not self._in_string_map(link):
            links.append(link)
            link = link.base
        start = self.compile(link)
        steps = [(each.optional, self._step(each)) for each in reversed(links)]

        def run(evaluation: Evaluation) -> Value:
            value = start(evaluation)
            for optional, step in steps:
                if optional and value is None:
                    return None
                value = step(value, evaluation)
            return value

        return run

    def _step(self, link: Member | Method) -> Callable[[Value, Evaluation], Value]:
        if isinstance(link, Method):
            return method_step(self.compiled(link.arguments), link.name, link.position)
        return member_step(self.compile(link.key), link.position)

    def slice(self, node: Slice) -> Run:
        """Cut a part out."""
        base = self.compile(node.base)
        start = self.compile(node.start) if node.start else constant(0)
        stop = self.compile(node.stop) if node.stop else constant(HIGHEST)
        return located(lambda evaluation: cut(base(evaluation), start(evaluation), stop(evaluation), evaluation), node)

    def call(self, node: Call) -> Run:
        """Call a function."""
        if node.name not in FUNCTIONS:
            callee = self.name(Name(node.position, node.name))
            return located(lambda evaluation: uncallable(callee(evaluation)), node)
        self.size += CALL
        return caller(node.name, self.compiled(node.arguments), node.position)

    def loop(self, node: Loop) -> Run:
        """Go through a list."""
        items = self.compile(node.items)
        before = self.size
        predicate = self.compile(node.predicate) if node.predicate else pointer(0)
        cost = self.size - before + EACH
        extra = self.compile(node.extra) if node.extra else constant(DEFAULTS.get(node.name))
        finish = LOOPS[node.name]

        def run(evaluation: Evaluation) -> Value:
            found, more = items_of(items(evaluation), node.name, evaluation), extra(evaluation)
            if type(more) is Sealed:
                raise Fault(SEALED)
            outside = evaluation.here
            value = finish(Walk(evaluation, found, predicate, cost, more))
            evaluation.here = outside
            return value

        return located(run, node)

    def let(self, node: Let) -> Run:
        """Name a value for what follows."""
        name, value = node.name, self.compile(node.value)
        self._variables.add(name)
        body = self.compile(node.body)
        self._variables.discard(name)

        def run(evaluation: Evaluation) -> Value:
            evaluation.variables[name] = value(evaluation)
            return body(evaluation)

        return run

    def block(self, node: Block) -> Run:
        """Evaluate all, and keep the last."""
        runs = self.compiled(node.nodes)
        return lambda evaluation: [run(evaluation) for run in runs][-1]

    def list(self, node: List) -> Run:
        """Make a list."""
        if all(isinstance(item, Constant) for item in node.items):
            self.size += len(node.items)
            values = [item.value for item in node.items if isinstance(item, Constant)]
            return lambda _evaluation: values.copy()
        items = self.compiled(node.items)
        return located(lambda evaluation: unsealed([item(evaluation) for item in items]), node)

    def map(self, node: Map) -> Run:
        """Make a map."""
        names, values = self.compiled(node.names), self.compiled(node.values)

        def run(evaluation: Evaluation) -> Value:
            keys = [text(name(evaluation)) for name in names]
            found = unsealed([value(evaluation) for value in values])
            return dict(zip(reversed(keys), reversed(found), strict=True))  # as in Go, the first of two wins

        return located(run, node)


COMPILERS: dict[type[Node], Callable[[Compiler, Any], Run]] = {
    Constant: lambda _compiler, node: constant(node.value),
    Name: Compiler.name,
    Pointer: lambda _compiler, node: pointer(PLACES[node.name]),
    Unary: Compiler.unary,
    Binary: Compiler.binary,
    Conditional: Compiler.conditional,
    Member: Compiler.member,
    Method: Compiler.method,
    Chain: Compiler.chain,
    Slice: Compiler.slice,
    Call: Compiler.call,
    Loop: Compiler.loop,
    Predicate: lambda compiler, node: compiler.compile(node.body),
    Let: Compiler.let,
    Block: Compiler.block,
    List: Compiler.list,
    Map: Compiler.map,
}
"""How each kind of part is compiled."""
