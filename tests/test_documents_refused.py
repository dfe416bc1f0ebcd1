"""Job files that are broken or hostile: each is refused with a code and a place, and fast."""

from __future__ import annotations

import json
import sys
from contextlib import suppress
from time import process_time
from typing import NamedTuple

import pytest
import yaml

from app.documents import Form, read_job, yaml_errors
from domain.errors import Invalid, Problem

TASK = "name: n\ntasks:\n  - name: t\n    image: a\n"
OK = '{"name": "n", "tasks": [{"name": "t", "image": "a"}]}'
PROMISED = 0.1
"""Seconds of CPU within which input is refused, whatever it is."""
TRACED = 1.0
"""The same while coverage is measured."""


class Refusal(NamedTuple):
    """A document, and what is wrong with it."""

    document: str | bytes
    code: str
    line: int = 0
    column: int = 0
    says: str = ""
    """Words of the message or the hint."""


def problems(document: str | bytes, form: Form) -> tuple[Problem, ...]:
    body = document.encode() if isinstance(document, str) else document
    with pytest.raises(Invalid) as refused:
        read_job(body, form)
    assert min(seconds(body, form) for _ in range(3)) <= (PROMISED if sys.gettrace() is None else TRACED)
    return refused.value.problems


def seconds(body: bytes, form: Form) -> float:
    began = process_time()
    with suppress(Invalid):
        read_job(body, form)
    return process_time() - began


def check(refusal: Refusal, form: Form) -> None:
    found = problems(refusal.document, form)
    matching = [each for each in found if each.code == refusal.code]
    assert matching, found
    assert all(each.line and each.column for each in matching), found
    assert refusal.line in {0, *(each.line for each in matching)}, found
    assert refusal.column in {0, *(each.column for each in matching)}, found
    assert any(refusal.says in f"{each.message} {each.hint}" for each in matching), found


LAUGHS = "a: &a [x,x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{name}: &{name} [{','.join([f'*{before}'] * 10)}]\n" for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)
MANY = "{" + ", ".join(f"k{number}: v" for number in range(6_000)) + "}"

BOTH = {
    "B01 nothing": Refusal("", "body_empty", 1, 1),
    "B01 spaces": Refusal(" \n", "body_empty", 1, 1),
    "B08 UTF-16": Refusal(OK.encode("utf-16"), "encoding", 1, 1),
    "B08 UTF-16 without a mark": Refusal(OK.encode("utf-16-le"), "encoding", 1, 1),
    "B08 byte order mark": Refusal(b"\xef\xbb\xbf" + OK.encode(), "encoding", 1, 1),
    "B08 no UTF-8": Refusal(b'{"name":\n "\xc3\xa9\xff"}', "encoding", 2, 4, "0xFF"),
    "B10 brackets": Refusal("[" * 200_000, "too_deep", 1, 33),
    "B10 braces": Refusal('{"a":' * 100_000, "too_deep", 1, 161),
    "B11 the same key twice": Refusal('{"name":"a",\n"name":"b"}', "duplicate_key", 2, 1, "line 1"),
    "B11 the same key twice, deep down": Refusal('{"x": [{"y": 1, "y": 2}]}', "duplicate_key", 1, 17),
    "B12 unknown field": Refusal('{"nmae": "n"}', "unknown_field", 1, 2, '"name"'),
    "B14 NUL": Refusal('{"name": "a\\u0000b"}', "control_character", 1, 10, "U+0000"),
    "B15 lone surrogate": Refusal('{"name": "\\ud800"}', "encoding"),
    "B17 tasks is a mapping": Refusal('{"tasks": {}}', "type", 1, 11, "expected a list"),
    "B18 a list": Refusal("[]", "type", 1, 1, "expected a mapping"),
    "B18 a text": Refusal('"x"', "type", 1, 1),
    "B18 a number": Refusal("5", "type", 1, 1),
    "J01 no name": Refusal("{}", "required", 1, 1, '"name" is required'),
    "J01 an empty name": Refusal('{"name": ""}', "required", 1, 10, "must not be empty"),
    "J01 a name of 10 KB": Refusal(json.dumps({"name": "n" * 10_240}), "too_long", 1, 10, "10,240"),
    "J01 a name of two lines": Refusal('{"name": "a\\nb"}', "control_character", 1, 10, "single line"),
    "J02 no tasks": Refusal('{"tasks": []}', "min", 1, 11),
    "J02 1,001 tasks": Refusal(f'{{"tasks": [{"{}," * 1_000}{{}}]}}', "too_many", 1, 11, "1,001 tasks"),
    "J12 a value of 1 MB": Refusal(OK[:-3] + f', "env": {{"A": "{"x" * 1_000_000}"}}}}]}}', "too_long", 1, 66),
    "10,000 values": Refusal(f'{{"tags": [{"1," * 10_000}1]}}', "too_many_nodes"),
    "9,000 unknown fields": Refusal(json.dumps({f"descripti0n{i}": 1 for i in range(9_000)}), "unknown_field"),
}

