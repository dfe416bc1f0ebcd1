"""Writes values as Go does with %v."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from decimal import Decimal

from domain.expression.errors import Fault
from domain.expression.limits import Evaluation, Value, bounded_text, deeper
from domain.expression.values import (
    MAPS,
    NUMBERS,
    SEALED,
    Duration,
    Month,
    Sealed,
    Time,
    Weekday,
    Zone,
    clean,
    type_name,
)

MONTHS = (
    *("January", "February", "March", "April", "May", "June", "July"),
    *("August", "September", "October", "November", "December"),
)
WEEKDAYS = ("Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday")
SECOND = 1_000_000_000
"""Of nanoseconds."""

Printers = Mapping[type, Callable[[Value], str]]


def go_float(number: float) -> str:
    """Write a float with the fewest digits that tell it, and an exponent from a million up and below 0.0001."""
    if not math.isfinite(number):
        return "NaN" if math.isnan(number) else ("+Inf" if number > 0 else "-Inf")
    if number == 0 or 1e-4 <= abs(number) < 1e6:  # noqa: PLR2004 - Go's %g, in its shortest form
        return repr(number).removesuffix(".0")
    digits = Decimal(repr(number)).normalize().as_tuple().digits
    return f"{number:.{len(digits) - 1}e}"


def go_duration(duration: Duration) -> str:
    """Write a length of time in hours, minutes and seconds, or in the unit that fits what is shorter than a second."""
    total = abs(duration.nanoseconds)
    minus = "-" if duration.nanoseconds < 0 else ""
    if total < SECOND:
        return minus + _short_duration(total)
    minutes, nanoseconds = divmod(total, 60 * SECOND)
    hours, minutes = divmod(minutes, 60)
    seconds = f"{_decimal(nanoseconds, SECOND)}s"
    if hours:
        return f"{minus}{hours}h{minutes}m{seconds}"
    return f"{minus}{minutes}m{seconds}" if minutes else minus + seconds


def _short_duration(nanoseconds: int) -> str:
    if nanoseconds == 0:
        return "0s"
    for size, unit in ((1_000_000, "ms"), (1_000, "µs")):
        if nanoseconds >= size:
            return f"{_decimal(nanoseconds, size)}{unit}"
    return f"{nanoseconds}ns"


def _decimal(amount: int, unit: int) -> str:
    """Write an amount in a unit, with as many digits as it has."""
    whole, rest = divmod(amount, unit)
    fraction = str(rest + unit)[1:].rstrip("0")
    return f"{whole}.{fraction}" if fraction else str(whole)


def go_time(time: Time) -> str:
    """Write a moment as Go's Time.String does."""
    moment = time.moment
    fraction = f"{moment.microsecond:06d}".rstrip("0")
    second = f"{moment.second:02d}.{fraction}" if fraction else f"{moment.second:02d}"
    day = f"{moment.year:04d}-{moment.month:02d}-{moment.day:02d}"
    return f"{day} {moment.hour:02d}:{moment.minute:02d}:{second} {offset(moment)} {zone_name(moment)}"


def offset(moment: datetime, between: str = "") -> str:
    """Write how far a moment's zone is from UTC, as +0200."""
    seconds = int((moment.utcoffset() or timedelta(0)).total_seconds())
    sign, minutes = "-" if seconds < 0 else "+", abs(seconds) // 60
    return f"{sign}{minutes // 60:02d}{between}{minutes % 60:02d}"


def zone_name(moment: datetime) -> str:
    """Return the short name of a moment's zone, or its distance if it has none."""
    return moment.tzname() or offset(moment)


def _refused(_value: Value) -> str:
    raise Fault(SEALED)


SHOWN: Printers = {
    type(None): lambda _value: "<nil>",
    bool: lambda value: "true" if value else "false",
    int: str,
    float: go_float,
    str: clean,
    Sealed: str,
    Time: go_time,
    Duration: go_duration,
    Zone: lambda zone: zone.name,
    Month: lambda month: MONTHS[month.number - 1],
    Weekday: lambda weekday: WEEKDAYS[weekday.number],
}
"""How a value is written that has no others in it."""
INSIDE: Printers = {**SHOWN, Sealed: _refused}
"""The same within an expression, which may not look at secrets."""


def printed(value: Value, evaluation: Evaluation, printers: Printers = SHOWN) -> str:
    """Write a value."""
    printer = printers.get(type(value))
    if printer:
        return printer(value)
    pieces: list[str] = []
    _Printing(evaluation, printers, pieces).container(value, 0)
    text = "".join(pieces)
    bounded_text(len(text), evaluation)
    return text


class _Printing:
    """Writes lists and maps, piece by piece."""

    def __init__(self, evaluation: Evaluation, printers: Printers, pieces: list[str]) -> None:
        self._evaluation = evaluation
        self._printers = printers
        self._pieces = pieces

    def container(self, value: Value, depth: int) -> None:
        depth = deeper(depth)
        if type(value) in MAPS:
            self._evaluation.spend(6 * len(value) + 12)
            self._map(value, depth)
        else:
            self._evaluation.spend(3 * len(value) + 5)
            self._list(value, depth)

    def _list(self, items: list[Value], depth: int) -> None:
        before = "["
        for item in items:
            self._pieces.append(before)
            self._any(item, depth)
            before = " "
        self._pieces.append("]" if items else "[]")

    def _map(self, pairs: dict[Value, Value], depth: int) -> None:
        before = "map["
        for key in sorted_keys(pairs):
            self._pieces.append(before)
            self._any(key, depth)
            self._pieces.append(":")
            self._any(pairs[key], depth)
            before = " "
        self._pieces.append("]" if pairs else "map[]")

    def _any(self, value: Value, depth: int) -> None:
        printer = self._printers.get(type(value))
        if printer is None:
            self.container(value, depth)
            return
        text = printer(value)
        bounded_text(len(text), self._evaluation)
        self._pieces.append(text)


def sorted_keys(pairs: Mapping[Value, Value]) -> list[Value]:
    """Return the keys of a map in the order in which Go prints them."""
    return sorted(pairs, key=_rank)


def _rank(key: Value) -> tuple[str, Value]:
    """Keep kinds of keys apart: texts can not be compared with numbers."""
    return ("", key) if type(key) in NUMBERS else (type_name(key), key)
