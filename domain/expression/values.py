"""The closed types of values beside those that JSON has, and the names that Go gives to types."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from functools import total_ordering

import msgspec

from domain.expression.errors import Fault
from domain.expression.limits import Value

SEALED = "a secret can only be inserted as it is"
SPACES = "\t\n\v\f\r \x85\xa0\u1680" + "".join(map(chr, range(0x2000, 0x200B))) + "\u2028\u2029\u202f\u205f\u3000"
"""What Go takes for white space."""
HALF_CHARACTER = re.compile("[\ud800-\udfff]")
LOWEST, HIGHEST = -(2**63), 2**63 - 1
"""Of Go's int."""


class Sealed(str):
    """Stands for a secret whose value is not known here, until the text that holds it is used.

    It has NUL characters in it. Every other text loses them when it is printed, so no data can pretend to be one.
    """

    __slots__ = ()


class StringMap(dict[str, str]):
    """Go's map[string]string, where what is missing is the empty text."""

    __slots__ = ()


class AnyMap(dict[Value, Value]):
    """Go's map[interface {}]interface {}, whose keys need not be texts."""

    __slots__ = ()


class Groups(dict[Value, list[Value]]):
    """Go's map[interface {}][]interface {}, where what is missing is the empty list."""

    __slots__ = ()


@total_ordering
@dataclass(frozen=True, slots=True, eq=False)
class Time:
    """A moment, and the zone in which it is told; the same moment told elsewhere is equal."""

    instant: datetime
    """In UTC."""
    zone: tzinfo = UTC

    @property
    def moment(self) -> datetime:
        """The moment as it is told."""
        return self.instant.astimezone(self.zone)

    def __eq__(self, other: object) -> bool:
        """Tell whether it is the same moment."""
        return isinstance(other, Time) and self.instant == other.instant

    def __lt__(self, other: Time) -> bool:
        """Tell whether it is the earlier one."""
        return self.instant < other.instant

    def __hash__(self) -> int:
        """Be found where an equal moment is."""
        return hash(self.instant)


class Duration(msgspec.Struct, frozen=True, order=True):
    """A length of time."""

    nanoseconds: int


class Zone(msgspec.Struct, frozen=True):
    """A time zone."""

    name: str
    zone: tzinfo


class Month(msgspec.Struct, frozen=True):
    """A month, from 1."""

    number: int


class Weekday(msgspec.Struct, frozen=True):
    """A day of the week; 0 is Sunday."""

    number: int


GO_NAMES = {
    type(None): "<nil>",
    bool: "bool",
    int: "int",
    float: "float64",
    str: "string",
    Sealed: "string",
    list: "[]interface {}",
    dict: "map[string]interface {}",
    StringMap: "map[string]string",
    AnyMap: "map[interface {}]interface {}",
    Groups: "map[interface {}][]interface {}",
    Time: "time.Time",
    Duration: "time.Duration",
    Zone: "*time.Location",
    Month: "time.Month",
    Weekday: "time.Weekday",
}
NUMBERS = frozenset({int, float})
MAPS = frozenset({dict, StringMap, AnyMap, Groups})
CONTAINERS = MAPS | {list}


def type_name(value: Value) -> str:
    """Name a value's type as Go does."""
    return GO_NAMES[type(value)]


def clean(text: str) -> str:
    """Take the NUL characters out, which only a Sealed may have."""
    return text.replace("\0", "") if "\0" in text else text


def whole(text: str) -> str:
    """Return what Go's strings can hold of a text, without NUL."""
    return clean(text if text.isascii() else HALF_CHARACTER.sub("\ufffd", text))


def int64(number: int) -> int:
    """Refuse an integer that Go's int can not hold; Go would begin again at the other end."""
    if LOWEST <= number <= HIGHEST:
        return number
    raise Fault("integer overflow")


def to_int(value: Value) -> int:
    """Return the whole part of a number."""
    kind = type(value)
    if kind is int:
        return int(value)
    if kind is float and LOWEST <= value <= HIGHEST:
        return int(value)
    if kind is float:
        raise Fault("integer overflow")
    raise refusal(value, f"invalid operation: int({type_name(value)})")


def truth(value: Value) -> bool:
    """Return a truth value; nothing else is taken for one."""
    if value is True or value is False:
        return bool(value)
    raise conversion(value, "bool")


def text(value: Value) -> str:
    """Return a text; nothing else is taken for one, and a secret is not to be looked at."""
    if type(value) is str:
        return value
    raise conversion(value, "string")


def conversion(value: Value, wanted: str) -> Fault:
    """Say that a value has the wrong type, as Go does."""
    found = "nil" if value is None else type_name(value)
    return refusal(value, f"interface conversion: interface {{}} is {found}, not {wanted}")


def mismatch(left: Value, operator: str, right: Value) -> Fault:
    """Say that an operator does not take two values together, as Go does."""
    wrong = f"invalid operation: {type_name(left)} {operator} {type_name(right)}"
    return refusal(right if type(right) is Sealed else left, wrong)


def refusal(value: Value, message: str) -> Fault:
    """Say why a value is not taken; of a secret nothing else is said."""
    return Fault(SEALED if type(value) is Sealed else message)