JSON = {
    "B09 two values": Refusal("{}\n {}", "syntax", 2, 2, "more after the end"),
    "B09 comma before the end": Refusal('{"a": 1,}', "syntax", 1, 9, "remove the comma"),
    "B09 comma before the end of a list": Refusal('{"a": [1, ]}', "syntax", 1, 11, "remove the comma"),
    "B09 NaN": Refusal('{"a": NaN}', "syntax", 1, 7, "no such number"),
    "B09 too large a number": Refusal('{"a": 1e999}', "syntax", 1, 7),
    "B09 a text without end": Refusal('{"a": "b}', "syntax", 1, 7, "never closed"),
    "B09 a mapping without end": Refusal('{"a": 1', "syntax", 1, 8, "a comma or }"),
    "B09 a key without end": Refusal('{"a"', "syntax", 1, 5, "a colon"),
    "B09 a key without a value": Refusal('{"a":\n', "syntax", 2, 1, "a value"),
    "B09 a list without end": Refusal('{"a": [1,', "syntax", 1, 10, "a value or ]"),
    "B13 30 digits": Refusal('{"a": 123456789012345678901234567890}', "range", 1, 7, "2^53"),
    "B13 5,000 digits": Refusal(f'{{"a": {"9" * 5_000}}}', "range", 1, 7, "2^53"),
    "B13 just beyond": Refusal('{"a": -9007199254740993}', "range", 1, 7),
    "B15 lone surrogate in a key": Refusal('{"\\udfff": 1}', "encoding", 1, 2, "surrogate"),
    "B17 a number for a name": Refusal('{"name": 7}', "type", 1, 10, "got a number"),
    "B17 true for a name": Refusal('{"name": true}', "type", 1, 10, "got true or false"),
    "B17 a fraction for a name": Refusal('{"name": 1.5e3}', "type", 1, 10, "got a number"),
    "B17 null for a name": Refusal('{"name": null}', "type", 1, 10, "got nothing"),
    "null": Refusal("null", "type", 1, 1),
    "single quotes": Refusal("{'a': 1}", "syntax", 1, 2, "double quotes"),
    "no quotes": Refusal("{a: 1}", "syntax", 1, 2, "double quotes"),
    "a comment": Refusal("{} // x", "syntax", 1, 4),
    "a comment before": Refusal("// x\n{}", "syntax", 1, 1, "no comments"),
    "Python": Refusal('{"a": True}', "syntax", 1, 7, "write true"),
    "no comma": Refusal('{"a": 1\n "b": 2}', "syntax", 2, 2, "a comma"),
    "a line break in a text": Refusal('{"a": "b\nc"}', "control_character", 1, 9, "\\n"),
    "an unknown escape": Refusal('{"a": "\\q"}', "syntax", 1, 8, "backslash"),
    "half an escape": Refusal('{"a": "\\u12"}', "syntax", 1, 9),
    "NUL": Refusal('{"a": 1\0}', "syntax", 1, 8),
    "YAML": Refusal(TASK, "syntax", 1, 1),
}

