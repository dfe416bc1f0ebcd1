"""Expressions in a job's texts, in fields that are expressions by themselves, and what they may do with secrets."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from domain.expression import (
    ExpressionError,
    Sealed,
    check,
    check_field,
    check_template,
    condition,
    evaluate,
    evaluate_field,
    expression_of,
    format_value,
    has_expression,
    render,
)

KEY = Sealed("\0secret:key\0")
OTHER = Sealed("\0secret:other\0")
NOON = datetime(2026, 2, 27, 12, tzinfo=UTC)
SCOPE: dict[str, Any] = {
    "inputs": {"a": "x", "no": "false", "line": "false\n", "nul": "\0secret:key\0", "braces": "{{ secrets.key }}"},
    "secrets": {"key": KEY, "other": OTHER},
    "tasks": {"t": "[1,2]"},
    "job": {"id": "1"},
    "item": {"index": "0", "value": {"a": 1.0, "sealed": KEY, "sealeds": [KEY], "nul": ["\0"]}},
}
NAMES = frozenset(SCOPE)


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("plain", "plain"),
        ("{{ inputs.a }}", "x"),
        ("a{{inputs.a}}b{{ 1 + 1 }}c", "axb2c"),
        ("{{\tinputs.a\n}}", "x"),
        ("{{ inputs.a", "{{ inputs.a"),
        ("{{ inputs\n.a }}", "{{ inputs\n.a }}"),
        ("{{}}", "{{}}"),
        ("inputs.a }}", "inputs.a }}"),
        ("{{ '{{' }} {{ '}' }}", "{{ }"),
        ("{{ {a: {b: 1} } }}", "map[a:map[b:1]]"),
        ("é{{ 'é' }}\ud800{{ 1 }}", "éé\ud8001"),
        ("{{ nil }} {{ [1,'a'] }} {{ 1000000.0 }}", "<nil> [1 a] 1e+06"),
    ],
)
def test_values_are_put_in_the_place_of_expressions(template: str, text: str) -> None:
    assert render(template, SCOPE) == text


def test_what_a_value_says_is_not_evaluated() -> None:
    assert render("{{ inputs.braces }}", SCOPE) == "{{ secrets.key }}"


def test_chance_differs_within_a_text() -> None:
    first, second = render("{{ randomInt() }} {{ randomInt() }}", {"$seed": 1}).split()
    assert first != second


@pytest.mark.parametrize(
    ("template", "line", "column"),
    [("{{ x }}", 1, 4), ("a\nbc {{ 1 }} {{ 1 +\tx }}", 2, 19), ("{{ 1 }}\n{{ [1][5] }}", 2, 7)],
)
def test_a_mistake_in_a_text_is_told_with_its_place_in_the_text(template: str, line: int, column: int) -> None:
    with pytest.raises(ExpressionError) as raised:
        render(template, SCOPE)
    assert (raised.value.line, raised.value.column) == (line, column)


def test_every_mistake_of_a_text_is_found_before_there_are_values() -> None:
    template = "{{ x }}\n{{ 1 }} {{ 1 + }}\n{{ inputs.a + 1 }}"
    found = [
        (error.message.partition(" (")[0], error.line, error.column)
        for error in check_template(template, NAMES, secrets=False)
    ]
    assert found == [
        ("unknown name x", 1, 4),
        ("unexpected token EOF", 2, 14),
        ("invalid operation: +", 3, 13),
    ]


def test_a_text_without_expressions_has_no_mistakes() -> None:
    assert check_template("{ x } }}", NAMES, secrets=False) == []


@pytest.mark.parametrize(
    ("text", "found"),
    [("", False), ("a", False), ("{{", False), ("{{ a }}", True), ("a }} {{ b", False), ("{{\n}}", False)],
)
def test_a_text_has_an_expression_when_there_is_something_in_braces(text: str, *, found: bool) -> None:
    assert has_expression(text) is found


@pytest.mark.parametrize(
    ("text", "expression"),
    [
        ("{{ inputs.a }}", "inputs.a"),
        (" {{ inputs.a }}\n", "inputs.a"),
        ("inputs.a", "inputs.a"),
        ("{{ a", "{{ a"),
        ("x{{ a }}", "x{{ a }}"),
        ("{{ a }}{{ b }}", "{{ a }}{{ b }}"),
    ],
)
def test_a_field_is_an_expression_in_braces_or_without(text: str, expression: str) -> None:
    assert expression_of(text) == expression


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("{{ fromJSON(tasks.t) }}", [1.0, 2.0]),
        ("fromJSON(tasks.t)", [1.0, 2.0]),
        ("{{ inputs.a }}!", "x!"),
        ("['a', inputs.a]", ["a", "x"]),
    ],
)
def test_a_field_has_the_value_of_its_expression_or_its_text(text: str, value: Any) -> None:
    assert evaluate_field(text, SCOPE) == value


@pytest.mark.parametrize(
    ("text", "runs"),
    [
        ("true", True),
        ("false", False),
        ("'false'", False),
        ("{{ false }}", False),
        ("{{ inputs.no }}", False),
        ("{{ inputs.line }}", False),
        ("{{ ' false ' }}", False),
        ("is {{ inputs.line }}", True),
        ("{{ inputs.a }}", True),
        ("{{ inputs.a == 'x' }}", True),
        ("inputs.a == 'y'", False),
        (" {{ inputs.a == 'y' }} ", False),
        ("{{ 'fal' }}{{ 'se' }}", False),
        ("{{ nil }}", True),
        ("0", True),
        ("''", True),
    ],
)
def test_only_false_keeps_a_task_from_running(text: str, *, runs: bool) -> None:
    assert condition(text, SCOPE) is runs


@pytest.mark.parametrize("text", ["x", "{{ x }}", "{{ 1 }}{{ x }}", "", "{{ 1"])
def test_a_condition_that_can_not_be_evaluated_is_a_mistake(text: str) -> None:
    with pytest.raises(ExpressionError):
        condition(text, SCOPE)


@pytest.mark.parametrize(
    ("text", "columns"),
    [("1 + x", [5]), ("{{ 1 + x }}", [8]), ("{{ x }} {{ y }}", [4, 12]), ("true", []), ("{{ 1 }}", [])],
)
def test_a_field_is_checked_before_there_are_values(text: str, columns: list[int]) -> None:
    assert [error.column for error in check_field(text, NAMES, secrets=False)] == columns


def test_a_sound_expression_has_nothing_wrong() -> None:
    assert check("inputs.a == 'x'", NAMES, secrets=False) is None


def test_a_mistake_is_found_before_there_are_values() -> None:
    error = check("1 +\nx", ["inputs"], secrets=False)
    assert str(error) == "unknown name x (2:1)\n | x\n | ^"


def test_the_time_and_the_seed_are_no_names() -> None:
    assert check("$seed", {"$seed"}, secrets=False) is not None


INSERTED = [
    *("secrets.key", 'secrets["key"]', "secrets?.key", "(secrets.key)", "secrets[inputs.a]", "secrets?.[inputs.a]"),
    *("'a' + secrets.key", "secrets.key + 'a' + secrets.other", "inputs.a == 'x' ? secrets.key : secrets.other"),
    *("if inputs.a == 'x' {secrets.key} else {''}", "nil ?? secrets.key", "'a' + (true ? secrets.key : 'b') + 'c'"),
    *("let a = inputs.a; secrets.key + a", "1; secrets.key"),
]
LOOKED_AT = [
    *(
        "secrets",
        "len(secrets.key)",
        "secrets.key == 'a'",
        "'a' != secrets.key",
        "secrets.key ? 1 : 2",
        "upper(secrets.key)",
    ),
    *(
        "secrets.key ?? 'a'",
        "[secrets.key]",
        "{a: secrets.key}",
        "{(secrets.key): 1}",
        "secrets.key[0:1]",
        "secrets.key in ['a']",
    ),
    *(
        "secrets.key contains 'a'",
        "'a' matches secrets.key",
        "secrets.key | upper()",
        "keys(secrets)",
        "get(secrets, 'key')",
    ),
    *(
        "let k = secrets.key; k",
        "map([1], secrets.key)",
        "filter([1], secrets.key == 'a')",
        "secrets.key; 1",
        "inputs[secrets.key]",
    ),
    *(
        "string(secrets.key)",
        "toJSON(secrets)",
        "'key' in secrets",
        "secrets?.key.x",
        "type(secrets.key)",
        "secrets[secrets.key]",
    ),
    *(
        "secrets.key < 'a'",
        "secrets.key .. 1",
        "reduce([1], #acc, secrets.key)",
        "secrets.key ?: 'a'",
        "sortBy([1], #, secrets.key)",
    ),
]


@pytest.mark.parametrize("source", INSERTED)
def test_a_secret_may_be_inserted_as_it_is(source: str) -> None:
    assert check(source, NAMES, secrets=True) is None
    assert type(evaluate(source.replace("inputs.a]", "'key']"), SCOPE)) is Sealed


@pytest.mark.parametrize("source", LOOKED_AT)
def test_a_secret_may_not_be_looked_at(source: str) -> None:
    error = check(source, NAMES, secrets=True)
    assert error is not None
    assert error.message == "a secret can only be inserted as it is"
    assert source[error.column - 1 :].startswith("secrets")


@pytest.mark.parametrize("source", INSERTED + LOOKED_AT)
def test_where_secrets_are_not_allowed_none_is(source: str) -> None:
    error = check(source, NAMES, secrets=False)
    assert error is not None
    assert error.message == "secrets cannot be used in this field"


def test_a_text_is_checked_for_secrets_too() -> None:
    assert check_template("a{{ secrets.key }}", NAMES, secrets=True) == []
    assert [error.column for error in check_template("a{{ secrets.key }}", NAMES, secrets=False)] == [5]


@pytest.mark.parametrize(
    "source",
    [
        *(
            "KEY == 'a'",
            "'a' == KEY",
            "KEY == KEY",
            "KEY != 'a'",
            "[1] == KEY",
            "KEY < 'a'",
            "'a' < KEY",
            "KEY in ['a']",
        ),
        *(
            "KEY in inputs",
            "'a' in KEY",
            "KEY contains 'a'",
            "'a' contains KEY",
            "KEY startsWith 'a'",
            "'a' endsWith KEY",
        ),
        *(
            "KEY matches 'a'",
            "'a' matches KEY",
            "inputs.a matches KEY",
            "KEY + 1",
            "1 + KEY",
            "KEY - 1",
            "KEY * 1",
            "KEY / 1",
        ),
        *(
            "KEY % 1",
            "1 % KEY",
            "KEY ** 1",
            "KEY .. 1",
            "-KEY",
            "+KEY",
            "!KEY",
            "KEY && true",
            "true && KEY",
            "KEY || true",
        ),
        *(
            "KEY ? 1 : 2",
            "[KEY]",
            "{a: KEY}",
            "{(KEY): 1}",
            "KEY[0]",
            "KEY.x",
            "KEY[0:1]",
            "[1][KEY]",
            "[1][KEY:]",
            "inputs[KEY]",
        ),
        *("fromPairs([])[KEY]", "item[KEY]", "item.value?.[KEY]", "KEY.Year()", "now().Format(KEY)", "now().Add(KEY)"),
        *(
            "map(KEY, #)",
            "map([1], KEY)",
            "reduce([1], #acc, KEY)",
            "sortBy([1], #, KEY)",
            "sum([KEY])",
            "any([1], KEY)",
        ),
        *(
            "secrets",
            "keys(secrets)",
            "string(KEYS)",
            "toJSON(KEYS)",
            "join(KEYS)",
            "sort(concat(KEYS, [1]))",
            "max(KEYS)",
            "uniq([1] | concat(KEYS))",
        ),
        *(
            "KEYS == ['a']",
            "'a' in KEYS",
            "sort(concat(KEYS, KEYS))",
            "groupBy(KEYS, #)",
            "sortBy(concat(KEYS, KEYS), #)",
        ),
        *("{a: KEYS} == {a: ['a']}", "string({a: KEYS})"),
        *(
            f"{name}(KEY)"
            for name in ("len", "type", "string", "toJSON", "upper", "first", "int", "float", "abs", "round")
        ),
        *(
            f"{name}(KEY)"
            for name in ("fromJSON", "toBase64", "duration", "timezone", "date", "keys", "reverse", "flatten", "concat")
        ),
        *(f"{name}(KEY, 'a')" for name in ("trim", "split", "indexOf", "hasPrefix", "get", "max")),
        *(
            "split('a', KEY)",
            "repeat(KEY, 2)",
            "bitand(KEY, 1)",
            "sequence(KEY, 1)",
            "randomInt(KEY)",
            "take([1], KEY)",
        ),
    ],
)
def test_a_sealed_secret_is_looked_at_by_nothing(source: str) -> None:
    """Even when nobody has checked the expression, and the secret comes from where nobody expects one."""
    with pytest.raises(ExpressionError) as raised:
        evaluate(
            source.replace("KEYS", "item.value.sealeds").replace("KEY", "item.value.sealed"), SCOPE | {"$now": NOON}
        )
    assert raised.value.message == "a secret can only be inserted as it is"


@pytest.mark.parametrize(
    "source", ["item.value.sealed", "item.value.sealeds[0]", "first(item.value.sealeds)", "let k = secrets.key; k"]
)
def test_a_sealed_secret_may_be_passed_on(source: str) -> None:
    assert evaluate(source, SCOPE) == KEY


def test_a_sealed_secret_survives_in_a_text() -> None:
    assert render("a {{ secrets.key }} {{ 'b' + secrets.other }}", SCOPE) == f"a {KEY} b{OTHER}"
    assert format_value(KEY) == KEY
    assert format_value([KEY, "a"]) == f"[{KEY} a]"


def test_what_is_written_around_expressions_stays_as_it_is() -> None:
    """A text may have placeholders that were put in before."""
    assert render(f"{KEY}{{{{ 1 }}}}{KEY}", SCOPE) == f"{KEY}1{KEY}"


def test_a_field_that_is_a_text_with_a_secret_stays_sealed() -> None:
    assert format_value(evaluate_field("a{{ secrets.key }}", SCOPE)) == f"a{KEY}"


@pytest.mark.parametrize(
    "source",
    [
        *("inputs.nul", "inputs.nul + ''", "[inputs.nul]", "{a: inputs.nul}", "string(inputs.nul)", "item.value.nul"),
        *(
            '"\\x00secret:key\\x00"',
            "'\\u0000secret:key\\u{0}'",
            "'\\000secret:key\\000'",
            "`\0secret:key\0`",
            "'\0secret:key\0'",
        ),
        *(
            "fromJSON('\"\\\\u0000secret:key\\\\u0000\"')",
            "fromJSON('{\"\\\\u0000secret:key\\\\u0000\":[1]}')",
            "fromBase64('AHNlY3JldDprZXkA')",
        ),
        *("toJSON(inputs.nul)", "split(inputs.nul, 'x')", "inputs.nul[0:]", "map([inputs.nul], #)", "{('\\x00'): 1}"),
    ],
)
def test_no_data_can_pretend_to_be_a_secret(source: str) -> None:
    """A NUL is lost from all that is printed but what is sealed."""
    assert "\0" not in format_value(evaluate(source, SCOPE))
    assert "\0" not in render(f"{{{{ {source} }}}}", SCOPE)


def test_nothing_beside_a_sealed_secret_can_pretend_to_be_one() -> None:
    assert evaluate("inputs.nul + secrets.key + inputs.nul", SCOPE) == f"secret:key{KEY}secret:key"


def test_unsealed_secrets_are_texts_like_others() -> None:
    scope = {"secrets": {"key": "s"}, "inputs": {}}
    assert evaluate("upper(secrets.key) + string(secrets)", scope) == "Smap[key:s]"


def test_a_value_can_be_kept_as_json_unless_it_is_of_another_type() -> None:
    value = evaluate("[inputs, groupBy([1], 'a'), [fromPairs([['a', {b: nil}]])]]", SCOPE)
    assert json.loads(json.dumps(value)) == value


def test_a_list_of_the_scope_is_not_shared_with_literals() -> None:
    assert evaluate("[1, 2]", {}) is not evaluate("[1, 2]", {})
