"""Built-in functions of time, and the methods of what they give."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from domain.expression.errors import Fault
from domain.expression.layouts import formatted, parsed
from domain.expression.limits import Evaluation, Value
from domain.expression.moments import NO_SUCH_YEAR, at, between, shifted, since_epoch
from domain.expression.printing import SECOND, SHOWN
from domain.expression.signatures import METHODS as SIGNATURES
from domain.expression.values import (
    GO_NAMES,
    HIGHEST,
    LOWEST,
    Duration,
    Month,
    Time,
    Weekday,
    Zone,
    int64,
    refusal,
    text,
    type_name,
)

LAYOUTS = (
    "2006-01-02",
    "15:04:05",
    "2006-01-02 15:04:05",
    "2006-01-02T15:04:05Z07:00",
    "02 Jan 06 15:04 MST",
    "Monday, 02-Jan-06 15:04:05 MST",
    "Mon, 02 Jan 2006 15:04:05 MST",
)
"""The forms of dates that need no layout."""
UNITS = {
    "ns": 1,
    **dict.fromkeys(("us", "µs", "μs"), 1_000),
    "ms": 1_000_000,
    "s": SECOND,
    "m": 60 * SECOND,
    "h": 3600 * SECOND,
}
AMOUNT = re.compile(r"(?=\.?[0-9])([0-9]*)\.?([0-9]*)([^0-9.]*)")
LONGEST_DURATION = 256
"""Characters."""
ZONE = re.compile(r"[A-Za-z0-9_+-]+(?:/[A-Za-z0-9_+-]+)*")
ZONE_COST = 2000
"""Steps that it may take to look up a time zone, which is in a file."""
DATE_COST = 50
"""Steps that it takes to read a date; with many layouts, of each."""


def now(evaluation: Evaluation, zone: Value = None) -> Time:
    """Return the time at which the evaluation is said to be."""
    moment = evaluation.scope.get("$now")
    if not isinstance(moment, datetime) or moment.tzinfo is None:
        raise Fault("there is no clock here: now() has no value")
    told = at(moment)
    return told if zone is None else Time(told.instant, _only(zone, Zone).zone)


def _only(value: Value, wanted: type) -> Value:
    if type(value) is wanted:
        return value
    raise refusal(value, f"reflect: Call using {type_name(value)} as type {GO_NAMES[wanted]}")


def duration(_evaluation: Evaluation, value: Value) -> Duration:
    """Read a length of time, such as 1h30m."""
    given = text(value)
    unsigned = given[1:] if given[:1] in {"+", "-"} else given
    if unsigned == "0":
        return Duration(0)
    if not unsigned or len(given) > LONGEST_DURATION:
        raise _invalid(given)
    total, end = 0, 0
    while end < len(unsigned):
        amount, end = _amount(unsigned, end, given)
        total += amount
    total = -total if given[0] == "-" else total
    if not LOWEST <= total <= HIGHEST:
        raise _invalid(given)
    return Duration(total)


def _amount(unsigned: str, start: int, given: str) -> tuple[int, int]:
    """Read one number with its unit; return its nanoseconds, and where it ends."""
    found = AMOUNT.match(unsigned, start)
    if not found:
        raise _invalid(given)
    whole, fraction, unit = found.groups()
    if not unit:
        raise Fault(f'time: missing unit in duration "{given}"')
    if unit not in UNITS:
        raise Fault(f'time: unknown unit "{unit}" in duration "{given}"')
    size = UNITS[unit]
    return int(whole or "0") * size + int(fraction or "0") * size // 10 ** len(fraction), found.end()


def _invalid(given: str) -> Fault:
    return Fault(f'time: invalid duration "{given[:LONGEST_DURATION]}"')


def timezone(evaluation: Evaluation, name: Value) -> Zone:
    """Look up a time zone."""
    evaluation.spend(ZONE_COST)
    return _zone(text(name))


def _zone(name: str) -> Zone:
    if name in {"", "UTC"}:
        return Zone("UTC", UTC)
    if name == "Local":
        raise Fault("unknown time zone Local: there is no place here")
    try:
        return Zone(name, ZoneInfo(name if ZONE.fullmatch(name) else ""))
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise Fault(f"unknown time zone {name}") from None


def date(evaluation: Evaluation, *arguments: Value) -> Time:
    """Read a date: `date([zone, ]text[, layout[, zone]])`."""
    zone: tzinfo = UTC
    given = list(arguments)
    if type(given[0]) is Zone:
        zone = given.pop(0).zone
    if not given:
        raise Fault("invalid number of arguments (expected at least 1, got 1)")
    if len(given) > 2:  # noqa: PLR2004 - a text, a layout and a zone
        zone = timezone(evaluation, given[2]).zone
    written = text(given[0])
    if len(given) > 1:
        evaluation.spend(DATE_COST)
        return at(parsed(written, text(given[1]), zone))
    return at(_in_any_layout(evaluation, written, zone))


def _in_any_layout(evaluation: Evaluation, written: str, zone: tzinfo) -> datetime:
    for layout in LAYOUTS:
        evaluation.spend(DATE_COST)
        with suppress(Fault):
            return parsed(written, layout, zone)
    raise Fault(f"invalid date {written[:LONGEST_DURATION]}")


def _later(time: Time, years: Value, months: Value, days: Value) -> Time:
    """Add to a date; a day that the month has not is one of the next month."""
    moment = time.moment
    count = (moment.year + _only(years, int)) * 12 + moment.month - 1 + _only(months, int)
    try:
        first = moment.replace(year=count // 12, month=count % 12 + 1, day=1)
        return at(first + timedelta(days=moment.day - 1 + _only(days, int)))
    except (ValueError, OverflowError):
        raise Fault(NO_SUCH_YEAR) from None


KINDS: Mapping[type, str] = {Time: "time", Duration: "duration", Month: "month", Weekday: "weekday", Zone: "zone"}
"""Types that have methods, by the names that the signatures have for them."""
METHODS: Mapping[type, Mapping[str, Callable[..., Value]]] = {
    Time: {
        "Year": lambda time: time.moment.year,
        "Month": lambda time: Month(time.moment.month),
        "Day": lambda time: time.moment.day,
        "Hour": lambda time: time.moment.hour,
        "Minute": lambda time: time.moment.minute,
        "Second": lambda time: time.moment.second,
        "Nanosecond": lambda time: time.moment.microsecond * 1_000,
        "YearDay": lambda time: time.moment.timetuple().tm_yday,
        "Weekday": lambda time: Weekday(time.moment.isoweekday() % 7),
        "Unix": lambda time: since_epoch(time) // 1_000_000,
        "UnixMilli": lambda time: since_epoch(time) // 1_000,
        "UnixMicro": since_epoch,
        "UnixNano": lambda time: int64(since_epoch(time) * 1_000),
        "Format": lambda time, layout: formatted(time.moment, text(layout)),
        "Add": lambda time, length: shifted(time, _only(length, Duration)),
        "Sub": lambda time, other: between(time, _only(other, Time)),
        "AddDate": _later,
        "Before": lambda time, other: time < _only(other, Time),
        "After": lambda time, other: time > _only(other, Time),
        "Equal": lambda time, other: time == _only(other, Time),
        "UTC": lambda time: Time(time.instant),
        "In": lambda time, zone: Time(time.instant, _only(zone, Zone).zone),
    },
    Duration: {
        "Hours": lambda length: length.nanoseconds / UNITS["h"],
        "Minutes": lambda length: length.nanoseconds / UNITS["m"],
        "Seconds": lambda length: length.nanoseconds / UNITS["s"],
        "Milliseconds": lambda length: _truncated(length.nanoseconds, UNITS["ms"]),
        "Microseconds": lambda length: _truncated(length.nanoseconds, UNITS["us"]),
        "Nanoseconds": lambda length: length.nanoseconds,
    },
}
"""What they do, but for `String`, which all have."""


def _truncated(nanoseconds: int, unit: int) -> int:
    whole = abs(nanoseconds) // unit
    return -whole if nanoseconds < 0 else whole


def call_method(base: Value, name: str, arguments: list[Value]) -> Value:
    """Call a method, of which only types of this language have any."""
    signature = SIGNATURES.get(KINDS.get(type(base), ""), {}).get(name)
    if signature is None:
        raise refusal(base, f"cannot fetch {name} from {type_name(base)}")
    if len(arguments) != len(signature.arguments):
        amount = "many" if len(arguments) > len(signature.arguments) else "few"
        raise Fault(f"reflect: Call with too {amount} input arguments")
    if name == "String":
        return SHOWN[type(base)](base)
    return METHODS[type(base)][name](base, *arguments)


DATES: dict[str, Callable[..., Value]] = {
    "now": now,
    "duration": duration,
    "timezone": timezone,
    "date": date,
}
"""By name."""
