"""What is inside of lists, maps and texts."""

from __future__ import annotations

from collections.abc import Sequence

from domain.expression.errors import Fault
from domain.expression.limits import LONG, Evaluation, Value
from domain.expression.printing import SHOWN
from domain.expression.values import (
    CONTAINERS,
    MAPS,
    Groups,
    Sealed,
    StringMap,
    refusal,
    to_int,
    type_name,
    whole,
)

NAMED = frozenset({dict, StringMap})
"""Maps whose keys are texts."""
UNHASHABLE = CONTAINERS | {Sealed}


def key_of(pairs: Value, key: Value) -> Value:
    """Return a key as a map has it."""
    if type(key) is str:
        return key
    if type(pairs) not in NAMED:
        if type(key) in UNHASHABLE:
            raise refusal(key, f"runtime error: hash of unhashable type {type_name(key)}")
        return key
    if key is None:
        return ""
    raise refusal(key, f"reflect.Value.MapIndex: value of type {type_name(key)} is not assignable to type string")


def _missing(pairs: Value) -> Value:
    """Return what stands for a member that a map has not."""
    if type(pairs) is Groups:
        return []
    return "" if type(pairs) is StringMap else None


def fetch(base: Value, key: Value, evaluation: Evaluation) -> Value:
    """Return a member; of a list it must be there."""
    kind = type(base)
    if kind in MAPS:
        name = key_of(base, key)
        return base[name] if name in base else _missing(base)
    if kind is not list and kind is not str:
        shown = SHOWN[type(key)](key) if type(key) in SHOWN else type_name(key)
        raise refusal(base, f"cannot fetch {shown} from {type_name(base)}")
    items, index = _located(base, key, evaluation)
    if 0 <= index < len(items):
        return items[index]
    raise Fault(f"index out of range: {index} (array length is {len(items)})")


def get(base: Value, key: Value, evaluation: Evaluation) -> Value:
    """Return a member, or nil if there is none."""
    kind = type(base)
    if kind in MAPS:
        return base.get(key_of(base, key))
    if kind is not list and kind is not str:
        return None
    items, index = _located(base, key, evaluation)
    return items[index] if 0 <= index < len(items) else None


def _located(base: Value, key: Value, evaluation: Evaluation) -> tuple[Sequence[Value], int]:
    """Count from the end what is negative; of a text the bytes count."""
    index = to_int(key)
    items = base if type(base) is list else octets(base, evaluation)
    return items, index + len(items) if index < 0 else index


def octets(text: str, evaluation: Evaluation) -> bytes:
    """Return the bytes of a text, as Go has them."""
    if len(text) > LONG:
        evaluation.spend(len(text) >> 4)
    return text.encode(errors="replace")


def cut(base: Value, start: Value, stop: Value, evaluation: Evaluation) -> Value:
    """Return a part of a list or text; what is out of range is left out."""
    kind = type(base)
    if kind is not list and kind is not str:
        raise refusal(base, f"cannot slice {type_name(base)}")
    items = base if kind is list else octets(base, evaluation)
    evaluation.spend(len(items) >> 4)
    part = items[_bound(start, len(items)) : _bound(stop, len(items))]
    return part if kind is list else whole(part.decode(errors="replace"))


def _bound(bound: Value, length: int) -> int:
    index = to_int(bound)
    return max(0, index + length if index < 0 else index)
