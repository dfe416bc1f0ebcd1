"""What each operator and each function of expressions does, by the examples of the language's own definition."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from domain.expression import Duration, ExpressionError, Month, Time, Weekday, Zone, evaluate, format_value
from domain.expression.checker import BUILTINS
from domain.expression.functions import FUNCTIONS
from domain.expression.operator_types import LOOPS
from domain.expression.signatures import FUNCTIONS as CALLABLE
from domain.expression.signatures import METHODS

NOON = datetime(2026, 2, 27, 12, tzinfo=UTC)
SCOPE = {"inputs": {"x": "5"}, "tasks": {}, "secrets": {}, "job": {}, "value": None, "$now": NOON}

TRUE = [
    *("42 == 0x2A", "42 == 0o52", "42 == 0b101010", ".5 == 0.5", "1_000 == 1000", "1e3 == 1000"),
    *("\"foo\" == 'foo'", '"a\\tb" == `a\tb`', "`a\nb` == 'a\\nb'", "[1, 2, 3][0] == 1", "{a: 1, b: 2}.b == 2"),
    *(
        "1 + 2 == 3",
        "3 - 2 == 1",
        "2 * 3 == 6",
        "7 / 2 == 3.5",
        "7 % 4 == 3",
        "-7 % 4 == -3",
        "2 ** 3 == 8",
        "2 ^ 3 == 8",
    ),
    *("-2 ** 2 == -4", "2 ** 3 ** 2 == 512", "2 + 3 * 4 == 14", "(2 + 3) * 4 == 20", "+5 == 5", "-(-5) == 5"),
    *("1 != 2", "1 < 2", "2 > 1", "1 <= 1", "1 >= 1", "1 < 2 < 3", "not (1 < 2 < 2)", '"a" < "b"', "1 == 1.0"),
    *("true and true", "true && true", "false or true", "false || true", "not false", "!false"),
    *("(true ? 1 : 2) == 1", "(false ?: true)", "(nil ?? 1) == 1", "(2 ?? 1) == 2", "(if 1 == 1 {1} else {2}) == 1"),
    *("[1, 2, 3][-1] == 3", "{a: {b: 1}}.a.b == 1", '{"a b": 1}["a b"] == 1', "{a: nil}.a?.b.c == nil"),
    *('"John" in ["John", "Jane"]', '"name" in {"name": "John"}', '"x" not in ["y"]', "2 in 1..3", "not (nil in [1])"),
    *('"ab" + "cd" == "abcd"', '"abc" contains "b"', '"abc" startsWith "a"', '"abc" endsWith "c"'),
    *('"abc" matches "^a.c$"', '"abc" not matches "x"', '"abc" not contains "x"', "1..3 == [1, 2, 3]"),
    *("[1, 2, 3, 4, 5][1:4] == [2, 3, 4]", "[1, 2, 3][:2] == [1, 2]", "[1, 2, 3][1:] == [2, 3]", "[1, 2][:] == [1, 2]"),
    *("[1, 2, 3, 4, 5][1:-1] == [2, 3, 4]", '"hello"[1:3] == "el"'),
    *(
        '"Hello" | lower() | split("l") == ["he", "", "o"]',
        "let x = 42; x * 2 == 84",
        "let x = 1; let y = x + 1; y == 2",
    ),
    *("filter(0..9, {# % 2 == 0}) == [0, 2, 4, 6, 8]", "map([{a: 1}], .a) == [1]", "map([{a: 1}], {.a}) == [1]"),
    *("map([[1, 2], [3]], {let l = #; any(l, # == 3)}) == [false, true]", "map([7, 8], #index) == [0, 1]"),
    *(
        'trim("  Hello  ") == "Hello"',
        'trim("__Hello__", "_") == "Hello"',
        'trimPrefix("HelloWorld", "Hello") == "World"',
    ),
    *('trimSuffix("HelloWorld", "World") == "Hello"', 'upper("hello") == "HELLO"', 'lower("HELLO") == "hello"'),
    *('split("a,b,c", ",") == ["a", "b", "c"]', 'split("a,b,c", ",", 2) == ["a", "b,c"]'),
    *('splitAfter("a,b,c", ",") == ["a,", "b,", "c"]', 'splitAfter("a,b,c", ",", 2) == ["a,", "b,c"]'),
    *('replace("Hello World", "World", "Universe") == "Hello Universe"', 'repeat("Hi", 3) == "HiHiHi"'),
    *('indexOf("apple pie", "pie") == 6', 'lastIndexOf("apple pie apple", "apple") == 10', 'indexOf("a", "b") == -1'),
    *('hasPrefix("HelloWorld", "Hello")', 'hasSuffix("HelloWorld", "World")', 'join(["a", "b"], ",") == "a,b"'),
    *('join(["a", "b"]) == "ab"', "max(5, 7) == 7", "min(5, 7) == 5", "abs(-5) == 5", "ceil(1.5) == 2.0"),
    *(
        "floor(1.5) == 1.0",
        "round(1.5) == 2.0",
        "round(-1.5) == -2.0",
        "mean([1, 2, 3]) == 2.0",
        "median([1, 2, 3]) == 2.0",
    ),
    *(
        "all([1, 2], # > 0)",
        "any([1, 2], # > 1)",
        "one([1, 2], # > 1)",
        "none([1, 2], # > 2)",
        "count([1, 2], # > 1) == 1",
    ),
    *("count([true, false, true]) == 2", "find([1, 2, 3, 4], # > 2) == 3", "findIndex([1, 2, 3, 4], # > 2) == 2"),
    *("findLast([1, 2, 3, 4], # > 2) == 4", "findLastIndex([1, 2, 3, 4], # > 2) == 3", "find([1], # > 1) == nil"),
    *("concat([1, 2], [3, 4]) == [1, 2, 3, 4]", "flatten([1, 2, [3, 4]]) == [1, 2, 3, 4]", "uniq([1, 2, 1]) == [1, 2]"),
    *(
        "reduce(1..9, #acc + #) == 45",
        "reduce(1..9, #acc + #, 0) == 45",
        "sum([1, 2, 3]) == 6",
        "sum([1, 2], # * 2) == 6",
    ),
    *("first([1, 2, 3]) == 1", "last([1, 2, 3]) == 3", "first([]) == nil", "take([1, 2, 3, 4], 2) == [1, 2]"),
    *("reverse([3, 1, 4]) == [4, 1, 3]", "sort([3, 1, 4]) == [1, 3, 4]", 'sort([3, 1, 4], "desc") == [4, 3, 1]'),
    *(
        "sortBy([{a: 2}, {a: 1}], .a)[0].a == 1",
        'sortBy([1, 2], #, "desc") == [2, 1]',
        "groupBy([1, 2, 3], # % 2)[1] == [1, 3]",
    ),
    *('keys({"name": "John", "age": 30}) == ["age", "name"]', 'values({"name": "John", "age": 30}) == [30, "John"]'),
    *(
        'type(42) == "int"',
        'type("hello") == "string"',
        'type(now()) == "time.Time"',
        'type(1.5) == "float"',
        'type(nil) == "nil"',
    ),
    *(
        'type([]) == "array"',
        'type({}) == "map"',
        'type(true) == "bool"',
        'int("123") == 123',
        'float("123.45") == 123.45',
    ),
    *('string(123) == "123"', 'fromJSON("[1, 2]") == [1, 2]', 'toJSON({"b": 1}) == "{\\n  \\"b\\": 1\\n}"'),
    *('toBase64("Hello World") == "SGVsbG8gV29ybGQ="', 'fromBase64("SGVsbG8gV29ybGQ=") == "Hello World"'),
    *('toPairs({"name": "John"}) == [["name", "John"]]', 'fromPairs([["name", "John"]]).name == "John"'),
    *(
        "len([1, 2, 3]) == 3",
        'len({"a": 1}) == 1',
        'len("Hello") == 5',
        "get([1, 2, 3], 1) == 2",
        'get({"a": 1}, "b") == nil',
    ),
    *("bitand(0b1010, 0b1100) == 0b1000", "bitor(0b1010, 0b1100) == 0b1110", "bitxor(0b1010, 0b1100) == 0b110"),
    *("bitnand(0b1010, 0b1100) == 0b10", "bitnot(0b1010) == -0b1011", "bitshl(0b101101, 2) == 0b10110100"),
    *("bitshr(0b101101, 2) == 0b1011", "bitushr(-0b101, 2) == 4611686018427387902", "sequence(1, 5) == [1, 2, 3, 4]"),
    *(
        "now().Year() == 2026",
        'duration("1h").Seconds() == 3600',
        'date("2023-08-14").Year() == 2023',
        "randomInt(1) == 0",
    ),
    *('date("2023-08-14 00:00:00", "2006-01-02 15:04:05", "Europe/Zurich").Hour() == 0', 'now() > date("2024-01-01")'),
    *('date("2023-08-14 00:00:00").In(timezone("Europe/Zurich")).Hour() == 2', 'now() - now() == duration("0s")'),
    *('now(timezone("Europe/Zurich")).Hour() == 13', 'now() + duration("1h") - now() == duration("60m")'),
    *(
        "1 + 2 not in [1]",
        "now()?.Year() == 2026",
        "[1]?.[0] == 1",
        "float(1) == 1",
        "1e300 ** 2 > 1",
        "-1e300 ** 3 < 1",
    ),
    *(
        "keys(groupBy([now()], #))[0] == now()",
        "'a\rb' == 'a\\nb'",
        "(value ?? nil) == nil",
        "(true ? nil : nil) == nil",
    ),
    *("(true ? 1 : nil) == 1", "(nil ?? nil) == nil", "(true ? value : 1) == nil", "'' + (value ?? '') == ''"),
    *(
        "1 /* comment */ + 1 == 2",
        "1 + 1 == 2 // comment",
        '::upper("a") == "A"',
        "1; 2; 3 == 3",
        "inputs.missing == ''",
    ),
    *(
        '"inputs" not in ["x"] and "x" in inputs',
        "inputs?.x == '5'",
        "inputs['x'] == '5'",
        "value?.x == nil",
        "(value ?? 'd') == 'd'",
    ),
]


@pytest.mark.parametrize("source", TRUE)
def test_an_example_of_the_definition_is_true(source: str) -> None:
    assert evaluate(source, SCOPE) is True


def test_every_function_is_in_the_examples() -> None:
    """None is left out, and none is known that can not be called."""
    examples = " ".join(TRUE)
    assert all(f"{name}(" in examples for name in BUILTINS)
    assert set(FUNCTIONS) | {"randomInt"} == set(CALLABLE)
    assert set(LOOPS) | set(CALLABLE) == set(BUILTINS)


def test_what_was_wrong_with_a_tree_is_known_for_every_method() -> None:
    """A method that is known before there is a value can be called when there is one."""
    values = {"time": "now()", "duration": 'duration("1h")', "month": "now().Month()", "weekday": "now().Weekday()"}
    values["zone"] = 'timezone("UTC")'
    given = {"int": "1", "string": '"2006"', "time.Duration": 'duration("1s")', "time.Time": "now()"}
    given["*time.Location"] = 'timezone("UTC")'
    for kind, methods in METHODS.items():
        for name, signature in methods.items():
            arguments = ", ".join(given[argument.name] for argument in signature.arguments)
            assert evaluate(f"{values[kind]}.{name}({arguments})", SCOPE) is not None


@pytest.mark.parametrize(
    ("source", "value"),
    [
        ("now()", Time(NOON)),
        ('duration("90s")', Duration(90_000_000_000)),
        ('timezone("UTC")', Zone("UTC", UTC)),
        ("now().Month()", Month(2)),
        ("now().Weekday()", Weekday(5)),
        ("inputs", {"x": "5"}),
        ("groupBy([1, 2], # == 1)", {True: [1], False: [2]}),
        ("[inputs, [inputs]]", [{"x": "5"}, [{"x": "5"}]]),
        ("fromPairs([['a', inputs]])", {"a": {"x": "5"}}),
        ("nil", None),
    ],
)
def test_a_value_is_a_plain_one_or_of_a_closed_type(source: str, value: Any) -> None:
    found = evaluate(source, SCOPE)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0.0, "0"),
        (-0.0, "-0"),
        (1.0, "1"),
        (10.5, "10.5"),
        (0.1 + 0.2, "0.30000000000000004"),
        (999999.0, "999999"),
        (999999.9, "999999.9"),
        (1e6, "1e+06"),
        (1048576.0, "1.048576e+06"),
        (123456789.0, "1.23456789e+08"),
        (1e20, "1e+20"),
        (1.5e300, "1.5e+300"),
        (0.0001, "0.0001"),
        (0.00001234, "1.234e-05"),
        (5e-324, "5e-324"),
        (float("inf"), "+Inf"),
        (float("-inf"), "-Inf"),
        (float("nan"), "NaN"),
        (-1234567.0, "-1.234567e+06"),
        (5, "5"),
        (1000000, "1000000"),
        (True, "true"),
        (False, "false"),
        (None, "<nil>"),
        ([], "[]"),
        ([1, "a", None, [True]], "[1 a <nil> [true]]"),
        ({}, "map[]"),
        ({"b": 1.0, "a": [2]}, "map[a:[2] b:1]"),
        ({2: "b", 1.5: "a", "x": 0, True: 1}, "map[1.5:a 2:b true:1 x:0]"),
        (Time(NOON), "2026-02-27 12:00:00 +0000 UTC"),
        (Time(NOON, timezone(timedelta(hours=-3, minutes=-30), "NST")), "2026-02-27 08:30:00 -0330 NST"),
        (Time(NOON.replace(microsecond=120_000)), "2026-02-27 12:00:00.12 +0000 UTC"),
        (Duration(0), "0s"),
        (Duration(1), "1ns"),
        (Duration(1_100), "1.1µs"),
        (Duration(-1_500_000), "-1.5ms"),
        (Duration(61_000_000_000), "1m1s"),
        (Duration(3_600_000_000_000), "1h0m0s"),
        (Month(12), "December"),
        (Weekday(0), "Sunday"),
        (Zone("Europe/Zurich", UTC), "Europe/Zurich"),
    ],
)
def test_a_value_is_printed_as_go_prints_it(value: Any, shown: str) -> None:
    assert format_value(value) == shown


@pytest.mark.parametrize(
    ("source", "message", "line", "column"),
    [
        ("missing.x", "unknown name missing", 1, 1),
        ("1 +\n  missing", "unknown name missing", 2, 3),
        ("inputs.x + 1", "invalid operation: + (mismatched types string and int)", 1, 10),
        ("1 +", "unexpected token EOF", 1, 3),
        ("(1", "unexpected token EOF", 1, 2),
        ("'é' + @", "unrecognized character: U+0040 '@'", 1, 7),
        ("\x01", "unrecognized character: U+0001", 1, 1),
        ("$env", "$env is not supported: name what you need", 1, 1),
        ("get($env, 'x')", "$env is not supported: name what you need", 1, 5),
        ("$now", "unknown name $now", 1, 1),
        ("now(1)", "invalid number of arguments (expected 0, got 1)", 1, 1),
        ("randomInt(0)", "invalid argument to Intn", 1, 1),
        ("randomInt(1, 2)", "too many arguments to call randomInt", 1, 1),
        ("randomInt(first([1.5]))", "interface conversion: interface {} is float64, not int", 1, 1),
        ("9223372036854775807 + 1", "integer overflow", 1, 21),
        ("-9223372036854775807 - 2", "integer overflow", 1, 22),
        ("int(1e30)", "integer overflow", 1, 1),
        ("1 / 'a'", "invalid operation: / (mismatched types int and string)", 1, 3),
        ("first([1]) % first([0])", "integer divide by zero", 1, 12),
        ("+first(['a'])", "invalid operation: + string", 1, 1),
        ("date('2024-01-01') + duration('2562047h') * 40", "integer overflow", 1, 43),
        (
            "reduce(1..40, #acc + duration('2562047h'), now())",
            "there is no such year: moments are from the year 2 to 9998",
            1,
            20,
        ),
        ("{a: 1}.a()", "invalid operation: cannot call non-function of type int", 1, 8),
        ("date(first([timezone('UTC')]))", "invalid number of arguments (expected at least 1, got 1)", 1, 1),
        ("inputs '.'", 'unexpected token String(".")', 1, 8),
        ("max()", "not enough arguments to call max", 1, 1),
        ("filter([1], # > 0).x", "array elements can only be selected using an integer (got string)", 1, 20),
        ("'a' ?. 1", "expected name", 1, 8),
        ("date('0001-01-01')", "there is no such year: moments are from the year 2 to 9998", 1, 1),
        ("now().AddDate(9000, 0, 0)", "there is no such year: moments are from the year 2 to 9998", 1, 7),
        ("groupBy([1, 1.0], #)", "groupBy: the keys 1, 1.0 and true can not be told apart here", 1, 1),
        ("fromPairs([[1, 2]])[[1]]", "runtime error: hash of unhashable type []interface {}", 1, 20),
        ("timezone('no zone')", "unknown time zone no zone", 1, 1),
        ("timezone('America')", "unknown time zone America", 1, 1),
        ("duration('9999999999999h')", 'time: invalid duration "9999999999999h"', 1, 1),
        ("duration('h')", 'time: invalid duration "h"', 1, 1),
        ("value()", "invalid operation: cannot call nil", 1, 1),
        ("'a' matches '(?i'", "error parsing regexp: invalid or unsupported Perl syntax: `(?i`", 1, 5),
        ("'a' matches '\\\\pL' + '{1000}'", "error parsing regexp: pattern too large - compile failed", 1, 5),
    ],
)
def test_a_mistake_is_told_with_its_place(source: str, message: str, line: int, column: int) -> None:
    with pytest.raises(ExpressionError) as raised:
        evaluate(source, SCOPE)
    error = raised.value
    assert (error.message, error.line, error.column) == (message, line, column)


def test_a_mistake_shows_the_line_and_a_caret() -> None:
    with pytest.raises(ExpressionError) as raised:
        evaluate("1 +\n\tmissing +\n2", SCOPE)
    assert str(raised.value) == "unknown name missing (2:2)\n |  missing +\n | .^"


def test_of_a_long_line_the_part_around_the_mistake_is_shown() -> None:
    with pytest.raises(ExpressionError) as raised:
        evaluate(f"'{'a' * 5000}' + missing + '{'b' * 5000}'", SCOPE)
    _, shown, caret = str(raised.value).split("\n")
    assert len(shown) < 210
    assert shown[caret.index("^") :].startswith("missing")


@pytest.mark.parametrize("scope", [{}, {"$now": NOON.replace(tzinfo=None)}])
def test_without_a_time_in_a_zone_there_is_no_now(scope: dict[str, Any]) -> None:
    with pytest.raises(ExpressionError, match="there is no clock here"):
        evaluate("now()", scope)


def test_chance_is_the_same_for_the_same_seed_and_differs_from_draw_to_draw() -> None:
    source = "map(1..20, randomInt(1000))"
    draws = evaluate(source, {"$seed": 7})
    assert draws == evaluate(source, {"$seed": 7})
    assert draws != evaluate(source, {"$seed": 8})
    assert len(set(draws)) > 10
    assert all(0 <= draw < 1000 for draw in draws)


def test_chance_differs_from_place_to_place() -> None:
    assert evaluate("randomInt()", {}) != evaluate(" randomInt()", {})


def test_a_text_is_counted_in_characters_but_cut_in_bytes() -> None:
    assert evaluate('[len("héllo"), indexOf("héllo", "l"), "héllo"[1:3]]', {}) == [5, 3, "é"]


def test_a_capital_is_one_character() -> None:
    """Go maps each character by itself: ß has no capital, and İ no dot when it is small."""
    assert evaluate("upper('straße ᾳ') + lower('İÀ')", {}) == "STRAßE ᾼià"


@pytest.mark.parametrize("source", ['"\\ud800"', """fromJSON('"\\\\ud800"')"""])
def test_half_a_character_is_replaced(source: str) -> None:
    assert evaluate(source, {}) == "\ufffd"


def test_of_a_map_with_a_name_twice_the_first_value_counts() -> None:
    assert evaluate("{a: 1, a: 2}", {}) == {"a": 1}
