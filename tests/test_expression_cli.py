"""`jobledger expr`: an expression can be tried without a job."""

from __future__ import annotations

import re

import pytest
from click.testing import CliRunner, Result

from app.cli import cli, exits


def run(*arguments: str) -> Result:
    return CliRunner().invoke(cli, ["expr", *arguments])


@pytest.mark.parametrize(
    ("arguments", "printed"),
    [
        (["1000000 / 1"], "1e+06"),
        (["inputs.a + tasks.b", "--inputs", "a=x=y", "--inputs", "c=", "--tasks", "b=z"], "x=yz"),
        (["chunk {{ item.index }} of {{ item.value.n }}", "--item", '{"n": 3}'], "chunk 0 of 3"),
        (["{{ [nil, 'é'] }}"], "[<nil> é]"),
        (["item.value"], "<nil>"),
        (["'a' + secrets.missing + job.missing"], "a"),
        (["now().Year() > 2000 and randomInt(5) < 5"], "true"),
    ],
)
def test_the_value_is_printed_as_go_prints_it(arguments: list[str], printed: str) -> None:
    result = run(*arguments)
    assert (result.exit_code, result.stdout, result.stderr) == (exits.DONE, f"{printed}\n", "")


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("1 +\nmissing", ["expression:2:1: unknown name missing", "    2 | missing", "      | ^"]),
        ("a {{ inputs.x == 5 }}", ["expression:1:15: invalid operation: == (mismatched types string and int)"]),
        ("[1][2]", ["expression:1:4: index out of range: 2 (array length is 1)"]),
    ],
)
def test_a_mistake_is_shown_with_the_line_and_a_caret(text: str, lines: list[str]) -> None:
    result = run(text)
    assert (result.exit_code, result.stdout) == (exits.USAGE, "")
    assert result.stderr.splitlines()[: len(lines)] == lines


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["--inputs", "a"], "write NAME=VALUE"),
        (["--tasks", "=a"], "write NAME=VALUE"),
        (["--item", "{"], "not JSON"),
        (["--item", "[" * 100_000], "nested too deeply"),
    ],
)
def test_what_is_given_must_make_sense(arguments: list[str], why: str) -> None:
    result = run("1", *arguments)
    assert result.exit_code == exits.USAGE
    assert why in re.sub(r"[\s│]+", " ", result.stderr)
