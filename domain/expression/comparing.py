"""Tells whether values are equal, and which of two is less."""

from __future__ import annotations

import operator
from collections.abc import Callable

from domain.expression.errors import Fault
from domain.expression.limits import LONG, Evaluation, Value, deeper
from domain.expression.values import MAPS, NUMBERS, SEALED, Duration, Sealed, Time, mismatch

ORDERED = frozenset({str, Time, Duration})
Test = Callable[[Value, Value], bool]
Operation = Callable[[Value, Value, Evaluation], Value]


def equal(left: Value, right: Value, evaluation: Evaluation, depth: int = 0) -> bool:
    """Tell whether two values are equal; an integer and a float may be."""
    kind, other = type(left), type(right)
    if kind is str and other is str:
        return _same_text(left, right, evaluation)
    if kind in NUMBERS and other in NUMBERS:
        return bool(left == right if kind is other else float(left) == float(right))
    if kind is list and other is list:
        return _same_items(left, right, evaluation, deeper(depth))
    return identical(left, right, evaluation, depth)


def _same_text(left: str, right: str, evaluation: Evaluation) -> bool:
    if len(left) > LONG and len(left) == len(right):
        evaluation.spend(len(left) >> 6)
    return left == right


def _same_items(left: list[Value], right: list[Value], evaluation: Evaluation, depth: int) -> bool:
    if len(left) != len(right):
        return False
    evaluation.spend(4 * len(left) + 6)
    return all(equal(one, other, evaluation, depth) for one, other in zip(left, right, strict=True))


def identical(left: Value, right: Value, evaluation: Evaluation, depth: int) -> bool:
    """Tell whether two values are equal and of the same type, as Go's DeepEqual does."""
    kind = type(left)
    if Sealed in {kind, type(right)}:
        raise Fault(SEALED)
    if kind is not type(right):
        return False
    if kind is not list and kind not in MAPS:
        return bool(left == right)
    if len(left) != len(right):
        return False
    depth = deeper(depth)
    evaluation.spend(4 * len(left) + 6)
    if kind is list:
        return all(identical(one, other, evaluation, depth) for one, other in zip(left, right, strict=True))
    return all(key in right and identical(left[key], right[key], evaluation, depth) for key in left)


def order(sign: str, test: Test) -> Operation:
    """Make an operator that tells which of two values is less."""

    def compare(left: Value, right: Value, evaluation: Evaluation) -> bool:
        kind, other = type(left), type(right)
        if kind is other and (kind in NUMBERS or kind in ORDERED):
            if kind is str and len(left) > LONG:
                evaluation.spend(len(left) >> 6)
            return test(left, right)
        if kind in NUMBERS and other in NUMBERS:
            return test(float(left), float(right))
        raise mismatch(left, sign, right)

    return compare


less = order("<", operator.lt)
more = order(">", operator.gt)


def in_order(items: list[Value], keys: list[Value], evaluation: Evaluation, *, descending: bool) -> list[Value]:
    """Return items in the order of their keys; what is equal stays as it was."""
    evaluation.spend(len(items) * len(items).bit_length() >> 2)
    kinds = set(map(type, keys))
    if len(items) > 1 and not (kinds <= NUMBERS or (len(kinds) == 1 and kinds <= ORDERED)):
        _raise_mismatch(keys)
    places = sorted(range(len(items)), key=keys.__getitem__, reverse=descending)
    return [items[place] for place in places]


def _raise_mismatch(keys: list[Value]) -> None:
    """Name two keys that can not be compared."""
    first = keys[0]
    other = next((key for key in keys[1:] if type(key) is not type(first)), keys[1])
    raise mismatch(other, "<", first)
