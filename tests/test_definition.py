"""What a job and a task must be like: one rule for each field."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from domain import definition
from domain.definition import JobDefinition, TaskDefinition, parse_duration
from domain.errors import Invalid, Missing, Problem, Refused


def broken(field: Any, text: str) -> list[str]:
    """Return the codes of the rules that a text breaks."""
    (meta,) = field.__metadata__
    return [problem.code for problem in meta.extra["rule"](text)]


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("5s", 5),
        ("1h30m", 5400),
        ("1.5h", 5400),
        ("300ms", 0.3),
        (".5m", 30),
        ("2.m", 120),
        ("+1s", 1),
        ("1m1m", 120),
        ("1us", 1e-6),
        ("1µs", 1e-6),
        ("1μs", 1e-6),
        ("1ns", 1e-9),
        ("8760h", 365 * 24 * 3600),
        ("1h2m3s4ms", 3723.004),
    ],
)
def test_a_duration_is_read_as_go_reads_it(text: str, seconds: float) -> None:
    assert parse_duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "not a duration"),
        ("5", "not a duration"),
        ("s", "not a duration"),
        (".s", "not a duration"),
        ("5 s", "not a duration"),
        ("5s ", "not a duration"),
        ("5s\n", "not a duration"),
        ("5S", "not a duration"),
        ("5d", "not a duration"),
        ("-1s", "not a duration"),
        ("1e9s", "not a duration"),
        ("\u0661s", "not a duration"),
        ("1.2.3s", "not a duration"),
        ("9" * 100 + "s", "not a duration"),
        ("0s", "longer than nothing"),
        ("0h0m", "longer than nothing"),
        ("8761h", "a year"),
        ("9999999h", "a year"),
    ],
)
def test_what_is_no_duration_is_refused(text: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        parse_duration(text)


GOOD = {
    "JobName": ["a", "a" * 256, "{{ x }}", "<script>\u202e", "日本 👩\u200d🚀"],
    "Description": ["", "a\nb\tc\r\n", "a" * 65_536, "{{ x }}"],
    "Tag": ["", "a" * 64],
    "TaskName": ["a", "{{", "}} {{", "a" * 256],
    "Image": [
        "a",
        "ubuntu:mantic",
        "busybox:1.36",
        "team/app",
        "a__b/c-d--e.f",
        "evil.tld/x",
        "127.0.0.1:22/x",
        "localhost:5000/x/y:Tag_1.0",
        "Registry.Example.com/x",
        "[::1]:5000/x",
        "x@sha256:" + "0a" * 32,
        "a.b/c:d@sha256:" + "0a" * 32,
        "a" * 512,
    ],
    "Script": ["", "echo {{ x }}\n\techo\r\n", "a" * 262_144],
    "Argument": ["", "a\nb", "{{"],
    "Word": ["", "{{ x }}"],
    "EnvironmentName": ["A", "LD_PRELOAD", "a b", "é", "1"],
    "EnvironmentValue": ["", "a=b\n", "日" * 20_000],
    "Queue": ["default", "a" * 128, "A.b_c-9", "X-a", "x"],
    "Timeout": ["", "5s"],
    "Variable": ["", "a", "_a9", "a" * 64],
}
NO_IMAGES = [
    "-v",
    "a b",
    " a",
    "a\n",
    "UPPER/Case",
    "a/B",
    "a//b",
    "a/",
    "/a",
    "a:",
    "a:-b",
    "a:b:c",
    "a@b",
    "x@sha256:zz",
]
NO_IMAGES += ["-x.io/a", "a..b/c", "a" * 513, "é", "a\0b", "http://a/b", "a___b", "a:" + "t" * 129]
BAD = {
    "JobName": {"": "required", "a" * 257: "too_long", "a\nb": "control_character", "a\x1b[0m": "control_character"},
    "Description": {"a\0": "control_character", "a" * 65_537: "too_long", "日" * 22_000: "too_long"},
    "Tag": {"a" * 65: "too_long", "a\u2028b": "control_character", "a\x9bb": "control_character"},
    "TaskName": {"": "required", "a {{ x }}": "unsupported", "a\tb": "control_character"},
    "Image": dict.fromkeys(NO_IMAGES, "image") | {"": "required", "{{ x }}": "unsupported"},
    "Script": {"a\0b": "control_character", "a\x07": "control_character", "a" * 262_145: "too_long"},
    "Argument": {"{{ x }}": "unsupported", "a\x0b": "control_character", "a" * 65_537: "too_long"},
    "Word": {"a\0": "control_character", "a" * 65_537: "too_long"},
    "EnvironmentName": {"": "env", "A=B": "env", "A\0": "control_character", "A\nB": "control_character"},
    "EnvironmentValue": {"\0": "control_character", "a" * 65_537: "too_long", "{{x}}": "unsupported"},
    "Queue": dict.fromkeys(
        ["", "x-", "x-exclusive", "../a", "a b", "a" * 129, "é", "a\n", *sorted(definition.COORDINATOR_QUEUES)], "queue"
    )
    | {"q-{{ x }}": "unsupported"},
    "Timeout": dict.fromkeys(["5", "-1s", "9999999h", "1e9s", "{{ x }}"], "duration"),
    "Variable": dict.fromkeys(["a.b", "9a", "a-b", "é", "a" * 65, "a\n"], "var") | {"{{ x }}": "unsupported"},
}


@pytest.mark.parametrize(("name", "text"), [(name, text) for name, texts in GOOD.items() for text in texts])
def test_what_keeps_the_rules_is_accepted(name: str, text: str) -> None:
    assert broken(getattr(definition, name), text) == []


@pytest.mark.parametrize(
    ("name", "text", "code"), [(name, text, code) for name, texts in BAD.items() for text, code in texts.items()]
)
def test_what_breaks_a_rule_is_refused(name: str, text: str, code: str) -> None:
    assert broken(getattr(definition, name), text) == [code]


def test_all_that_is_wrong_with_a_text_is_told() -> None:
    assert broken(definition.TaskName, "{{ x }}\n" * 100) == ["too_long", "control_character", "unsupported"]


@pytest.mark.parametrize(
    "field", [field for kind in (JobDefinition, TaskDefinition) for field in msgspec.structs.fields(kind)]
)
def test_every_field_is_described_for_users(field: msgspec.structs.FieldInfo) -> None:
    assert any(isinstance(each, msgspec.Meta) and each.description for each in field.type.__metadata__)


def test_a_definition_encodes_to_what_was_written_and_no_more() -> None:
    job = JobDefinition(name="n", tasks=(TaskDefinition(name="t", image="a"),))
    assert msgspec.json.encode(job) == b'{"name":"n","tasks":[{"name":"t","image":"a"}]}'


def test_history_stays_readable_when_rules_become_stricter() -> None:
    stored = b'{"name":"","tasks":[{"name":"{{ x }}","timeout":"soon"}]}'
    assert msgspec.json.decode(stored, type=JobDefinition).tasks[0].timeout == "soon"


def test_an_unknown_field_is_not_lost_in_silence() -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(b'{"name":"n","tasks":[],"nmae":1}', type=JobDefinition)


def test_invalid_says_the_first_problem_and_how_many_more_there_are() -> None:
    first = Problem("is wrong", path="a[0].b", line=2, column=3)
    assert str(Invalid([first])) == "a[0].b: is wrong (line 2, column 3)"
    assert str(Invalid([first, Problem("too")])) == "a[0].b: is wrong (line 2, column 3), and 1 more problem"
    assert str(Invalid([Problem("is wrong")] * 3)) == "is wrong, and 2 more problems"
    assert Invalid([first], status=415).status == 415


@pytest.mark.parametrize("kind", [Refused, Missing])
def test_a_refusal_is_its_message(kind: type[Refused | Missing]) -> None:
    assert str(kind("no")) == kind("no").message == "no"
