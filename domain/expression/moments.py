"""Arithmetic of moments and lengths of time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import MAXYEAR, MINYEAR, UTC, datetime, timedelta

from domain.expression.errors import Fault
from domain.expression.limits import Value
from domain.expression.values import Duration, Time, int64

MICROSECOND = 1_000
"""Of nanoseconds; moments know nothing shorter."""
NO_SUCH_YEAR = "there is no such year: moments are from the year 2 to 9998"
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def at(moment: datetime) -> Time:
    """Make a value of a moment; every zone must be able to tell it."""
    if not MINYEAR < moment.year < MAXYEAR:
        raise Fault(NO_SUCH_YEAR)
    return Time(moment.astimezone(UTC), moment.tzinfo or UTC)


def shifted(time: Time, duration: Duration) -> Time:
    """Return a moment that is so much later."""
    try:
        instant = time.instant + timedelta(microseconds=duration.nanoseconds // MICROSECOND)
    except OverflowError:
        raise Fault(NO_SUCH_YEAR) from None
    return Time(at(instant).instant, time.zone)


def between(later: Time, earlier: Time) -> Duration:
    """Return how much later one moment is than another."""
    return Duration(int64((later.instant - earlier.instant) // timedelta(microseconds=1) * MICROSECOND))


def since_epoch(time: Time) -> int:
    """Return the microseconds from the year 1970 on."""
    return (time.instant - EPOCH) // timedelta(microseconds=1)


def _opposite(duration: Duration) -> Duration:
    return Duration(-duration.nanoseconds)


def _times(left: int, right: int) -> Duration:
    return Duration(int64(left * right))


MOMENTS: dict[str, Mapping[tuple[type, type], Callable[[Value, Value], Value]]] = {
    "+": {
        (Time, Duration): shifted,
        (Duration, Time): lambda duration, time: shifted(time, duration),
        (Duration, Duration): lambda left, right: Duration(int64(left.nanoseconds + right.nanoseconds)),
    },
    "-": {
        (Time, Time): between,
        (Time, Duration): lambda time, duration: shifted(time, _opposite(duration)),
        (Duration, Duration): lambda left, right: Duration(int64(left.nanoseconds - right.nanoseconds)),
    },
    "*": {
        (int, Duration): lambda number, duration: _times(number, duration.nanoseconds),
        (Duration, int): lambda duration, number: _times(duration.nanoseconds, number),
        (float, Duration): lambda number, duration: number * duration.nanoseconds,
        (Duration, float): lambda duration, number: duration.nanoseconds * number,
        (Duration, Duration): lambda left, right: _times(left.nanoseconds, right.nanoseconds),
    },
}
"""What operators make of moments and lengths of time, by the types of both operands."""
