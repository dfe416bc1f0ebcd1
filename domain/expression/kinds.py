"""What is known of a value's type before there is a value, as Go's expr knows it."""

from __future__ import annotations

import msgspec


class Type(msgspec.Struct, frozen=True):
    """A type, by the name that Go gives it."""

    name: str
    kind: str
    """What may be done with it; of a value of type `unknown` anything may be tried."""
    element: Type | None = None
    """Of a list's items, or of a map's values."""
    key: Type | None = None

    @property
    def unknown(self) -> bool:
        """Whether only the value will tell."""
        return self.kind == "unknown"

    @property
    def number(self) -> bool:
        """Whether it can be counted with."""
        return self.kind in {"int", "float"}


UNKNOWN = Type("unknown", "unknown")
ANY = Type("interface {}", "unknown")
NIL = Type("unknown", "nil")
BOOL = Type("bool", "bool")
INT = Type("int", "int")
FLOAT = Type("float64", "float")
STRING = Type("string", "string")
LIST = Type("[]interface {}", "list", ANY)
STRINGS = Type("[]string", "list", STRING)
INTS = Type("[]int", "list", INT)
FLOATS = Type("[]float64", "list", FLOAT)
MAP = Type("map[string]interface {}", "map", ANY, STRING)
STRING_MAP = Type("map[string]string", "map", STRING, STRING)
ANY_MAP = Type("map[interface {}]interface {}", "map", ANY, ANY)
GROUPS = Type("map[interface {}][]interface {}", "map", LIST, ANY)
TIME = Type("time.Time", "time")
DURATION = Type("time.Duration", "duration")
ZONE = Type("*time.Location", "zone")
MONTH = Type("time.Month", "month")
WEEKDAY = Type("time.Weekday", "weekday")

NILLABLE = frozenset({"list", "map", "zone"})


def list_of(element: Type) -> Type:
    """Return the type of a list whose items are known."""
    return Type("[]interface {}", "list", element)


def assignable(given: Type, wanted: Type) -> bool:
    """Tell whether a value may stand where another type is asked for."""
    if given is NIL:
        return wanted is ANY or wanted.kind in NILLABLE
    if given is UNKNOWN or wanted is UNKNOWN:
        return False
    return wanted is ANY or given.name == wanted.name


def comparable(left: Type, right: Type) -> bool:
    """Tell whether `==` makes sense between two types."""
    if left.unknown or right.unknown or left is NIL or right is NIL:
        return True
    return (left.number and right.number) or (left.kind == right.kind == "list") or assignable(left, right)


def fitting(left: Type, right: Type, kinds: frozenset[str]) -> bool:
    """Tell whether two types may turn out right for an operator, as far as one can see."""
    if left.unknown:
        return right.unknown or right.kind in kinds
    return right.unknown and left.kind in kinds


def common(left: Type, right: Type) -> Type:
    """Return the type of a branch or of the other."""
    if left is NIL or right is NIL:
        return right if left is NIL else left
    if not assignable(left, right):
        return UNKNOWN
    if left.element and right.element and left.kind == "list":
        alike = assignable(left.element, right.element) and assignable(right.element, left.element)
        return left if alike else LIST
    return left


def coalesced(left: Type, right: Type) -> Type:
    """Return the type of what stands for the left when that is nil."""
    if left is NIL or right is NIL:
        return right if left is NIL else left
    return left if assignable(right, left) else UNKNOWN


def promoted(left: Type, right: Type) -> Type:
    """Return the type of what two numbers make."""
    return FLOAT if "float" in {left.kind, right.kind} else INT
