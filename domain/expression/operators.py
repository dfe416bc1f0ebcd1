"""What operators make of values."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable

from domain.expression.comparing import Operation, equal, order
from domain.expression.errors import Fault
from domain.expression.limits import Evaluation, Value, bounded_list, bounded_text
from domain.expression.members import key_of
from domain.expression.moments import MOMENTS
from domain.expression.patterns import matches_text
from domain.expression.values import (
    MAPS,
    NUMBERS,
    Sealed,
    clean,
    int64,
    mismatch,
    refusal,
    text,
    to_int,
    type_name,
)

TEXTS = frozenset({str, Sealed})
NEEDLE = 128
"""Characters of what is sought up to which each one costs."""


def add(left: Value, right: Value, evaluation: Evaluation) -> Value:
    """Add numbers, join texts, or move in time."""
    kind, other = type(left), type(right)
    if kind in TEXTS and other in TEXTS:
        bounded_text(len(left) + len(right), evaluation)
        return left + right if kind is other is str else _sealed(left, right)
    return _sum(left, right, evaluation)


def _sealed(left: str, right: str) -> Sealed:
    """Join a secret with a text, in which nothing can pretend to be one."""
    return Sealed("".join(each if type(each) is Sealed else clean(each) for each in (left, right)))


def _arithmetic(sign: str, calculate: Callable[[Value, Value], Value]) -> Operation:
    moments = MOMENTS[sign]

    def run(left: Value, right: Value, _evaluation: Evaluation) -> Value:
        kind, other = type(left), type(right)
        if kind is int and other is int:
            return int64(calculate(left, right))
        if kind in NUMBERS and other in NUMBERS:
            return calculate(float(left), float(right))
        if (kind, other) in moments:
            return moments[kind, other](left, right)
        raise mismatch(left, sign, right)

    return run


def divide(left: Value, right: Value, _evaluation: Evaluation) -> float:
    """Divide numbers; by zero there is infinity, or no number."""
    if type(left) not in NUMBERS or type(right) not in NUMBERS:
        raise mismatch(left, "/", right)
    dividend, divisor = float(left), float(right)
    if divisor:
        return dividend / divisor
    return math.copysign(math.inf, dividend) * math.copysign(1, divisor) if dividend else math.nan


def remainder(left: Value, right: Value, _evaluation: Evaluation) -> int:
    """Return what is left of a division of integers; it has the sign of the dividend."""
    if type(left) is not int or type(right) is not int:
        raise mismatch(left, "%", right)
    if right == 0:
        raise Fault("integer divide by zero")
    rest = abs(left) % abs(right)
    return -rest if left < 0 else rest


def power(left: Value, right: Value, _evaluation: Evaluation) -> float:
    """Raise a number to a power."""
    base, exponent = _real(left), _real(right)
    odd = abs(math.fmod(exponent, 2)) == 1 if math.isfinite(exponent) else False
    sign = math.copysign(1, base) if odd else 1.0
    try:
        return math.pow(base, exponent)
    except OverflowError:
        return sign * math.inf
    except ValueError:  # zero to a negative power, or a root of a negative number
        return sign * math.inf if base == 0 else math.nan


def _real(value: Value) -> float:
    if type(value) in NUMBERS:
        return float(value)
    raise refusal(value, f"invalid operation: float({type_name(value)})")


def span(left: Value, right: Value, evaluation: Evaluation) -> list[int]:
    """Return the integers from one to another, both with it."""
    first, last = to_int(left), to_int(right)
    return integers(first, last + 1, evaluation)


def integers(first: int, stop: int, evaluation: Evaluation) -> list[int]:
    """Return the integers from one up to another, without that."""
    size = max(0, stop - first)
    bounded_list(size)
    evaluation.spend(size >> 2)
    return list(range(first, stop))


def seek_cost(length: int, needle: int) -> int:
    """Return the steps that it may take to find a text in another."""
    return length * min(needle + 1, NEEDLE) >> 8


def contains(left: Value, right: Value, evaluation: Evaluation) -> bool:
    """Tell whether a text is part of another."""
    if left is None or right is None:
        return False
    haystack, needle = text(left), text(right)
    evaluation.spend(seek_cost(len(haystack), len(needle)))
    return needle in haystack


def starts_with(left: Value, right: Value, _evaluation: Evaluation) -> bool:
    """Tell whether a text begins with another."""
    return left is not None and right is not None and text(left).startswith(text(right))


def ends_with(left: Value, right: Value, _evaluation: Evaluation) -> bool:
    """Tell whether a text ends with another."""
    return left is not None and right is not None and text(left).endswith(text(right))


def matches(left: Value, right: Value, evaluation: Evaluation) -> bool:
    """Tell whether a regular expression, on the right, fits a part of a text."""
    return left is not None and right is not None and matches_text(text(right), text(left), evaluation)


def member(left: Value, right: Value, evaluation: Evaluation) -> bool:
    """Tell whether a value is in a list, or is a key of a map."""
    if right is None:
        return False
    if type(right) in MAPS:
        return key_of(right, left) in right
    if type(right) is list:
        evaluation.spend(2 * len(right))
        return any(equal(item, left, evaluation) for item in right)
    raise refusal(right, f'operator "in" not defined on {type_name(right)}')


def _unequal(left: Value, right: Value, evaluation: Evaluation) -> bool:
    return not equal(left, right, evaluation)


_sum = _arithmetic("+", operator.add)
BINARY: dict[str, Operation] = {
    "==": equal,
    "!=": _unequal,
    **{
        sign: order(sign, test)
        for sign, test in (("<", operator.lt), (">", operator.gt), ("<=", operator.le), (">=", operator.ge))
    },
    "+": add,
    "-": _arithmetic("-", operator.sub),
    "*": _arithmetic("*", operator.mul),
    "/": divide,
    "%": remainder,
    "**": power,
    "^": power,
    "..": span,
    "in": member,
    "contains": contains,
    "startsWith": starts_with,
    "endsWith": ends_with,
    "matches": matches,
}
"""Operators between operands; those that may leave one out are made by the compiler."""


def negative(value: Value) -> Value:
    """Change the sign of a number."""
    if type(value) is int:
        return int64(-value)
    if type(value) is float:
        return -value
    raise refusal(value, f"invalid operation: - {type_name(value)}")


def positive(value: Value) -> Value:
    """Return a number as it is."""
    if type(value) in NUMBERS:
        return value
    raise refusal(value, f"invalid operation: + {type_name(value)}")
