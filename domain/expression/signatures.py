"""What built-in functions take and give, as types that are known before there are values."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from domain.expression.kinds import (
    ANY,
    ANY_MAP,
    BOOL,
    DURATION,
    FLOAT,
    FLOATS,
    INT,
    INTS,
    LIST,
    MONTH,
    NIL,
    STRING,
    STRINGS,
    TIME,
    WEEKDAY,
    ZONE,
    Type,
    assignable,
)

Types = Sequence[Type]
Rule = Callable[[Types], Type]
"""Returns the type of the result, or says why there is none."""


class Signature(msgspec.Struct, frozen=True):
    """The types of a function's arguments, and of what it gives."""

    arguments: tuple[Type, ...]
    result: Type


class Misfit(Exception):
    """An argument has a wrong type, or there are too many or too few."""

    def __init__(self, message: str, argument: int | None = None) -> None:
        """Say what is wrong, and with which argument if it is one."""
        super().__init__(message, argument)
        self.message = message
        self.argument = argument


def _signatures(result: Type, *arguments: Sequence[Type]) -> tuple[Signature, ...]:
    return tuple(Signature(tuple(each), result) for each in arguments)


SIGNATURES = {
    "trim": _signatures(STRING, [STRING], [STRING, STRING]),
    **dict.fromkeys(("trimPrefix", "trimSuffix"), _signatures(STRING, [STRING, STRING], [STRING])),
    **dict.fromkeys(("upper", "lower", "toBase64", "fromBase64"), _signatures(STRING, [STRING])),
    **dict.fromkeys(("split", "splitAfter"), _signatures(STRINGS, [STRING, STRING], [STRING, STRING, INT])),
    "replace": _signatures(STRING, [STRING, STRING, STRING, INT], [STRING, STRING, STRING]),
    "repeat": _signatures(STRING, [STRING, INT]),
    "join": _signatures(STRING, [STRINGS, STRING], [LIST, STRING], [LIST], [STRINGS, STRING], [STRINGS]),
    **dict.fromkeys(("indexOf", "lastIndexOf"), _signatures(INT, [STRING, STRING])),
    **dict.fromkeys(("hasPrefix", "hasSuffix"), _signatures(BOOL, [STRING, STRING])),
    **dict.fromkeys(("type", "string", "toJSON"), _signatures(STRING, [ANY])),
    "fromJSON": _signatures(ANY, [STRING]),
    "duration": _signatures(DURATION, [STRING]),
    "timezone": _signatures(ZONE, [STRING]),
    "sort": _signatures(
        LIST, [LIST, STRING], [INTS, STRING], [FLOATS, STRING], [STRINGS, STRING], [LIST], [FLOATS], [STRINGS], [INTS]
    ),
    **dict.fromkeys(
        ("bitand", "bitor", "bitxor", "bitnand", "bitshl", "bitshr", "bitushr"), _signatures(INT, [INT, INT])
    ),
    "bitnot": _signatures(INT, [INT]),
    "sequence": _signatures(INTS, [INT, INT]),
}
"""By name, each in the ways in which it can be called; of a wrong call the last way is told."""

METHODS = {
    "time": {
        **dict.fromkeys(("Year", "Day", "Hour", "Minute", "Second", "Nanosecond", "YearDay"), Signature((), INT)),
        **dict.fromkeys(("Unix", "UnixMilli", "UnixMicro", "UnixNano"), Signature((), INT)),
        "Month": Signature((), MONTH),
        "Weekday": Signature((), WEEKDAY),
        "String": Signature((), STRING),
        "Format": Signature((STRING,), STRING),
        "Add": Signature((DURATION,), TIME),
        "Sub": Signature((TIME,), DURATION),
        "AddDate": Signature((INT, INT, INT), TIME),
        **dict.fromkeys(("Before", "After", "Equal"), Signature((TIME,), BOOL)),
        "UTC": Signature((), TIME),
        "In": Signature((ZONE,), TIME),
    },
    "duration": {
        **dict.fromkeys(("Hours", "Minutes", "Seconds"), Signature((), FLOAT)),
        **dict.fromkeys(("Milliseconds", "Microseconds", "Nanoseconds"), Signature((), INT)),
        "String": Signature((), STRING),
    },
    "month": {"String": Signature((), STRING)},
    "weekday": {"String": Signature((), STRING)},
    "zone": {"String": Signature((), STRING)},
}
"""By the kind of type they belong to."""


RULES: dict[str, Rule] = {}
"""By name, of the functions whose arguments need more than one look."""


def misfit(name: str, signature: Signature, given: Types) -> Misfit | None:
    """Say why a function can not be called with such arguments, if it can not."""
    wanted = signature.arguments
    if len(given) != len(wanted):
        amount = "too many" if len(given) > len(wanted) else "not enough"
        return Misfit(f"{amount} arguments to call {name}")
    for index, (argument, type_) in enumerate(zip(given, wanted, strict=True)):
        if argument is NIL and type_ is not ANY and type_ is not ZONE:
            return Misfit(f"cannot use nil as argument (type {type_.name}) to call {name}", index)
        if not argument.unknown and not assignable(argument, type_):
            return Misfit(f"cannot use {argument.name} as argument (type {type_.name}) to call {name} ", index)
    return None


