"""Expressions mean what they mean to Go's expr (v1.17.7), which Tork's users know: in value, in print, in error.

`vectors/expr.jsonl` and `vectors/expr_more.jsonl` are what expr itself printed; `cerr` is an error before, `rerr` one
after the evaluation has begun.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from domain.expression import ExpressionError, evaluate, format_value

VECTORS = Path(__file__).parent / "vectors"
SCOPE = json.loads((VECTORS / "scope.json").read_text(), parse_int=float)
del SCOPE["_note"]
CLOCK = {"$now": datetime(2026, 2, 27, 12, tzinfo=UTC)}

OURS = {
    "sum([1], nil)": "one message for predicates without a value",
    'map(item.value, # + "a")': "says what is wrong, not where Go's reflection stumbled",
    "count(item.value, true)": "a map is no list",
    "len(nil)": "Go prints %!s(<nil>)",
    'float(duration("1h"))': "seen before the evaluation begins",
    'duration("1h") * duration("1h")': "an overflow is an error, and does not begin again at the other end",
    "let sequence = 1; 2": "sequence is a function like others",
    "len == 1": "a function is no value",
    '"\\0"': "the place is that of the escape, not of its end",
    '"\\x4g"': "the place is that of the escape, not of its end",
    '"\\400"': "the place is that of the escape, not of its end",
    '"\\u{110000}"': "the place is that of the escape, not of its end",
    '"\\U00110000"': "the place is that of the escape, not of its end",
    'date("2024-01-02T03:04:05.123456789Z")': "moments know microseconds, not nanoseconds",
    'date("3:04PM", "3:04PM")': "there is no year 0",
    'duration("1s").Round(duration("1s"))': "of the methods of Go, those of which jobs have use",
    'timezone("Local")': "the domain is at no place",
    'toJSON(timezone("UTC"))': "an empty object is of no use",
    'fromBase64("YQ=")': "the place where the data ends too early",
    'fromJSON("{\\"a\\":1 2}")': "Python's reader does not tell lists from objects here",
    'fromJSON("nul")': "Python's reader points at the beginning of a word",
    'fromJSON("-")': "Python's reader points at the beginning of a word",
    "item.value ? 1 : 2": "the place is that of the condition, not of what follows",
    "fromPairs(item.index)": "says the type",
    'date("2024-01-02").Add(item.value)': "says it as of other arguments",
}
"""Expressions of which we say something else, and why."""


def vectors(name: str) -> list[dict[str, str]]:
    return [json.loads(line) for line in (VECTORS / name).read_text().splitlines()]


def answer(source: str, scope: dict[str, Any]) -> str:
    try:
        return format_value(evaluate(source, scope))
    except ExpressionError as error:
        return str(error)


def expected(vector: dict[str, str]) -> str:
    return next(vector[key] for key in ("v", "cerr", "rerr") if key in vector)


@pytest.mark.parametrize("vector", vectors("expr.jsonl"), ids=lambda vector: vector["e"])
def test_an_expression_of_torks_examples_says_what_it_says_in_go(vector: dict[str, str]) -> None:
    assert answer(vector["e"], SCOPE | CLOCK) == expected(vector)


def test_without_a_time_in_the_scope_only_the_time_is_missing() -> None:
    """The domain has no clock: of all the examples this one alone needs it."""
    missed = [vector["e"] for vector in vectors("expr.jsonl") if answer(vector["e"], SCOPE) != expected(vector)]
    assert missed == ["now().Year() > 2000"]


@pytest.mark.parametrize("vector", vectors("expr_more.jsonl"), ids=lambda vector: vector["e"])
def test_an_expression_says_what_it_says_in_go_but_for_known_differences(vector: dict[str, str]) -> None:
    same = answer(vector["e"], SCOPE) == expected(vector)
    assert same == (vector["e"] not in OURS), OURS.get(vector["e"])


def test_every_known_difference_is_one_of_an_example() -> None:
    assert OURS.keys() <= {vector["e"] for vector in vectors("expr_more.jsonl")}