YAML = {
    "Y01 billion laughs": Refusal(LAUGHS, "alias", 4, 29, "10,000 values"),
    "Y02 brackets in a field": Refusal("name: " + "[" * 200_000, "too_deep", 1, 38),
    "Y03 480 KB of small mappings": Refusal("- b: c\n" * 68_000, "too_many_nodes", 5_001),
    "Y04 merging by the thousand": Refusal(f"a: &a {{b: c}}\nd: {{<<: [{'*a,' * 8_000}]}}", "merge_key", 2, 40),
    "Y04 merging much": Refusal(f"a: &a {MANY}\nd: {{<<: *a}}", "merge_key", 2, 9),
    "Y05 a cycle": Refusal("name: &a [*a]", "alias", 1, 11, "inside what it names"),
    "Y06 a Python object": Refusal("name: !!python/object/apply:os.system [id]", "tag", 1, 7, "!!python"),
    "Y06 binary": Refusal("name: !!binary aGk=", "tag", 1, 7),
    "Y06 a set": Refusal("tasks: !!set {a}", "tag", 1, 8),
    "Y06 any other": Refusal("name: ! n", "tag", 1, 7),
    "Y06 an unknown handle": Refusal("name: !x!y z", "tag", 1, 7),
    "Y06 a broken one": Refusal("name: !<a b", "tag", 1, 7),
    "Y06 declared": Refusal("%TAG !x! tag:x\n---\nname: n", "tag", 1),
    "Y06 20,000 declared": Refusal("".join(f"%TAG !a{i}! tag:x\r" for i in range(20_000)) + "---\na", "tag"),
    "Y08 the same key twice": Refusal("name: a\n'name': b", "duplicate_key", 2, 1, "line 1"),
    "Y09 two documents": Refusal(f"{TASK}---\n{TASK}", "syntax", 5, 1, "second document"),
    "Y10 comments": Refusal("# a\n# b\n", "body_empty", 1, 1),
    "Y10 a document of nothing": Refusal("---\n...\n", "body_empty", 1, 1),
    "Y10 null": Refusal("~", "body_empty", 1, 1),
    "Y11 a list for a key": Refusal("? [1, 2]\n: x", "key_type", 1, 3, "a list"),
    "Y11 a mapping for a key": Refusal("name: {{ x }}", "key_type", 1, 8, "in quotes"),
    "Y11 null for a key": Refusal("null: 1", "key_type", 1, 1, "empty"),
    "Y11 nothing for a key": Refusal("a: {? : 1}", "key_type", 1, 7),
    "Y12 a tab": Refusal("name: n\ntasks:\n\t- name: t", "syntax", 3, 1, "a tab can not indent"),
    "Y12 a version that is not there": Refusal("%YAML 9.9\n---\nname: n", "syntax", 1, 1, "version"),
    "Y12 other line breaks": Refusal("name: n\n\u2028a: b\x85c", "control_character", 2, 1, "U+2028"),
    "a cycle under a name used before": Refusal("name: &a x\ntags: &a [*a]", "alias", 2, 11),
    "an alias of nothing": Refusal("name: *none", "alias", 1, 7, "in quotes"),
    "101 aliases": Refusal(f"a: &a x\ntags: [{'*a,' * 101}]", "alias", 2, 308, "more than 100"),
    "a long text many times": Refusal(
        f"a: &a {{x: {'x' * 60_000}}}\ntags: [{'*a,' * 9}]", "alias", 2, 32, "characters"
    ),
    "an alias that is too deep": Refusal(f"a: &a {'[' * 20}{']' * 20}\nb: {'[' * 20}*a{']' * 20}", "too_deep", 2, 24),
    "merging a text": Refusal(f"{TASK}    <<: text\n", "merge_key", 5, 9),
    "merging texts": Refusal(f"{TASK}    <<: [{{}}, 1]\n", "merge_key", 5, 9),
    "merging twice": Refusal(f"{TASK}    <<: {{queue: a}}\n    <<: {{queue: b}}\n", "duplicate_key", 6, 5),
    "merging by the dozen": Refusal(f"{TASK}    <<: [{'{queue: a},' * 11}]\n", "merge_key", 5, 9),
    "a control character": Refusal(f"{TASK}    run: a\x1bb\n", "control_character", 5, 11, "U+001B"),
    "many control characters": Refusal("\x01" * 400_000, "control_character", 1, 1),
    "a quote without end": Refusal('name: "a\nb: c', "syntax", 1, 7, "never closed"),
    "a colon in a value": Refusal("name: a: b", "syntax", 1, 8, "in quotes"),
    "a colon where an item of a list begins": Refusal("tags: [a:]", "syntax", 1, 9, "in quotes"),
    "a value that was indented": Refusal("name: a\n  b: c", "syntax", 2, 4, "indentation"),
    "a key without a colon": Refusal("name: a\nb", "syntax", 2, 1, "key: value"),
    "an item that is not aligned": Refusal("tasks:\n  - name: t\n   image: a", "syntax", 3, 4, "indentation"),
    "a field among the items": Refusal("- a\nb: c", "syntax", 2, 1, "'- '"),
    "a list beside its key": Refusal("tasks: - name: t", "syntax", 1, 8, "next line"),
    "a quote within quotes": Refusal("name: 'it's'", "syntax", 1, 11, "written twice"),
    "an open brace": Refusal("name: {a", "syntax", 1, 7, "in quotes"),
    "an open bracket": Refusal("name: [a", "syntax", 1, 7, "in quotes"),
    "a closing bracket": Refusal("name: ]", "syntax", 1, 7, "in quotes"),
    "a percent sign": Refusal("name: %a", "syntax", 1, 7, "can not begin with %"),
    "an at sign": Refusal("name: @a", "syntax", 1, 7, "can not begin with @"),
    "a star": Refusal("name: * *", "syntax", 1, 7, "can not begin with *"),
    "an ampersand": Refusal("name: & b", "syntax", 1, 7, "can not begin with &"),
    "an unknown escape": Refusal('name: "\\q"', "syntax", 1, 8, "single quotes"),
    "a text beside its mark": Refusal("run: |a\n", "syntax", 1, 7, "next line"),
    "a tab in an indented text": Refusal("run: |\n\ta\n", "syntax", 2, 1),
    "an unknown directive": Refusal("%FOO bar\n---\na: b", "syntax", 1),
    "text behind the document": Refusal('"a" b', "syntax", 1, 5, "in quotes"),
    "an anchor without end": Refusal("name: &" + "a" * 400_000, "required"),
    "an alias without end": Refusal("name: *" + "a" * 400_000, "alias", 1, 7),
    "half an escape": Refusal('name: "\\x4"', "syntax", 1, 10, "\\x41"),
    "a quote without end before the next document": Refusal('name: "a\n---\n"', "syntax", 1, 7, "never closed"),
    "a question mark": Refusal("[a]? b", "syntax", 1, 4, "can not begin with ?"),
}


