"""The types that operators take and give, and those that loops over lists give."""

from __future__ import annotations

from collections.abc import Callable

from domain.expression.errors import Fault
from domain.expression.kinds import (
    ANY,
    BOOL,
    DURATION,
    FLOAT,
    GROUPS,
    INT,
    STRING,
    TIME,
    UNKNOWN,
    Type,
    assignable,
    coalesced,
    comparable,
    fitting,
    list_of,
    promoted,
)

Rule = Callable[[str, Type, Type], Type | None]
"""Returns the type of what an operator gives, or None if it does not take both together."""

BOOLS = frozenset({"bool"})
TEXTS = frozenset({"string"})
INTEGERS = frozenset({"int"})
NUMBERS = frozenset({"int", "float"})
MOMENTS = frozenset({"time", "duration"})
PAIRS = {
    "+": {
        ("string", "string"): STRING,
        ("time", "duration"): TIME,
        ("duration", "time"): TIME,
        ("duration", "duration"): DURATION,
    },
    "-": {("time", "time"): DURATION, ("time", "duration"): TIME, ("duration", "duration"): DURATION},
    "*": {
        **{(number, "duration"): DURATION for number in NUMBERS},
        **{("duration", number): DURATION for number in NUMBERS | {"duration"}},
    },
}
"""What else than numbers an operator takes."""
OPERANDS = {"+": NUMBERS | TEXTS | MOMENTS, "-": NUMBERS | MOMENTS, "*": NUMBERS | {"duration"}}
ORDERED = NUMBERS | TEXTS | MOMENTS
CONTAINERS = frozenset({"string", "list", "map"})


def binary_type(operator: str, left: Type, right: Type) -> Type:
    """Return the type of what an operator between operands gives."""
    result = RULES[operator](operator, left, right)
    if result is None:
        raise Fault(f"invalid operation: {operator} (mismatched types {left.name} and {right.name})")
    return result


def unary_type(operator: str, operand: Type) -> Type:
    """Return the type of what an operator before its operand gives."""
    if operator in {"!", "not"}:
        if operand.kind == "bool" or operand.unknown:
            return BOOL
    elif operand.number or operand.unknown:
        return operand if operand.number else UNKNOWN
    raise Fault(f"invalid operation: {operator} (mismatched type {operand.name})")


def _equality(_operator: str, left: Type, right: Type) -> Type | None:
    return BOOL if comparable(left, right) else None


def _logic(_operator: str, left: Type, right: Type) -> Type | None:
    return BOOL if left.kind == right.kind == "bool" or fitting(left, right, BOOLS) else None


def _order(_operator: str, left: Type, right: Type) -> Type | None:
    alike = left.kind == right.kind and left.kind in ORDERED
    return BOOL if alike or (left.number and right.number) or fitting(left, right, ORDERED) else None


def _arithmetic(operator: str, left: Type, right: Type) -> Type | None:
    if left.number and right.number:
        return promoted(left, right)
    if fitting(left, right, OPERANDS[operator]):
        return UNKNOWN
    return PAIRS[operator].get((left.kind, right.kind))


def _real(_operator: str, left: Type, right: Type) -> Type | None:
    return FLOAT if (left.number and right.number) or fitting(left, right, NUMBERS) else None


def _integral(left: Type, right: Type) -> bool:
    return left.kind == right.kind == "int" or fitting(left, right, INTEGERS)


def _remainder(_operator: str, left: Type, right: Type) -> Type | None:
    return INT if _integral(left, right) else None


def _range(_operator: str, left: Type, right: Type) -> Type | None:
    return list_of(INT) if _integral(left, right) else None


def _textual(_operator: str, left: Type, right: Type) -> Type | None:
    return BOOL if left.kind == right.kind == "string" or fitting(left, right, TEXTS) else None


def _membership(_operator: str, left: Type, right: Type) -> Type | None:
    if right.kind == "map":
        key = right.key or ANY
        if not left.unknown and not assignable(left, key):
            raise Fault(f"cannot use {left.name} as type {key.name} in map key")
        return BOOL
    if right.kind == "list":
        element = right.element or ANY
        if not comparable(left, element):
            raise Fault(f"cannot use {left.name} as type {element.name} in array")
        return BOOL
    return BOOL if right.unknown or (left.unknown and right.kind in CONTAINERS) else None


def _coalesced(_operator: str, left: Type, right: Type) -> Type | None:
    return coalesced(left, right)


RULES: dict[str, Rule] = {
    **dict.fromkeys(("==", "!="), _equality),
    **dict.fromkeys(("and", "&&", "or", "||"), _logic),
    **dict.fromkeys(("<", ">", "<=", ">="), _order),
    **dict.fromkeys(("+", "-", "*"), _arithmetic),
    **dict.fromkeys(("/", "**", "^"), _real),
    "%": _remainder,
    "..": _range,
    **dict.fromkeys(("matches", "contains", "startsWith", "endsWith"), _textual),
    "in": _membership,
    "??": _coalesced,
}


def element_of(items: Type) -> Type:
    """Return the type of a list's items, as far as it is known."""
    return (items.element or ANY) if items.kind == "list" else UNKNOWN


ASKING = frozenset({"all", "none", "any", "one", "filter", "find", "findLast", "findIndex", "findLastIndex", "count"})
"""Loops whose predicate must give a truth value."""
INDEXED = frozenset({"map", "reduce"})
"""Loops whose predicate can see the index."""
LOOPS: dict[str, Callable[[Type, Type], Type]] = {
    **dict.fromkeys(("all", "none", "any", "one"), lambda _items, _answer: BOOL),
    **dict.fromkeys(("findIndex", "findLastIndex", "count"), lambda _items, _answer: INT),
    **dict.fromkeys(("find", "findLast"), lambda items, _answer: element_of(items)),
    **dict.fromkeys(("sum", "reduce"), lambda _items, answer: answer),
    "filter": lambda items, _answer: list_of(element_of(items)),
    "map": lambda _items, answer: list_of(answer),
    "groupBy": lambda _items, _answer: GROUPS,
    "sortBy": lambda items, _answer: items,
}
"""The types of what loops give."""
