"""Functions that ask a predicate of each item of a list."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from domain.expression.comparing import in_order
from domain.expression.errors import Fault
from domain.expression.limits import Evaluation, Value
from domain.expression.members import octets
from domain.expression.operators import add
from domain.expression.values import CONTAINERS, SEALED, Groups, Sealed, refusal, text, truth, type_name

Run = Callable[[Evaluation], Value]
"""A compiled part of an expression."""
Visit = tuple[int, Value, Value]
"""The index of an item, the item, and what the predicate says of it."""

EACH = 5
"""Steps that a visit takes, beside the predicate's own."""
DIRECTIONS = {"asc": False, "desc": True}


class Walk:
    """One walk through a list."""

    __slots__ = ("_cost", "_predicate", "evaluation", "extra", "items")

    def __init__(self, evaluation: Evaluation, items: list[Value], predicate: Run, cost: int, extra: Value) -> None:
        """Be ready to begin."""
        self.evaluation = evaluation
        self.items = items
        self.extra = extra
        """What a function was given beside the list and the predicate."""
        self._predicate = predicate
        self._cost = cost

    def ask(self, index: int, accumulated: Value = None) -> Value:
        """Ask the predicate of one item."""
        self.evaluation.left -= self._cost
        if self.evaluation.left < 0:
            raise self.evaluation.exhausted()
        self.evaluation.here = (self.items[index], index, accumulated)
        answer = self._predicate(self.evaluation)
        if type(answer) is Sealed:
            raise Fault(SEALED)
        return answer

    def visits(self, *, backwards: bool = False) -> Iterator[Visit]:
        """Ask the predicate of each item in turn."""
        places = range(len(self.items))
        for index in reversed(places) if backwards else places:
            yield index, self.items[index], self.ask(index)


def items_of(value: Value, name: str, evaluation: Evaluation) -> list[Value]:
    """Return what there is to go through; of a text its bytes."""
    if type(value) is list:
        return value
    if type(value) is str:
        return list(octets(value, evaluation))
    raise refusal(value, f"builtin {name} takes only array (got {type_name(value)})")


def _hits(walk: Walk, *, backwards: bool = False) -> Iterator[tuple[int, Value]]:
    """Yield the items of which the predicate is true."""
    return ((index, item) for index, item, answer in walk.visits(backwards=backwards) if truth(answer))


def _first(hits: Iterator[tuple[int, Value]], part: int) -> Value:
    hit = next(hits, None)
    return None if hit is None else hit[part]


def _sum(walk: Walk) -> Value:
    total: Value = 0
    for _, _, answer in walk.visits():
        total = add(answer, total, walk.evaluation)
    return total


def _group_by(walk: Walk) -> Groups:
    groups = Groups()
    kinds: dict[Value, type] = {}
    for _, item, key in walk.visits():
        if type(key) in CONTAINERS:
            raise Fault(f"hash of unhashable type: {type_name(key)}")
        if kinds.setdefault(key, type(key)) is not type(key):
            raise Fault("groupBy: the keys 1, 1.0 and true can not be told apart here")
        groups.setdefault(key, []).append(item)
    return groups


def _sort_by(walk: Walk) -> list[Value]:
    direction = text(walk.extra)
    if direction not in DIRECTIONS:
        raise Fault("unknown order, use asc or desc")
    keys = [answer for _, _, answer in walk.visits()]
    return in_order(walk.items, keys, walk.evaluation, descending=DIRECTIONS[direction])


def _reduce(walk: Walk) -> Value:
    start = 0
    accumulated = walk.extra
    if accumulated is NOT_GIVEN:
        if not walk.items:
            raise Fault("reflect: slice index out of range")
        accumulated, start = walk.items[0], 1
    for index in range(start, len(walk.items)):
        accumulated = walk.ask(index, accumulated)
    return accumulated


NOT_GIVEN = object()
"""Marks an argument that was left out, for nil may be given."""
LOOPS: dict[str, Callable[[Walk], Value]] = {
    "all": lambda walk: all(truth(answer) for _, _, answer in walk.visits()),
    "any": lambda walk: any(truth(answer) for _, _, answer in walk.visits()),
    "none": lambda walk: not any(truth(answer) for _, _, answer in walk.visits()),
    "one": lambda walk: sum(1 for _ in _hits(walk)) == 1,
    "count": lambda walk: sum(1 for _ in _hits(walk)),
    "filter": lambda walk: [item for _, item in _hits(walk)],
    "map": lambda walk: [answer for _, _, answer in walk.visits()],
    "find": lambda walk: _first(_hits(walk), 1),
    "findIndex": lambda walk: _first(_hits(walk), 0),
    "findLast": lambda walk: _first(_hits(walk, backwards=True), 1),
    "findLastIndex": lambda walk: _first(_hits(walk, backwards=True), 0),
    "sum": _sum,
    "groupBy": _group_by,
    "sortBy": _sort_by,
    "reduce": _reduce,
}
"""By name; how a walk becomes a value."""