@pytest.mark.parametrize("form", ["yaml", "json"])
@pytest.mark.parametrize("refusal", BOTH.values(), ids=BOTH)
def test_what_neither_may_be(refusal: Refusal, form: Form) -> None:
    check(refusal, form)


@pytest.mark.parametrize("refusal", JSON.values(), ids=JSON)
def test_what_json_may_not_be(refusal: Refusal) -> None:
    check(refusal, "json")


@pytest.mark.parametrize("refusal", YAML.values(), ids=YAML)
def test_what_yaml_may_not_be(refusal: Refusal) -> None:
    check(refusal, "yaml")


def test_limits_are_not_reached_too_early() -> None:
    deep = "[" * 31 + "]" * 31
    (found,) = problems(f"{TASK}x: {deep}\n", "yaml")
    assert found.code == "unknown_field"
    tasks = "".join(f"- {{name: t{i}, image: a, run: b, queue: c, timeout: 5s}}\n" for i in range(1_000))
    assert len(read_job(f"name: n\ntasks:\n{tasks}".encode(), "yaml").tasks) == 1_000
    tags = ",".join(["*a"] * 64)
    assert len(read_job(f"{TASK}description: &a {'x' * 64}\ntags: [{tags}]".encode(), "yaml").tags) == 64


@pytest.mark.parametrize("error", [yaml.YAMLError("new"), yaml.MarkedYAMLError(problem="new", problem_mark=None)])
def test_an_error_of_libyaml_that_says_no_place_is_told_as_well(error: yaml.YAMLError) -> None:
    place, _, problem = yaml_errors.explain(error, "")
    assert (place, problem.code) == ((0, 0), "syntax")


def test_what_libyaml_says_in_new_words_is_told_in_its_words() -> None:
    mark = yaml.Mark("", 0, 1, 2, None, 0)
    place, _, problem = yaml_errors.explain(yaml.MarkedYAMLError(problem="no such thing", problem_mark=mark), "")
    assert (place, problem.message, problem.code) == ((1, 2), "no such thing", "syntax")
