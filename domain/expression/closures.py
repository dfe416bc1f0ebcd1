"""Makes the closures of which an expression is put together."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import NoReturn

from domain.expression.chance import random_int
from domain.expression.comparing import Operation
from domain.expression.dates import KINDS, call_method
from domain.expression.errors import Fault
from domain.expression.functions import FREE, FUNCTIONS
from domain.expression.limits import LONG, Evaluation, Value
from domain.expression.loops import Run
from domain.expression.members import fetch
from domain.expression.nodes import Node
from domain.expression.patterns import matches, read_pattern
from domain.expression.values import CONTAINERS, SEALED, Sealed, StringMap, refusal, text, type_name

Step = Callable[[Value, Evaluation], Value]
"""Goes from a value to one of its members."""


def caller(name: str, arguments: list[Run], position: int) -> Run:
    """Make the closure that calls a function."""
    function = partial(random_int, position) if name == "randomInt" else FUNCTIONS[name]
    weigh = _weigh if name not in FREE else _see

    def run(evaluation: Evaluation) -> Value:
        try:
            given = [argument(evaluation) for argument in arguments]
            weigh(given, evaluation)
            return function(evaluation, *given)
        except Fault as fault:
            fault.at(position)
            raise

    return run


def _see(given: list[Value], _evaluation: Evaluation) -> None:
    """See that no function gets a secret."""
    for value in given:
        if type(value) is Sealed:
            raise Fault(SEALED)


def _weigh(given: list[Value], evaluation: Evaluation) -> None:
    """See that no function gets a secret, and count the work that a long text or list makes."""
    for value in given:
        kind = type(value)
        if kind is Sealed:
            raise Fault(SEALED)
        if kind is str and len(value) > LONG:
            evaluation.spend(len(value) >> 4)
        elif kind in CONTAINERS and len(value) > LONG:
            evaluation.spend(len(value) >> 3)


def member_step(key: Run, position: int) -> Step:
    """Make the closure that fetches a member."""

    def step(base: Value, evaluation: Evaluation) -> Value:
        try:
            return fetch(base, key(evaluation), evaluation)
        except Fault as fault:
            fault.at(position)
            raise

    return step


def method_step(arguments: list[Run], name: str, position: int) -> Step:
    """Make the closure that calls a method."""

    def step(base: Value, evaluation: Evaluation) -> Value:
        try:
            if type(base) not in KINDS:
                uncallable(fetch(base, name, evaluation))
            given = [argument(evaluation) for argument in arguments]
            _weigh(given, evaluation)
            return call_method(base, name, given)
        except Fault as fault:
            fault.at(position)
            raise

    return step


def uncallable(value: Value) -> NoReturn:
    """Say that a value is no function: there are none among values."""
    if value is None:
        raise Fault("invalid operation: cannot call nil")
    raise refusal(value, f"invalid operation: cannot call non-function of type {type_name(value)}")


def located(run: Run, node: Node) -> Run:
    """Tell the place of what goes wrong in a part itself."""
    position = node.position

    def locate(evaluation: Evaluation) -> Value:
        try:
            return run(evaluation)
        except Fault as fault:
            fault.at(position)
            raise

    return locate


def constant(value: Value) -> Run:
    """Make the closure of a literal."""
    return lambda _evaluation: value


def pointer(place: int) -> Run:
    """Make the closure that looks at what a predicate sees."""
    return lambda evaluation: evaluation.here[place]


def applying(left: Run, right: Run, apply: Operation, position: int) -> Run:
    """Make the closure of an operator between operands."""

    def run(evaluation: Evaluation) -> Value:
        try:
            return apply(left(evaluation), right(evaluation), evaluation)
        except Fault as fault:
            fault.at(position)
            raise

    return run


def coalescing(left: Run, right: Run) -> Run:
    """Make the closure of `??`."""

    def run(evaluation: Evaluation) -> Value:
        value = left(evaluation)
        return right(evaluation) if value is None else value

    return run


def matching(left: Run, right: str) -> Run:
    """Make the closure of `matches` with a regular expression that is known."""
    pattern = read_pattern(right)

    def run(evaluation: Evaluation) -> bool:
        value = left(evaluation)
        return value is not None and matches(pattern, text(value), evaluation)

    return run


def string_map(evaluation: Evaluation, name: str) -> StringMap:
    """Return one of the maps of texts as a value, which it can not be if it has secrets in it."""
    table = evaluation.scope[name]
    evaluation.spend(len(table) >> 2)
    unsealed(list(table.values()))
    return StringMap(table)


def unsealed(values: list[Value]) -> list[Value]:
    """See that there is no secret among values that are put together."""
    if Sealed in map(type, values):
        raise Fault(SEALED)
    return values
