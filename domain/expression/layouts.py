"""Reads and writes moments by Go's layouts, in which a certain moment of the year 2006 shows the form."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from functools import lru_cache

from domain.expression.errors import Fault
from domain.expression.printing import MONTHS, WEEKDAYS, offset

LONGEST = 256
ELEMENT = re.compile(
    r"January|Jan(?![a-z])|Monday|Mon(?![a-z])|MST|2006|_2(?!006)|002|0[1-6]|15|PM|pm"
    r"|Z07:00|Z0700|Z07|-07:00|-0700|-07|[.,](?:0+|9+)(?![0-9])|[1-5]"
)
"""What stands for a part of a moment; all else is written as it is."""
HALF_A_DAY = 12
NEWEST_SHORT_YEAR = 69
"""From there on, a year of two digits is of the last century."""


def _hour12(moment: datetime) -> int:
    return (moment.hour + HALF_A_DAY - 1) % HALF_A_DAY + 1


def _zone(moment: datetime, element: str) -> str:
    if element[0] == "Z" and not moment.utcoffset():
        return "Z"
    shown = offset(moment, ":" if ":" in element else "")
    return shown[:3] if element in {"Z07", "-07"} else shown


def _fraction(moment: datetime, element: str) -> str:
    """Write parts of a second: as many digits as there are zeros, or nines, of which the last zeros are left out."""
    digits = f"{moment.microsecond:06d}".ljust(len(element) - 1, "0")[: len(element) - 1]
    if element[1] == "9":
        digits = digits.rstrip("0")
    return element[0] + digits if digits else ""


WRITERS: Mapping[str, Callable[[datetime], str]] = {
    "2006": lambda moment: f"{moment.year:04d}",
    "06": lambda moment: f"{moment.year % 100:02d}",
    "January": lambda moment: MONTHS[moment.month - 1],
    "Jan": lambda moment: MONTHS[moment.month - 1][:3],
    "01": lambda moment: f"{moment.month:02d}",
    "1": lambda moment: str(moment.month),
    "Monday": lambda moment: WEEKDAYS[moment.isoweekday() % 7],
    "Mon": lambda moment: WEEKDAYS[moment.isoweekday() % 7][:3],
    "02": lambda moment: f"{moment.day:02d}",
    "_2": lambda moment: f"{moment.day:2d}",
    "2": lambda moment: str(moment.day),
    "002": lambda moment: f"{moment.timetuple().tm_yday:03d}",
    "15": lambda moment: f"{moment.hour:02d}",
    "03": lambda moment: f"{_hour12(moment):02d}",
    "3": lambda moment: str(_hour12(moment)),
    "04": lambda moment: f"{moment.minute:02d}",
    "4": lambda moment: str(moment.minute),
    "05": lambda moment: f"{moment.second:02d}",
    "5": lambda moment: str(moment.second),
    "PM": lambda moment: "AM" if moment.hour < HALF_A_DAY else "PM",
    "pm": lambda moment: "am" if moment.hour < HALF_A_DAY else "pm",
    "MST": lambda moment: moment.tzname() or "",
}
"""How the parts of a moment are written."""

READERS: Mapping[str, tuple[str, str]] = {
    "2006": ("year", r"\d{4}"),
    "06": ("short_year", r"\d{2}"),
    "January": ("month_name", "|".join(MONTHS)),
    "Jan": ("month_name", "|".join(month[:3] for month in MONTHS)),
    "01": ("month", r"\d{2}"),
    "1": ("month", r"\d{1,2}"),
    "Monday": ("weekday", "|".join(WEEKDAYS)),
    "Mon": ("weekday", "|".join(day[:3] for day in WEEKDAYS)),
    "02": ("day", r"\d{2}"),
    "_2": ("day", r"[ ]?\d{1,2}"),
    "2": ("day", r"\d{1,2}"),
    "15": ("hour", r"\d{1,2}"),
    "03": ("hour", r"\d{2}"),
    "3": ("hour", r"\d{1,2}"),
    "04": ("minute", r"\d{2}"),
    "4": ("minute", r"\d{1,2}"),
    "05": ("second", r"\d{2}(?:[.,]\d+)?"),
    "5": ("second", r"\d{1,2}(?:[.,]\d+)?"),
    "PM": ("half", "AM|PM"),
    "pm": ("half", "am|pm"),
    "MST": ("zone_name", r"[A-Z]{3,4}|[+-]\d{2}"),
    "Z07:00": ("offset", r"Z|[+-]\d{2}:\d{2}"),
    "Z0700": ("offset", r"Z|[+-]\d{4}"),
    "Z07": ("offset", r"Z|[+-]\d{2}"),
    "-07:00": ("offset", r"[+-]\d{2}:\d{2}"),
    "-0700": ("offset", r"[+-]\d{4}"),
    "-07": ("offset", r"[+-]\d{2}"),
}
"""What the parts of a moment are called, and how they look."""


def formatted(moment: datetime, layout: str) -> str:
    """Write a moment."""

    def write(found: re.Match[str]) -> str:
        element = found[0]
        if element in WRITERS:
            return WRITERS[element](moment)
        return _fraction(moment, element) if element[0] in ".," else _zone(moment, element)

    return ELEMENT.sub(write, layout)


def parsed(text: str, layout: str, zone: tzinfo = UTC) -> datetime:
    """Read a moment; where it does not say its zone, it is of the given one."""
    if max(len(layout), len(text)) > LONGEST:
        raise Fault(f"parsing time: a text or layout may have {LONGEST} characters")
    found = _reader(layout).fullmatch(text)
    if not found:
        raise Fault(f'parsing time "{text}" as "{layout}": cannot parse "{text}" as "{layout}"')
    parts = {name: part for name, part in found.groupdict().items() if part}
    try:
        return _moment(parts, _zone_of(parts, zone))
    except ValueError as error:
        part = str(error).partition(" ")[0]
        raise Fault(f'parsing time "{text}": {part} out of range') from None


@lru_cache(128)
def _reader(layout: str) -> re.Pattern[str]:
    """Make a regular expression of a layout; what is asked for twice must be the same twice."""
    pieces: list[str] = []
    names: set[str] = set()
    end = 0
    for found in ELEMENT.finditer(layout):
        name, looks = READERS.get(found[0]) or _fraction_reader(found[0])
        group = f"(?P={name})" if name in names else f"(?P<{name}>{looks})"
        pieces += [re.escape(layout[end : found.start()]), group]
        names.add(name)
        end = found.end()
    return re.compile("".join((*pieces, re.escape(layout[end:]))), re.ASCII)


def _fraction_reader(element: str) -> tuple[str, str]:
    """Read as many digits as there are zeros, or any number where there are nines."""
    return "fraction", rf"[.,]\d{{{len(element) - 1}}}" if "0" in element else r"(?:[.,]\d+)?"


def _moment(parts: Mapping[str, str], zone: tzinfo) -> datetime:
    second, _, fraction = parts.get("second", "0").replace(",", ".").partition(".")
    fraction = fraction or parts.get("fraction", ".")[1:]
    return datetime(
        _year(parts),
        _month(parts),
        int(parts.get("day", "1")),
        _hour(parts),
        int(parts.get("minute", "0")),
        int(second),
        int(fraction[:6].ljust(6, "0")),
        tzinfo=zone,
    )


def _year(parts: Mapping[str, str]) -> int:
    if "year" in parts:
        return int(parts["year"])
    if "short_year" not in parts:
        raise Fault("parsing time: without a year there is no date")
    year = int(parts["short_year"])
    return year + (1900 if year >= NEWEST_SHORT_YEAR else 2000)


def _month(parts: Mapping[str, str]) -> int:
    name = parts.get("month_name")
    if name is None:
        return int(parts.get("month", "1"))
    return next(number for number, month in enumerate(MONTHS, 1) if month.startswith(name))


def _hour(parts: Mapping[str, str]) -> int:
    hour = int(parts.get("hour", "0"))
    if "half" not in parts:
        return hour
    if not 1 <= hour <= HALF_A_DAY:
        raise ValueError("hour out of range")
    return hour % HALF_A_DAY + (HALF_A_DAY if parts["half"] in {"PM", "pm"} else 0)


def _zone_of(parts: Mapping[str, str], zone: tzinfo) -> tzinfo:
    """Return the zone that a text names; of a short name nothing more is known."""
    shown = parts.get("offset")
    if shown is None:
        name = parts.get("zone_name", "")
        return zone if name in {"", "UTC"} else timezone(timedelta(0), name)
    digits = shown[1:].replace(":", "").ljust(4, "0")
    minutes = 0 if shown == "Z" else int(digits[:2]) * 60 + int(digits[2:])
    if minutes == 0:
        return UTC
    ahead = timedelta(minutes=-minutes if shown[0] == "-" else minutes)
    return timezone(ahead, shown[0] + digits)
