"""From an expression to its value, through checks and a cache."""

from __future__ import annotations

from functools import lru_cache

import msgspec

from domain.expression.checker import Checker
from domain.expression.compiler import Compiler
from domain.expression.limits import Evaluation, Value, deeper
from domain.expression.loops import Run
from domain.expression.nodes import Node
from domain.expression.parser import parse
from domain.expression.secrecy import check_secrets
from domain.expression.values import CONTAINERS

RESERVED = frozenset({"$budget", "$now", "$seed"})
"""Names of a scope that are no variables: the time and the chance of an evaluation, and how much it may do."""
SHORT = 256
"""Characters of a text that takes little memory."""
MANY, SEVERAL, FEW = 2048, 256, 32
"""How much is remembered of short texts, of any texts, and of what is made of long ones."""
STEPS_OF_A_NODE = 100
"""The time that it takes to compile a node, in steps of an evaluation."""


class Program(msgspec.Struct, frozen=True):
    """An expression ready to be evaluated."""

    run: Run
    weight: int
    """What it took to make it, in nodes."""


def check_source(source: str, names: frozenset[str], *, secrets: bool) -> int:
    """See that an expression is sound and has secrets only where it may; return what that took, in nodes."""
    tree, size = parse(source)
    check_secrets(tree, allowed=secrets)
    return size + _check(tree, names)


def _check(tree: Node, names: frozenset[str]) -> int:
    checker = Checker(names - RESERVED)
    checker.check(tree)
    return checker.reading // STEPS_OF_A_NODE


def _program(source: str, names: frozenset[str]) -> Program:
    tree, size = parse(source)
    return Program(weight=size + _check(tree, names), run=Compiler().compile(tree))


_short = lru_cache(MANY)(_program)
_long = lru_cache(FEW)(_program)


def program(source: str, names: frozenset[str]) -> Program:
    """Return the program of an expression, which is made once."""
    return _short(source, names) if len(source) <= SHORT else _long(source, names)


def plain(value: Value, evaluation: Evaluation, depth: int = 0) -> Value:
    """Return a value as JSON could have it, as far as its type allows, and see that it is not too large."""
    kind = type(value)
    if kind not in CONTAINERS:
        return value
    evaluation.spend((len(value) >> 2) + 6)
    parts = value if kind is list else value.values()
    if CONTAINERS.isdisjoint(map(type, parts)):
        return value if kind is list or kind is dict else dict(value)
    depth = deeper(depth)
    evaluation.spend(5 * len(value))
    if kind is list:
        return [plain(item, evaluation, depth) for item in value]
    return {key: plain(item, evaluation, depth) for key, item in value.items()}
