"""Built-in functions of numbers."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from domain.expression.comparing import Operation, less, more
from domain.expression.errors import Fault
from domain.expression.limits import Evaluation, Value
from domain.expression.lists import flatten
from domain.expression.numerals import parse_float, parse_int
from domain.expression.values import (
    HIGHEST,
    NUMBERS,
    Duration,
    Month,
    Weekday,
    int64,
    refusal,
    to_int,
    type_name,
)


def integer(_evaluation: Evaluation, value: Value) -> int:
    """Make an integer of a number, a text, or what else is counted."""
    if type(value) is str:
        number = parse_int(value)
        if number is None:
            raise Fault(f"invalid operation: int({value})")
        return number
    if type(value) is Duration:
        return value.nanoseconds
    return int(value.number) if type(value) in {Month, Weekday} else to_int(value)


def real(_evaluation: Evaluation, value: Value) -> float:
    """Make a float of a number or a text."""
    if type(value) is str:
        number = parse_float(value)
        if number is None:
            raise Fault(f"invalid operation: float({value})")
        return number
    if type(value) in NUMBERS:
        return float(value)
    raise refusal(value, f"invalid operation: float({type_name(value)})")


def absolute(_evaluation: Evaluation, value: Value) -> Value:
    """Return a number without its sign."""
    if type(value) is int:
        return int64(abs(value))
    number = _number(value, "abs")
    return -number if number < 0 else number


def _number(value: Value, name: str) -> float:
    if type(value) in NUMBERS:
        return float(value)
    raise refusal(value, f"invalid argument for {name} (type {type_name(value)})")


def _rounding(name: str, whole: Callable[[float], int]) -> Callable[[Evaluation, Value], float]:
    """Make a function of one that returns a whole number; zero keeps its sign."""

    def run(_evaluation: Evaluation, value: Value) -> float:
        number = _number(value, name)
        return math.copysign(whole(number), number) if math.isfinite(number) else number

    return run


def _nearest(number: float) -> int:
    """Round halves away from zero."""
    size = abs(number)
    whole = math.floor(size)
    return whole + (size - whole >= 0.5)  # noqa: PLR2004 - a half


def _extreme(name: str, worse: Operation) -> Callable[..., Value]:
    def run(evaluation: Evaluation, *values: Value) -> Value:
        best = None
        for value in _flat(values, name, evaluation):
            if best is None or worse(best, value, evaluation):
                best = value
        return best

    return run


def _flat(values: Sequence[Value], name: str, evaluation: Evaluation) -> list[Value]:
    """Return the numbers of lists within lists."""
    numbers = flatten(evaluation, list(values))
    for number in numbers:
        if type(number) not in NUMBERS:
            raise refusal(number, f"invalid argument for {name} (type {type_name(number)})")
    evaluation.spend(2 * len(numbers))
    return numbers


def mean(evaluation: Evaluation, *values: Value) -> float:
    """Return the average."""
    numbers = [float(number) for number in _flat(values, "mean", evaluation)]
    total = 0.0
    for number in numbers:
        total += number
    return total / len(numbers) if numbers else 0.0


def median(evaluation: Evaluation, *values: Value) -> float:
    """Return the number in the middle, or the average of both."""
    numbers = sorted(float(number) for number in _flat(values, "median", evaluation))
    evaluation.spend(len(numbers) * len(numbers).bit_length() >> 2)
    middle = len(numbers) // 2
    if not numbers:
        return 0.0
    return numbers[middle] if len(numbers) % 2 else (numbers[middle - 1] + numbers[middle]) / 2


def _bits(name: str, calculate: Callable[[int, int], int]) -> Callable[[Evaluation, Value, Value], int]:
    def run(_evaluation: Evaluation, left: Value, right: Value) -> int:
        return calculate(_int(left, name), _int(right, name))

    return run


def _int(value: Value, name: str) -> int:
    if type(value) is int:
        return value
    raise refusal(value, f"cannot use {type_name(value)} as argument (type int) to call {name}")


def _shift(name: str, calculate: Callable[[int, int], int]) -> Callable[[Evaluation, Value, Value], int]:
    """Make a function that moves bits; from 64 places on nothing is left but the sign."""

    def shift(number: int, places: int) -> int:
        if places < 0:
            raise Fault(f"invalid operation: negative shift count {places} (type int)")
        return calculate(number, min(places, 64))

    return _bits(name, shift)


def _wrapped(number: int) -> int:
    """Keep the lowest 64 bits: who moves bits out wants to lose them."""
    return (number + HIGHEST + 1) % 2**64 - HIGHEST - 1


def _inverted(_evaluation: Evaluation, value: Value) -> int:
    return ~_int(value, "bitnot")


NUMERIC: dict[str, Callable[..., Value]] = {
    "int": integer,
    "float": real,
    "abs": absolute,
    "ceil": _rounding("ceil", math.ceil),
    "floor": _rounding("floor", math.floor),
    "round": _rounding("round", _nearest),
    "max": _extreme("max", less),
    "min": _extreme("min", more),
    "mean": mean,
    "median": median,
    "bitand": _bits("bitand", lambda left, right: left & right),
    "bitor": _bits("bitor", lambda left, right: left | right),
    "bitxor": _bits("bitxor", lambda left, right: left ^ right),
    "bitnand": _bits("bitnand", lambda left, right: left & ~right),
    "bitshl": _shift("bitshl", lambda number, places: _wrapped(number << places)),
    "bitshr": _shift("bitshr", lambda number, places: number >> places),
    "bitushr": _shift("bitushr", lambda number, places: _wrapped(number % 2**64 >> places)),
    "bitnot": _inverted,
}
"""By name."""
