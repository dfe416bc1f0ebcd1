"""YAML means what it means to Go's yaml.v3, which Tork's users know; JSON has types of its own.

`vectors/yaml.txt` is what yaml.v3 itself printed for 46 documents.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import msgspec
import pytest

from app.documents import read, read_job, reader
from domain.definition import TaskDefinition
from domain.errors import Invalid

ROOT = Path(__file__).parent.parent
TASK = "name: n\ntasks:\n  - name: t\n    image: a\n"


def task(document: str) -> TaskDefinition:
    """Read a task of which some lines are given."""
    return read_job(f"{TASK}{document}".encode(), "yaml").tasks[0]


class Sample(msgspec.Struct, kw_only=True):
    """The type that the Go program read."""

    name: str = ""
    env: dict[str, str] = {}
    priority: int = 0
    detached: bool = False
    tags: tuple[str, ...] = ()
    factor: float = 0.0
    inner: Sample | None = None


VECTOR = re.compile(
    r'^("(?:[^"\\]|\\.)*") +\{Name:(.*?) Env:map\[(.*?)\] Prio:(.*?) Det:(.*?) Tags:\[(.*?)\]\} \| (.*)$', re.MULTILINE
)
OURS = {
    "priority: 5.0": "a whole number is written without a fraction",
    "priority: 5.5": "a fraction is not cut off",
    "name: a\n---\nname: b": "a second document is not left out in silence",
}
"""Documents that Go accepts and we refuse, and why."""

read_sample = reader(Sample)


def vectors() -> list[tuple[str, dict[str, Any] | None]]:
    """Return the documents, and what Go made of them; None where it refused."""
    found = VECTOR.findall((ROOT / "tests/vectors/yaml.txt").read_text())
    return [(json.loads(document), None if error != "<nil>" else _made(*values)) for document, *values, error in found]


def _made(name: str, env: str, priority: str, detached: str, tags: str) -> dict[str, Any]:
    return {
        "name": name,
        "env": dict(re.findall(r"(\w+):(\S*)", env)),
        "priority": int(priority),
        "detached": detached == "true",
        "tags": tuple(tags.split()),
    }


def test_all_vectors_are_found() -> None:
    assert len(vectors()) == 46


@pytest.mark.parametrize(("document", "made"), vectors(), ids=[document for document, _ in vectors()])
def test_yaml_means_what_it_means_to_go(document: str, made: dict[str, Any] | None) -> None:
    if made is None or document in OURS:
        with pytest.raises(Invalid):
            read(document.encode(), "yaml", read_sample)
    else:
        sample = msgspec.structs.asdict(read(document.encode(), "yaml", read_sample))
        assert {name: sample[name] for name in made} == made


@pytest.mark.parametrize(
    ("value", "number"),
    [
        ("0", 0),
        ("-7", -7),
        ("+7", 7),
        ("1_000", 1000),
        ("100", 100),
        ("0b101", 5),
        ("-0x10", -16),
        ("9007199254740992", 2**53),
    ],
)
def test_a_whole_number_may_be_written_in_several_ways(value: str, number: int) -> None:
    assert read(f"priority: {value}".encode(), "yaml", read_sample).priority == number


@pytest.mark.parametrize(
    ("value", "code"),
    [
        ("9007199254740993", "range"),
        ("-9007199254740993", "range"),
        ("9" * 5_000, "range"),
        (".nan", "range"),
        ("-.inf", "range"),
        ("089", "type"),
        ("1__x", "type"),
        ("0_7", "type"),
        ("true", "type"),
        ("[1]", "type"),
        ("{a: 1}", "type"),
    ],
)
def test_what_is_no_whole_number_is_refused(value: str, code: str) -> None:
    with pytest.raises(Invalid) as refused:
        read(f"priority: {value}".encode(), "yaml", read_sample)
    assert refused.value.problems[0].code == code


@pytest.mark.parametrize(
    ("value", "number"),
    [
        ("2", 2.0),
        ("1.5", 1.5),
        (".5", 0.5),
        ("5.", 5.0),
        ("-1e3", -1000.0),
        ("+2.5E-1", 0.25),
        ("1_000.5", 1000.5),
        ("0x10", 16.0),
        ("010", 8.0),
        ("089", 89.0),
    ],
)
def test_a_number_may_be_whole_or_not(value: str, number: float) -> None:
    found = read(f"factor: {value}".encode(), "yaml", read_sample).factor
    assert (found, type(found)) == (number, float)


@pytest.mark.parametrize(
    ("value", "code"),
    [
        (".nan", "range"),
        ("-.Inf", "range"),
        ("1e999", "range"),
        ("9" * 5_000 + ".5", "range"),
        ("9007199254740993", "range"),
        ("1e", "type"),
        (".", "type"),
        ("1.5.2", "type"),
        ("'1.5'", "type"),
        ("true", "type"),
        ("x", "type"),
        ("[1]", "type"),
    ],
)
def test_what_is_no_number_is_refused(value: str, code: str) -> None:
    with pytest.raises(Invalid) as refused:
        read(f"factor: {value}".encode(), "yaml", read_sample)
    assert refused.value.problems[0].code == code


def test_json_has_numbers_of_both_kinds() -> None:
    assert read(b'{"factor": 2}', "json", read_sample).factor == 2.0
    assert read(b'{"factor": 2.5}', "json", read_sample).factor == 2.5
    with pytest.raises(Invalid):
        read(b'{"factor": "2.5"}', "json", read_sample)


def test_a_type_may_hold_itself() -> None:
    sample = read(b"inner: {inner: {name: deep}, factor: 1}", "yaml", read_sample)
    assert sample == Sample(inner=Sample(inner=Sample(name="deep"), factor=1.0))
    with pytest.raises(Invalid) as refused:
        read(b"inner: {inner: {name: deep, nmae: x}}", "yaml", read_sample)
    assert refused.value.problems[0].path == "inner.inner.nmae"


def test_quotes_that_make_text_of_a_number_are_pointed_out() -> None:
    with pytest.raises(Invalid) as refused:
        read(b"priority: '5'\ndetached: 'true'", "yaml", read_sample)
    assert [problem.hint for problem in refused.value.problems] == ["remove the quotes", "remove the quotes"]


def test_json_has_types_of_its_own() -> None:
    good = b'{"name": "a", "env": {"A": "1"}, "priority": 5, "detached": true, "tags": ["x"]}'
    assert read(good, "json", read_sample) == Sample(name="a", env={"A": "1"}, priority=5, detached=True, tags=("x",))
    bad = b'{"name": 1, "env": {"A": 1}, "priority": true, "detached": 1, "tags": [null]}'
    with pytest.raises(Invalid) as refused:
        read(bad, "json", read_sample)
    assert [(problem.path, problem.code) for problem in refused.value.problems] == [
        ("name", "type"),
        ("env.A", "type"),
        ("priority", "type"),
        ("detached", "type"),
        ("tags[0]", "type"),
    ]


def test_null_is_not_given_in_both_forms() -> None:
    assert read(b"{name: , env: ~, priority: null, tags: }", "yaml", read_sample) == Sample()
    assert read(b'{"name": null, "env": null, "priority": null, "tags": null}', "json", read_sample) == Sample()


def test_a_type_without_a_reader_is_a_mistake_of_ours() -> None:
    class Odd(msgspec.Struct):
        value: bytes

    with pytest.raises(TypeError, match="no reader"):
        reader(Odd)


def test_aliases_stand_for_what_they_name() -> None:
    job = read_job(b"name: &x n\ntags: &t [a, *x]\ntasks: [{name: *x, image: a, cmd: *t, env: {*x : 1}}]", "yaml")
    assert (job.tags, job.tasks[0].cmd, job.tasks[0].env) == (("a", "n"), ("a", "n"), {"n": "1"})


def test_an_anchor_may_be_given_again() -> None:
    assert read_job(b"name: &x n\ndescription: &x d\ntasks: [{name: *x, image: a}]", "yaml").tasks[0].name == "d"


def test_a_mapping_may_take_over_others() -> None:
    document = (
        "name: n\ntasks:\n  - &a {name: t, image: a, env: &e {A: 1, B: 1}}\n"
        "  - {<<: [{queue: first}, {queue: second, var: v}, *a], name: u, env: {B: 2, <<: *e}}\n"
    )
    taken = read_job(document.encode(), "yaml").tasks[1]
    assert taken == TaskDefinition(name="u", image="a", queue="first", var="v", env={"A": "1", "B": "2"})


def test_in_quotes_and_in_json_a_merge_key_is_a_name() -> None:
    assert task("    env: {'<<': a}\n").env == {"<<": "a"}
    body = b'{"name": "n", "tasks": [{"name": "t", "image": "a", "env": {"<<": "a"}}]}'
    assert read_job(body, "json").tasks[0].env == {"<<": "a"}


def test_texts_are_kept_as_written() -> None:
    written = "    env: {A: NO, B: 0777, C: 1:30, D: 2024-01-01, E: 1e3, F: .nan, G: , H: ~, I: '~', 1: true, ~x: y}\n"
    assert task(written).env == {
        "A": "NO", "B": "0777", "C": "1:30", "D": "2024-01-01", "E": "1e3", "F": ".nan", "G": "", "H": "", "I": "~",
        "1": "true", "~x": "y",
    }  # fmt: skip
