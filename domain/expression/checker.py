"""Finds what is wrong with an expression before there are values: unknown names, and types that do not fit."""

from __future__ import annotations

from collections.abc import Callable, Collection
from itertools import pairwise
from typing import Any

from domain.expression.errors import Fault
from domain.expression.kinds import (
    ANY,
    BOOL,
    FLOAT,
    INT,
    LIST,
    MAP,
    NIL,
    STRING,
    STRING_MAP,
    UNKNOWN,
    Type,
    assignable,
    common,
    list_of,
)
from domain.expression.limits import MOST_STEPS, TOO_MUCH
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
from domain.expression.operands import PREDICATES
from domain.expression.operator_types import ASKING, INDEXED, LOOPS, binary_type, element_of, unary_type
from domain.expression.patterns import pattern_cost, program_cost, read_pattern
from domain.expression.signatures import FUNCTIONS, METHODS, Misfit, call_type, method_type

STRING_MAPS = frozenset({"inputs", "secrets", "tasks", "job"})
"""Names of Go's map[string]string; of other names nothing is known."""
CONSTANTS = {type(None): NIL, bool: BOOL, int: INT, float: FLOAT, str: STRING}
BUILTINS = FUNCTIONS | PREDICATES.keys()


class Checker:
    """Goes through one expression and tells the type of each part."""

    def __init__(self, names: Collection[str]) -> None:
        """Know the names that an expression may use."""
        self._names = names
        self._variables: dict[str, Type] = {}
        self._pointers: list[dict[str, Type]] = []
        self.reading = 0
        """What it cost to read regular expressions, in steps."""

    def check(self, node: Node) -> Type:
        """Return the type of a part; a mistake that has no place yet is in it."""
        try:
            return CHECKS[type(node)](self, node)
        except Fault as fault:
            fault.at(node.position)
            raise

    def _checked(self, nodes: list[Node]) -> list[Type]:
        return [self.check(node) for node in nodes]

    def name(self, node: Name) -> Type:
        """Know a variable, or a name of the scope."""
        if node.name in self._variables:
            return self._variables[node.name]
        if node.name == "$env":
            raise Fault("$env is not supported: name what you need")
        if node.name not in self._names:
            raise Fault(f"unknown name {node.name}")
        is_event = node.name == "job" and "inputs" not in self._names  # of a webhook: more than texts
        return STRING_MAP if node.name in STRING_MAPS and not is_event else ANY

    def pointer(self, node: Pointer) -> Type:
        """Know what the predicate around it sees."""
        found = self._pointers[-1].get(node.name)
        if found is None:
            raise Fault(f"unknown pointer #{node.name}")
        return found

    def unary(self, node: Unary) -> Type:
        """See that the operator takes its operand."""
        return unary_type(node.operator, self.check(node.operand))

    def binary(self, node: Binary) -> Type:
        """See that the operator takes its operands, and that a pattern can be read."""
        left, right = self.check(node.left), self.check(node.right)
        if node.operator == "matches" and isinstance(node.right, Constant) and right is STRING:
            self._read_pattern(node.right.value)
        return binary_type(node.operator, left, right)

    def _read_pattern(self, pattern: str) -> None:
        self.reading += pattern_cost(pattern)
        if self.reading > MOST_STEPS:
            raise Fault(TOO_MUCH)
        self.reading += program_cost(read_pattern(pattern))

    def conditional(self, node: Conditional) -> Type:
        """See that the condition is one."""
        condition = self.check(node.condition)
        if condition is not BOOL and not condition.unknown:
            wrong = f"non-bool expression (type {condition.name}) used as condition"
            raise Fault(wrong, node.condition.position)
        return common(self.check(node.chosen), self.check(node.otherwise))

    def member(self, node: Member) -> Type:
        """See that there can be such a member."""
        return self._member(node, self.check(node.base), self.check(node.key))

    def _member(self, node: Member, base: Type, key: Type) -> Type:
        if base.unknown:
            return UNKNOWN
        if base.kind == "map":
            if not key.unknown and not assignable(key, base.key or ANY):
                raise Fault(f"cannot use {key.name} to get an element from {base.name}", node.key.position)
            return base.element or ANY
        if base.kind == "list":
            if not key.unknown and key is not INT:
                wrong = f"array elements can only be selected using an integer (got {key.name})"
                raise Fault(wrong, node.key.position)
            return base.element or ANY
        if isinstance(node.key, Constant) and key is STRING:
            raise Fault(f"type {'nil' if base is NIL else base.name} has no field {node.key.value}")
        raise Fault(f"type {base.name}[{key.name}] is undefined")

    def method(self, node: Method) -> Type:
        """See that there is such a method, and that it takes its arguments."""
        base, given = self.check(node.base), self._checked(node.arguments)
        signature = METHODS.get(base.kind, {}).get(node.name)
        if signature:
            return self._fitted(node.arguments, lambda: method_type(node.name, signature, given))
        if base.unknown:
            return UNKNOWN
        if base.kind == "map":
            if (base.element or ANY).unknown:
                return UNKNOWN
            raise Fault(f"{(base.element or ANY).name} is not callable")
        raise Fault(f"type {'nil' if base is NIL else base.name} has no method {node.name}")

    def _fitted(self, arguments: list[Node], fit: Callable[[], Type]) -> Type:
        """Find the place of an argument that does not fit."""
        try:
            return fit()
        except Misfit as wrong:
            place = None if wrong.argument is None else arguments[wrong.argument].position
            raise Fault(wrong.message, place) from None

    def chain(self, node: Chain) -> Type:
        """Know what is at its end."""
        return self.check(node.link)

    def slice(self, node: Slice) -> Type:
        """See that it can be cut, and that the bounds are integers."""
        base = self.check(node.base)
        if not base.unknown and base.kind not in {"string", "list"}:
            raise Fault(f"cannot slice {base.name}")
        for bound in (node.start, node.stop):
            found = self.check(bound) if bound else INT
            if bound and found is not INT and not (found.unknown or base.unknown):
                raise Fault(f"non-integer slice index {found.name}", bound.position)
        return UNKNOWN if base.unknown else base

    def call(self, node: Call) -> Type:
        """See that there is such a function, and that it takes its arguments."""
        if node.name in FUNCTIONS:
            given = self._checked(node.arguments)
            if node.name == "get":
                return self._get(node, given)
            return self._fitted(node.arguments, lambda: call_type(node.name, given))
        found = self.name(Name(node.position, node.name))
        self._checked(node.arguments)
        if found.unknown:
            return UNKNOWN
        raise Fault(f"{found.name} is not callable")

    def _get(self, node: Call, given: list[Type]) -> Type:
        if len(given) != 2:  # noqa: PLR2004 - as the message says
            raise Fault(f"invalid number of arguments (expected 2, got {len(given)})")
        base, key = given
        if base.unknown:
            return UNKNOWN
        if base.kind == "list" and key is not INT and not key.unknown:
            raise Fault(f"non-integer slice index {key.name}", node.arguments[1].position)
        if base.kind not in {"list", "map"}:
            raise Fault(f"type {base.name} does not support indexing", node.arguments[0].position)
        return self._member(Member(node.position, node.arguments[0], node.arguments[1]), base, key)

    def loop(self, node: Loop) -> Type:
        """See that there is a list to go through, and that the predicate says what it should."""
        items = self.check(node.items)
        if items.kind != "list" and not items.unknown:
            raise Fault(f"builtin {node.name} takes only array (got {items.name})", node.items.position)
        answer = self._answer(node, node.predicate, items) if node.predicate else element_of(items)
        if node.extra:
            self.check(node.extra)
        return LOOPS[node.name](items, answer)

    def _answer(self, loop: Loop, predicate: Node, items: Type) -> Type:
        pointers = {"": element_of(items)}
        if loop.name in INDEXED:
            pointers["index"] = INT
        if loop.name == "reduce":
            pointers["acc"] = UNKNOWN
        self._pointers.append(pointers)
        answer = self.check(predicate)
        self._pointers.pop()
        if answer is NIL:
            raise Fault("predicate should has one input and one output param", predicate.position)
        if loop.name in ASKING and answer is not BOOL and not answer.unknown:
            raise Fault(f"predicate should return boolean (got {answer.name})", predicate.position)
        return answer

    def predicate(self, node: Predicate) -> Type:
        """Know what the predicate says."""
        return self.check(node.body)

    def let(self, node: Let) -> Type:
        """See that the name is new, and know it in what follows."""
        for what, taken in (("", self._names), ("builtin ", BUILTINS), ("variable ", self._variables)):
            if node.name in taken:
                raise Fault(f"cannot redeclare {what}{node.name}")
        value = self.check(node.value)
        self._variables[node.name] = value
        body = self.check(node.body)
        del self._variables[node.name]
        return body

    def block(self, node: Block) -> Type:
        """Know the last of several expressions."""
        return self._checked(node.nodes)[-1]

    def list(self, node: List) -> Type:
        """Know the items, if they are alike."""
        items = self._checked(node.items)
        alike = all(_alike(left, right) for left, right in pairwise(items))
        return list_of(items[-1] if items else UNKNOWN) if alike else LIST

    def map(self, node: Map) -> Type:
        """See that keys and values are sound."""
        self._checked([*node.names, *node.values])
        return MAP


def _alike(left: Type, right: Type) -> bool:
    kinds = {left.kind, right.kind}
    return len(kinds) == 1 and (left.name == "interface {}") == (right.name == "interface {}")


CHECKS: dict[type[Node], Callable[[Checker, Any], Type]] = {
    Constant: lambda _checker, node: CONSTANTS[type(node.value)],
    Name: Checker.name,
    Pointer: Checker.pointer,
    Unary: Checker.unary,
    Binary: Checker.binary,
    Conditional: Checker.conditional,
    Member: Checker.member,
    Method: Checker.method,
    Chain: Checker.chain,
    Slice: Checker.slice,
    Call: Checker.call,
    Loop: Checker.loop,
    Predicate: Checker.predicate,
    Let: Checker.let,
    Block: Checker.block,
    List: Checker.list,
    Map: Checker.map,
}
"""How each kind of part is checked."""