def call_type(name: str, given: Types) -> Type:
    """Return the type of what a built-in function gives."""
    if name in RULES:
        return RULES[name](given)
    wrong = None
    for signature in SIGNATURES[name]:
        wrong = misfit(name, signature, given)
        if wrong is None:
            return signature.result
    raise wrong or Misfit(name)


def method_type(name: str, signature: Signature, given: Types) -> Type:
    """Return the type of what a method gives."""
    wrong = misfit(name, signature, given)
    if wrong:
        raise wrong
    return signature.result


def _name(type_: Type) -> str:
    return "nil" if type_ is NIL else type_.name


def _one(given: Types) -> Type:
    if len(given) != 1:
        raise Misfit(f"invalid number of arguments (expected 1, got {len(given)})")
    return given[0]


def _of(kinds: set[str], complaint: str, result: Type | Callable[[Type], Type]) -> Rule:
    """Make the rule of a function of one argument."""

    def rule(given: Types) -> Type:
        argument = _one(given)
        if not argument.unknown and argument.kind not in kinds:
            raise Misfit(complaint.format(_name(argument)))
        return result if isinstance(result, Type) else result(argument)

    return rule


def _itself(argument: Type) -> Type:
    return argument


def _bare_element(argument: Type) -> Type:
    """Forget what literals told of a list's items, as expr does here."""
    bare = {each.name: each for each in (STRINGS, INTS, FLOATS)}.get(argument.name, LIST)
    return bare.element or ANY


def _aggregate(name: str) -> Rule:
    def rule(given: Types) -> Type:
        if not given:
            raise Misfit(f"not enough arguments to call {name}")
        for argument in given:
            if argument.unknown or argument.kind == "list":
                return ANY
            if not argument.number:
                raise Misfit(f"invalid argument for {name} (type {_name(argument)})")
        return given[0]

    return rule


def _concat(given: Types) -> Type:
    if not given:
        raise Misfit("invalid number of arguments (expected at least 1, got 0)")
    for argument in given:
        if not argument.unknown and argument.kind != "list":
            raise Misfit(f"cannot concat {_name(argument)}")
    return LIST


def _take(given: Types) -> Type:
    if len(given) != 2:  # noqa: PLR2004 - as the message says
        raise Misfit(f"invalid number of arguments (expected 2, got {len(given)})")
    items, count = given
    if not items.unknown and items.kind != "list":
        raise Misfit(f"cannot take from {_name(items)}")
    if not count.unknown and count.kind != "int":
        raise Misfit(f"cannot take {_name(count)} elements")
    return items if items.name != LIST.name else LIST


def _now(given: Types) -> Type:
    if len(given) > 1 or any(not argument.unknown and argument is not ZONE for argument in given):
        raise Misfit(f"invalid number of arguments (expected 0, got {len(given)})")
    return TIME


def _date(given: Types) -> Type:
    if not given:
        raise Misfit("invalid number of arguments (expected at least 1, got 0)")
    texts = given[1:] if given[0] is ZONE else given
    if not 1 <= len(texts) <= 3:  # noqa: PLR2004 - as the message says
        raise Misfit(f"invalid number of arguments (expected at most 3, got {len(texts)})")
    return TIME


def _random(given: Types) -> Type:
    signature = Signature((INT,) if given else (), INT)
    return method_type("randomInt", signature, given)


RULES |= {
    "len": _of({"list", "map", "string"}, "invalid argument for len (type {})", INT),
    "abs": _of({"int", "float"}, "invalid argument for abs (type {})", _itself),
    **{
        name: _of({"int", "float"}, f"invalid argument for {name} (type {{}})", FLOAT)
        for name in ("ceil", "floor", "round")
    },
    "int": _of({"int", "float", "string", "duration", "month", "weekday"}, "invalid argument for int (type {})", INT),
    "float": _of({"int", "float", "string"}, "invalid argument for float (type {})", FLOAT),
    "first": _of({"list"}, "cannot get first element from {}", _bare_element),
    "last": _of({"list"}, "cannot get last element from {}", _bare_element),
    "keys": _of({"map"}, "cannot get keys from {}", LIST),
    "values": _of({"map"}, "cannot get values from {}", LIST),
    "toPairs": _of({"map"}, "cannot transform {} to pairs", LIST),
    "fromPairs": _of({"list"}, "cannot transform {} from pairs", ANY_MAP),
    **{name: _of({"list"}, f"cannot {name} {{}}", LIST) for name in ("reverse", "uniq", "flatten")},
    **{name: _aggregate(name) for name in ("max", "min", "mean", "median")},
    "concat": _concat,
    "take": _take,
    "now": _now,
    "date": _date,
    "randomInt": _random,
}
FUNCTIONS = frozenset(SIGNATURES) | frozenset(RULES) | {"get"}
"""All that can be called by a name."""
