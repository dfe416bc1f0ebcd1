"""Whatever an expression says, it ends soon, with a plain value or a mistake that is told."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from domain.expression import (
    Duration,
    ExpressionError,
    Month,
    Sealed,
    Time,
    Weekday,
    Zone,
    check,
    check_field,
    check_template,
    condition,
    evaluate,
    expression_of,
    format_value,
    has_expression,
    render,
)
from domain.expression.checker import BUILTINS
from domain.expression.limits import LONGEST_LIST, LONGEST_TEXT, MOST_STEPS
from domain.expression.parser import BINARY

LETTERS = "ab" * 100_000
SCOPE: dict[str, Any] = {
    "inputs": {
        "x": "5",
        "letters": LETTERS,
        "lines": "a line of text\n" * 60_000,
        "wide": "é漢ß" * 100_000,
        "digits": "9" * 500_000,
        "lists": f"[{','.join(['[]'] * 200_000)}]",
        "deep": "[" * 100_000,
        "numbers": str([number / 7 for number in range(40_000)]),
        "pairs": "{" + ",".join(f'"k{number}":{number}' for number in range(50_000)) + "}",
        "escapes": '["' + "\\u00e9" * 60_000 + '"]',
    },
    "secrets": {"key": Sealed("\0secret:key\0")},
    "tasks": {},
    "job": {},
    "item": {"index": "0", "value": [{"a": number} for number in range(10_000)]},
    "list": list(range(100_000)),
    "texts": [str(number) for number in range(50_000)],
    "$now": datetime(2026, 2, 27, 12, tzinfo=UTC),
}
SLOWEST = 0.1
"""Seconds."""
CALIBRATION = 15e-6
"""Seconds that a machine takes to add up a thousand numbers on which everything takes a tenth of a second at most."""

TOO_MUCH = f"too much work: an evaluation may take {MOST_STEPS:,} steps"
TOO_LARGE = "compilation failed: expression exceeds maximum allowed nodes"
TOO_DEEP = "nested too deeply: at most 100 levels"
BUDGET = "memory budget exceeded"


def seconds(work: Callable[[], Any], times: int = 1) -> float:
    """Return how long the processor was at it at best, without what measures coverage."""
    tracer = sys.gettrace()
    sys.settrace(None)
    try:
        return min(_seconds(work) for _ in range(times))
    finally:
        sys.settrace(tracer)


def _seconds(work: Callable[[], Any]) -> float:
    start = time.thread_time()
    work()
    return time.thread_time() - start


def answer(source: str, scope: dict[str, Any]) -> str:
    try:
        value = evaluate(source, scope)
    except ExpressionError as error:
        return error.message
    assert is_closed(value)
    return "a value"


def is_closed(value: Any) -> bool:
    """Tell whether a value is nothing but data."""
    if type(value) is list:
        return all(map(is_closed, value))
    if type(value) is dict:
        return all(is_closed(key) and is_closed(each) for key, each in value.items())
    return type(value) in {type(None), bool, int, float, str, Sealed, Time, Duration, Month, Weekday, Zone}


def is_soon(work: Callable[[], Any]) -> bool:
    """Tell whether it takes no longer than it may, on a machine as slow as this one is now."""
    if seconds(work) < SLOWEST:
        return True
    slowness = max(1.0, seconds(lambda: sum(range(1000)), 100) / CALIBRATION)
    return seconds(work, 5) < SLOWEST * slowness


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (" " * 70_000, "too long: an expression may have 65,536 characters"),
        ("1" + "+1" * 150, "a value"),
        ("1" + "+1" * 300, "too long a chain of operations: at most 200"),
        ("inputs.x" + " == inputs.x" * 300, "too long a chain of operations: at most 200"),
        ("1" + "+1" * 30_000, TOO_LARGE),
        ("[" + "1," * 4000 + "]", "a value"),
        ("[" + "1," * 30_000 + "]", TOO_LARGE),
        ("[1 < 2" + " < 3" * 3000 + "]", "too long a chain of operations: at most 200"),
        ("".join(f"let a{number} = 1;" for number in range(200)) + "1", TOO_DEEP),
        ("(" * 90 + "1" + ")" * 90, "a value"),
        ("1 < (" * 20 + "1" + ") < 1" * 20, TOO_LARGE),
        ("(" * 30_000 + "1" + ")" * 30_000, TOO_DEEP),
        ("[" * 30_000, TOO_DEEP),
        ("-" * 60_000 + "1", TOO_DEEP),
        ("map([1], " * 7000, TOO_DEEP),
        ("if true {" * 7000, TOO_DEEP),
        ("inputs" + ".a" * 30_000, TOO_LARGE),
        ("1" + "?1:1" * 15_000, TOO_DEEP),
        ("1" * 60_000, "value"),
        ("0x" + "f" * 60_000, "value"),
        ("'" + "a" * 65_000 + "'", "a value"),
        ("'" + "\\n" * 32_000 + "'", "a value"),
        ("/* " * 20_000, "unclosed comment"),
        ("map(1..1000, map(1..1000, #))", TOO_MUCH),
        ("filter(1..100000, # % 2 == 0)", TOO_MUCH),
        ("map(1..10000, # * 2)", "a value"),
        ("filter(item.value, .a > 10 and .a % 2 == 0)", "a value"),
        ("1..1000000000", BUDGET),
        ("-9223372036854775807..9223372036854775807", BUDGET),
        (f"1..{LONGEST_LIST}", "a value"),
        (f"1..{LONGEST_LIST + 1}", BUDGET),
        (f"sequence(0, {LONGEST_LIST + 1})", BUDGET),
        ("concat(list, [1])", BUDGET),
        ("flatten([list, 1])", BUDGET),
        ("split(inputs.letters, 'a')", BUDGET),
        ("split(inputs.letters, '')", BUDGET),
        (f"repeat('a', {LONGEST_TEXT})", "a value"),
        (f"repeat('a', {LONGEST_TEXT + 1})", BUDGET),
        ("repeat('', 9000000000000000000)", BUDGET),
        ("repeat(inputs.letters, 9000000000000000000)", BUDGET),
        ("replace(inputs.letters, 'a', repeat('b', 1000))", BUDGET),
        ("join(map(1..100, inputs.letters), '')", BUDGET),
        ("reduce(1..30, #acc + #acc, 'x')", BUDGET),
        ("toBase64(repeat(inputs.letters, 5))", BUDGET),
        ("toJSON(map(1..9, inputs.letters))", BUDGET),
        ("string(map(1..100, inputs.letters))", BUDGET),
        ("map(1..100, repeat(inputs.letters, 5))", TOO_MUCH),
        ("map(1..1000, 1..1000)", TOO_MUCH),
        ("map(1..10000, list[0:100000])", TOO_MUCH),
        ("map(1..10000, inputs.letters[0:10])", TOO_MUCH),
        ("map(1..10000, string(list))", TOO_MUCH),
        ("map(1..10000, list == list)", TOO_MUCH),
        ("map(1..10000, inputs.letters == inputs.letters)", TOO_MUCH),
        ("map(1..10000, inputs.letters < inputs.letters)", TOO_MUCH),
        ("map(1..10000, upper(inputs.letters))", TOO_MUCH),
        ("map(1..10000, inputs.letters contains 'c')", TOO_MUCH),
        ("map(1..10000, len(inputs.letters))", "a value"),
        ("map(1..10000, # in list)", TOO_MUCH),
        ("upper(inputs.wide)", TOO_MUCH),
        ("uniq(list)", TOO_MUCH),
        ("reduce(1..10000, [#acc])", TOO_DEEP),
        ("let deep = reduce(1..10000, [#acc]); deep == deep", TOO_DEEP),
        ("let deep = reduce(1..10000, ({a: #acc})); deep == deep", TOO_DEEP),
        ("toJSON(reduce(1..10000, [#acc]))", TOO_DEEP),
        ("string(reduce(1..10000, ({a: #acc})))", TOO_DEEP),
        ("max(reduce(1..10000, [#acc]))", TOO_DEEP),
        ("reduce(1..50, [#acc, #acc])", TOO_MUCH),
        ("let wide = reduce(1..50, [#acc, #acc]); wide == wide", TOO_MUCH),
        ("toJSON(reduce(1..50, [#acc, #acc]))", TOO_MUCH),
        ("flatten(reduce(1..50, [#acc, #acc]))", TOO_MUCH),
        ("fromJSON(inputs.lists)", TOO_MUCH),
        ("fromJSON(inputs.deep)", "exceeded max depth"),
        ("fromJSON(repeat('[', 99) + '\"\\\\u0041\"' + repeat(']', 99))", "a value"),
        ("fromJSON(repeat('[', 200) + '\"\\\\u0041\"' + repeat(']', 200))", TOO_DEEP),
        ("fromJSON(inputs.digits)", "value"),
        ("int(inputs.digits)", "value"),
        ("float(inputs.digits)", "value"),
        ("duration(inputs.digits)", "value"),
        ("date(inputs.digits)", "value"),
        ("date('2024', inputs.lines)", "parsing time: a text or layout may have 256 characters"),
        ("2 ** 2 ** 2 ** 2 ** 2 ** 2", "a value"),
        ("map(1..100, 9223372036854775807 * #)", "integer overflow"),
        ("inputs.letters matches '(a|b)*a(a|b){20}c'", TOO_MUCH),
        ("inputs.letters matches '(a|b)*a(a|b){6}c'", "a value"),
        ("inputs.lines matches '(?i)TEXT$'", "a value"),
        ("'a' matches repeat('a', 5000)", "error parsing regexp: longer than 4,096 characters"),
        ("map(1..1000, 'a' matches string(#) + '.{900}')", TOO_MUCH),
        ("'a' matches '(?i)" + "\\\\pL" * 900 + "'", TOO_MUCH),
        ("'a' matches '(?i)' + repeat('\\\\pL', 900)", TOO_MUCH),
        ("map(1..10000, randomInt())", "a value"),
        ("map(1..10000, timezone('Europe/Zurich'))", TOO_MUCH),
        ("map(1..10000, date('x'))", "invalid date x"),
    ],
)
def test_work_is_bounded_and_done_soon(source: str, message: str) -> None:
    """What is too much is refused, in less than a tenth of a second; what is much but not too much is done."""
    if message == "value":
        assert answer(source, SCOPE) not in {"a value", TOO_MUCH, TOO_LARGE}
    else:
        assert answer(source, SCOPE) == message
    assert is_soon(lambda: answer(source, SCOPE))


@pytest.mark.parametrize(
    "source",
    [
        *("sort(list)", "sort(reverse(list))", "sort(fromJSON(inputs.numbers))", "sort(texts)", "sortBy(1..20000, -#)"),
        *(
            "max(list)",
            "min(list)",
            "mean(list)",
            "median(list)",
            "sum(list)",
            "reverse(list)",
            "concat(1..50000, 1..50000)",
        ),
        *(
            "toJSON(list)",
            "toJSON(item.value)",
            "string(list)",
            "string(item.value)",
            "toJSON(texts)",
            "map(item.value, .a)",
        ),
        *(
            "groupBy(texts, len(#))",
            "groupBy(1..20000, #)",
            "find(list, # == 99999)",
            "findLast(list, # == 1)",
            "list",
            "item.value",
        ),
        *(
            "fromJSON(inputs.pairs)",
            "keys(fromJSON(inputs.pairs))",
            "toPairs(fromJSON(inputs.pairs))",
            "fromJSON(inputs.escapes)",
        ),
        *(
            "fromPairs(map(1..10000, [#, #]))",
            "split(inputs.lines, '\\n')",
            "splitAfter(inputs.lines, '\\n')",
            "lower(inputs.wide)",
        ),
        *(
            "replace(inputs.letters, 'a', 'bbb')",
            "trim(inputs.letters, 'ab')",
            "trim(inputs.letters, repeat('bc', 5000) + 'a')",
        ),
        *("lastIndexOf(inputs.letters, 'z' + repeat('ab', 5000))", "indexOf(inputs.letters, repeat('ab', 5000) + 'z')"),
        *("lastIndexOf(inputs.letters, repeat('ab', 5000) + 'z')", "inputs.letters contains repeat('a', 5000)"),
        *(
            "map(texts, upper(#))",
            "map(texts, split(#, ''))",
            "map(texts, indexOf(#, '9'))",
            "map(texts, replace(#, '1', '22'))",
        ),
        *(
            "count(texts, # matches '^1.*5$')",
            "count(texts, # matches inputs.x)",
            "map(1..10000, keys(inputs))",
            "map(1..1000, inputs)",
        ),
        *(
            "map(1..10000, date('2024-01-01'))",
            "map(1..10000, duration('1h'))",
            "map(1..10000, toJSON(item.index))",
            "map(list, [#])",
        ),
        *("reduce(1..1000, concat(#acc, [#]), [])", "reduce(1..10000, #acc + 'x', '')", "map(1..20000, {a: {b: #}})"),
        *(
            "toJSON(map(1..20000, {a: {b: #}}))",
            "any(list, # > 1000000)",
            "map(list, bitshl(#, 40))",
            "5 in list",
            "uniq(1..10000)",
        ),
        *(
            "inputs.letters matches 'ccc'",
            "inputs.letters matches 'a.*b.*c.*d'",
            "'a' matches '(.{100}){9}'",
            "toBase64(inputs.letters)",
        ),
        *(
            "1" + "<1" * 32_000,
            "1;" * 32_000,
            "'" + "\\u00e9" * 10_000 + "'",
            "a" * 65_536,
            "é" * 65_536,
            "@",
            "#" * 65_536,
        ),
        *(
            "not " * 15_000 + "true",
            "{" + "a:1," * 16_000 + "}",
            "inputs" + "?.a" * 20_000,
            "nil" + "??nil" * 12_000,
            "," * 65_536,
        ),
        *(
            "1" + "|len()" * 10_000,
            "[1]" + "|map(#)" * 6000,
            "x" + "\n" * 65_000,
            "true?" * 12_000,
            "::len(" * 10_000,
            "`" + "a" * 65_000,
        ),
    ],
)
def test_hard_work_is_done_or_refused_soon(source: str) -> None:
    assert is_soon(lambda: answer(source, SCOPE))
    assert is_soon(lambda: check(source, SCOPE, secrets=True))


@pytest.mark.parametrize(
    "template",
    [
        *(
            "{{1}}" * 13_000,
            "".join(f"{{{{{number}}}}}" for number in range(9000)),
            "{{ inputs.letters }}" * 3000,
            "{{" * 32_000,
        ),
        *("{{ x " * 13_000 + "\n }}" * 1000, "{{sort(1..5000)}}" * 3800, "{{1..3000}}" * 5000, "{{ item.value }}" * 10),
        *(
            "{{'a' matches '(.{100}){9}'}}" * 2000,
            "{{@}}" * 13_000,
            "{{ " + " " * 64_000,
            "{{}}" * 16_000,
            "é{{1}}" * 10_000,
        ),
        "".join(f"{{{{'a' matches '(.{{100}}){{{number % 9}}}'}}}}{' ' * (number % 7)}" for number in range(2000)),
    ],
)
def test_a_text_full_of_expressions_is_done_or_refused_soon(template: str) -> None:
    def rendered() -> None:
        try:
            render(template, SCOPE)
        except ExpressionError:
            return

    assert is_soon(rendered)
    assert is_soon(lambda: check_template(template, SCOPE, secrets=False))


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("{{ 1 }}" * 450, ""),
        ("{{ 1 }}" * 500, "too many expressions in one text"),
        ("{{ map(1..10000, #) }}" * 10, TOO_MUCH),
        ("{{ inputs.letters }}" * 10, BUDGET),
    ],
)
def test_all_expressions_of_a_text_share_one_bound(template: str, message: str) -> None:
    try:
        render(template, SCOPE)
        found = ""
    except ExpressionError as error:
        found = error.message
    assert found == message


def test_of_too_many_expressions_the_check_tells_the_first_that_is_too_much() -> None:
    (error,) = check_template("{{ 1 }}" * 500, (), secrets=False)
    assert error.message == "too many expressions in one text"


def test_a_value_that_is_too_large_is_not_printed() -> None:
    with pytest.raises(ExpressionError, match="too much work"):
        format_value([SCOPE["list"]] * 100)


def test_a_message_about_a_long_text_is_short() -> None:
    with pytest.raises(ExpressionError) as raised:
        evaluate("int(inputs.letters)", SCOPE)
    assert len(raised.value.message) < 600


WORDS = st.sampled_from(
    [
        *BINARY,
        *BUILTINS,
        *(
            "(",
            ")",
            "[",
            "]",
            "{",
            "}",
            ",",
            ";",
            ":",
            "?",
            "?.",
            "?:",
            ".",
            "#",
            "#index",
            "#acc",
            "!",
            "not ",
            "::",
            "=",
            "@",
            "\\",
        ),
        *(
            "true",
            "false",
            "nil",
            "1",
            "2.5",
            "0x1F",
            "1e3",
            "'a'",
            '"b"',
            "`c`",
            "'\\n'",
            "'\\x00'",
            "let x = 1; x",
            "if ",
            "else ",
        ),
        *(
            "inputs",
            "inputs.x",
            "item.value",
            "item",
            "secrets.key",
            "secrets",
            "now()",
            "date('2024-01-01')",
            "duration('1h')",
        ),
        *(
            "[1, 2]",
            "{a: 1}",
            "1..3",
            "x",
            "é",
            "²",
            " ",
            "\n",
            "//",
            "/*",
            "*/",
            "$env",
            "$now",
            "Year()",
            "Month()",
            "In",
            "a",
            "b",
        ),
    ]
)
SMALL = SCOPE | {
    "inputs": {"x": "5", "json": '{"a": [1, "b", null]}'},
    "item": {"index": "0", "value": {"a": [1.5, None, "x", {}]}},
}
FACES: list[Callable[[str], Any]] = [
    lambda text: evaluate(text, SMALL),
    lambda text: render(text, SMALL),
    lambda text: condition(text, SMALL),
    lambda text: check(text, SMALL, secrets=False),
    lambda text: check(text, SMALL, secrets=True),
    lambda text: check_field(text, SMALL, secrets=True),
    lambda text: check_template(text, SMALL, secrets=False),
    has_expression,
    expression_of,
]
STEADY = settings(deadline=None, max_examples=300, suppress_health_check=[HealthCheck.too_slow])


def survive(text: str) -> None:
    for face in FACES:
        with suppress(ExpressionError):
            face(text)


@STEADY
@given(st.text(max_size=60))
def test_no_text_breaks_anything(text: str) -> None:
    survive(text)
    survive(f"{{{{{text}}}}}")


@STEADY
@given(st.lists(WORDS, max_size=12).map("".join))
def test_no_row_of_words_breaks_anything(text: str) -> None:
    survive(text)
    survive(f"a {{{{ {text} }}}} b")


def calls(inside: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.one_of(
        st.tuples(st.sampled_from(sorted(BUILTINS)), st.lists(inside, max_size=3)).map(
            lambda call: f"{call[0]}({', '.join(call[1])})"
        ),
        st.tuples(inside, st.sampled_from(sorted(BINARY)), inside).map(
            lambda parts: f"({parts[0]} {parts[1]} {parts[2]})"
        ),
        st.tuples(inside, inside, inside).map(lambda parts: f"({parts[0]} ? {parts[1]} : {parts[2]})"),
        st.lists(inside, max_size=3).map(lambda items: f"[{', '.join(items)}]"),
        inside.map(lambda value: f"{{a: {value}}}"),
        inside.map(lambda value: f"{value}.a"),
        st.tuples(inside, inside).map(lambda parts: f"{parts[0]}[{parts[1]}]"),
        inside.map(lambda value: f"map([1, 'a', nil], {value})"),
    )


EXPRESSIONS = st.recursive(
    st.sampled_from(
        [
            *("1", "-2", "2.5", "1e300", "9223372036854775807", "'a'", "''", "nil", "true", "[]", "{}", "1..3", "#"),
            *("inputs", "inputs.x", "inputs.json", "item.value", "item.value.a", "secrets.key"),
            *("now()", "now().Month()", "duration('1h')", "timezone('UTC')"),
        ]
    ),
    calls,
    max_leaves=12,
)


@settings(STEADY, max_examples=600)
@given(EXPRESSIONS)
def test_a_value_is_data_and_nothing_else(source: str) -> None:
    """No expression reaches an object of Python, and whatever it makes can be printed."""
    try:
        value = evaluate(source, SMALL)
        assert is_closed(value)
        assert format_value(value) == render(f"{{{{ {source} }}}}", SMALL) or "}}" in source or "randomInt" in source
    except ExpressionError:
        return


@settings(STEADY, max_examples=600)
@given(EXPRESSIONS)
def test_where_the_check_finds_nothing_the_types_are_sound(source: str) -> None:
    """What is wrong with names is always found before there are values."""
    sound = check(source, SMALL, secrets=True) is None
    failed = answer(source, SMALL)
    assert not (sound and failed.startswith(("unknown name", "unexpected token")))


@settings(STEADY, max_examples=200)
@given(
    st.recursive(
        st.none() | st.booleans() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
        lambda inside: st.lists(inside, max_size=4) | st.dictionaries(st.text(), inside, max_size=4),
        max_leaves=20,
    )
)
def test_what_is_written_as_json_is_read_again(value: Any) -> None:
    """But for NUL and halves of characters, which texts here do not have."""
    once = evaluate("fromJSON(toJSON(value))", {"value": value})
    assert evaluate("fromJSON(toJSON(value))", {"value": once}) == once
