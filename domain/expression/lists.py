"""Built-in functions of lists and maps, and those that take any value."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from domain.expression.comparing import equal, in_order
from domain.expression.errors import Fault
from domain.expression.limits import Evaluation, Value, bounded_list, deeper
from domain.expression.loops import DIRECTIONS
from domain.expression.members import get, key_of
from domain.expression.operators import integers
from domain.expression.printing import INSIDE, printed, sorted_keys
from domain.expression.values import CONTAINERS, MAPS, AnyMap, refusal, text, type_name

KINDS = {
    "<nil>": "nil",
    "float64": "float",
    "*time.Location": "time.Location",
}
"""What `type` says where it is not Go's name."""


def length(_evaluation: Evaluation, value: Value) -> int:
    """Count the items of a list or map, or the characters of a text."""
    if type(value) in CONTAINERS or type(value) is str:
        return len(value)
    raise refusal(value, f"invalid argument for len (type {type_name(value)})")


def kind(_evaluation: Evaluation, value: Value) -> str:
    """Name the type of a value."""
    if type(value) is list:
        return "array"
    name = type_name(value)
    return "map" if type(value) in MAPS else KINDS.get(name, name)


def written(evaluation: Evaluation, value: Value) -> str:
    """Write a value as it would be printed."""
    return printed(value, evaluation, INSIDE)


def sequence(evaluation: Evaluation, start: Value, stop: Value) -> list[int]:
    """Return the integers from one up to another, without that."""
    for bound in (start, stop):
        if type(bound) is not int:
            raise refusal(bound, f"reflect: Call using {type_name(bound)} as type int")
    return integers(start, stop, evaluation)


def member(evaluation: Evaluation, base: Value, key: Value) -> Value:
    """Return a member, or nil if there is none."""
    return get(base, key, evaluation)


def first(evaluation: Evaluation, items: Value) -> Value:
    """Return the first item, or nil if there is none."""
    return get(items, 0, evaluation) if type(items) not in MAPS else None


def last(evaluation: Evaluation, items: Value) -> Value:
    """Return the last item, or nil if there is none."""
    return get(items, -1, evaluation) if type(items) not in MAPS else None


def _list(value: Value, complaint: str) -> list[Value]:
    if type(value) is list:
        return value
    raise refusal(value, f"cannot {complaint} {_reflected(value)}")


def _pairs(evaluation: Evaluation, value: Value, complaint: str) -> Iterator[tuple[Value, Value]]:
    """Go through a map in the order of its keys."""
    if type(value) not in MAPS:
        raise refusal(value, f"cannot {complaint.format(_reflected(value))}")
    evaluation.spend(6 * len(value) + 12)
    return ((key, value[key]) for key in sorted_keys(value))


def _reflected(value: Value) -> str:
    """Name what kind of thing a value is, as Go's reflection does."""
    if value is None:
        return "invalid"
    return "slice" if type(value) is list else "map" if type(value) in MAPS else type_name(value)


def take(_evaluation: Evaluation, items: Value, count: Value) -> list[Value]:
    """Return the first items."""
    found = _list(items, "take from")
    if type(count) is not int:
        raise refusal(count, f"cannot take {_reflected(count)} elements")
    if count < 0:
        raise Fault("reflect.Value.Slice: slice index out of bounds")
    return found[:count]


def reverse(_evaluation: Evaluation, items: Value) -> list[Value]:
    """Return the items from the last to the first."""
    return _list(items, "reverse")[::-1]


def sort(evaluation: Evaluation, items: Value, direction: Value = "asc") -> list[Value]:
    """Return the items from the least to the greatest, or the other way round."""
    wanted = text(direction)
    if wanted not in DIRECTIONS:
        raise Fault(f"invalid order {wanted}, expected asc or desc")
    if type(items) is not list:
        return []
    return in_order(items, items, evaluation, descending=DIRECTIONS[wanted])


def uniq(evaluation: Evaluation, items: Value) -> list[Value]:
    """Return the items without those that were there before."""
    kept: list[Value] = []
    for item in _list(items, "uniq"):
        evaluation.spend(2 * len(kept) + 1)
        if not any(equal(item, each, evaluation) for each in kept):
            kept.append(item)
    return kept


def concat(evaluation: Evaluation, *lists: Value) -> list[Value]:
    """Make one list of several."""
    found = [_list(each, "concat") for each in lists]
    total = sum(map(len, found))
    bounded_list(total)
    evaluation.spend(total >> 3)
    return [item for each in found for item in each]


def flatten(evaluation: Evaluation, items: Value) -> list[Value]:
    """Take the items out of lists within lists."""
    flat: list[Value] = []
    _flatten(_list(items, "flatten"), flat, evaluation, 0)
    bounded_list(len(flat))
    return flat


def _flatten(items: list[Value], flat: list[Value], evaluation: Evaluation, depth: int) -> None:
    depth = deeper(depth)
    evaluation.spend(2 * len(items) + 5)
    for item in items:
        if type(item) is list:
            _flatten(item, flat, evaluation, depth)
        else:
            flat.append(item)


def keys(evaluation: Evaluation, pairs: Value) -> list[Value]:
    """Return the keys of a map, in order."""
    return [key for key, _ in _pairs(evaluation, pairs, "get keys from {}")]


def values(evaluation: Evaluation, pairs: Value) -> list[Value]:
    """Return the values of a map, in the order of their keys."""
    return [value for _, value in _pairs(evaluation, pairs, "get values from {}")]


def to_pairs(evaluation: Evaluation, pairs: Value) -> list[Value]:
    """Return a map as a list of keys with their values, in the order of the keys."""
    return [[key, value] for key, value in _pairs(evaluation, pairs, "transform {} to pairs")]


def from_pairs(evaluation: Evaluation, pairs: Value) -> AnyMap:
    """Make a map of a list of keys with their values."""
    made = AnyMap()
    for pair in _list(pairs, "transform from pairs"):
        if type(pair) is not list:
            raise refusal(pair, f"invalid pair {written(evaluation, pair)}")
        if len(pair) != 2:  # noqa: PLR2004 - a pair
            raise Fault(f"invalid pair length {written(evaluation, pair)}")
        made[key_of(made, pair[0])] = pair[1]
    return made


LISTS: dict[str, Callable[..., Value]] = {
    "len": length,
    "type": kind,
    "string": written,
    "sequence": sequence,
    "get": member,
    "first": first,
    "last": last,
    "take": take,
    "reverse": reverse,
    "sort": sort,
    "uniq": uniq,
    "concat": concat,
    "flatten": flatten,
    "keys": keys,
    "values": values,
    "toPairs": to_pairs,
    "fromPairs": from_pairs,
}
"""By name."""
