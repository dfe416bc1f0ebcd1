"""Job files: what they mean, and how every problem of one is told at once with its place."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import msgspec
import pytest

from app.documents import Form, read, read_job, reader
from domain.definition import JobDefinition, TaskDefinition
from domain.errors import Invalid, Problem

ROOT = Path(__file__).parent.parent
TASK = "name: n\ntasks:\n  - name: t\n    image: a\n"


def problems(document: str | bytes, form: Form = "yaml") -> tuple[Problem, ...]:
    body = document.encode() if isinstance(document, str) else document
    with pytest.raises(Invalid) as refused:
        read_job(body, form)
    return refused.value.problems


def task(document: str) -> TaskDefinition:
    """Read a task of which some lines are given."""
    return read_job(f"{TASK}{document}".encode(), "yaml").tasks[0]


# --- scalars are read by the type that is wanted ---------------------------------------------------------------------


class Sample(msgspec.Struct, kw_only=True):
    """The type that the Go program read."""

    name: str = ""
    env: dict[str, str] = {}
    priority: int = 0
    detached: bool = False
    tags: tuple[str, ...] = ()


VECTOR = re.compile(r'^("(?:[^"\\]|\\.)*") +\{Name:(.*?) Env:map\[(.*?)\] Prio:(.*?) Det:(.*?) Tags:\[(.*?)\]\} \| (.*)$', re.M)
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
        assert msgspec.structs.asdict(read(document.encode(), "yaml", read_sample)) == made


@pytest.mark.parametrize(
    ("value", "number"),
    [("0", 0), ("-7", -7), ("+7", 7), ("1_000", 1000), ("100", 100), ("0b101", 5), ("-0x10", -16), ("9007199254740992", 2**53)],
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


# --- every problem at once, each with its place ----------------------------------------------------------------------

MESS = """\
nmae: x
description: [a]
tasks:
  - name: first
    image: UPPER/Case
    timeout: 5
    env: {A=B: x, C: [1], D: "{{ inputs.d }}"}
  - image: busybox
    run: {a: b}
    retry: {limit: 3}
    queue: x-special
    queue: again
  - just text
"""


def test_every_problem_is_told_at_once_with_its_place() -> None:
    found = problems(MESS)
    assert {(each.line, each.column, each.path, each.code) for each in found} == {
        (1, 1, "nmae", "unknown_field"),
        (1, 1, "name", "required"),
        (2, 14, "description", "type"),
        (5, 12, "tasks[0].image", "image"),
        (6, 14, "tasks[0].timeout", "duration"),
        (7, 11, 'tasks[0].env["A=B"]', "env"),
        (7, 22, "tasks[0].env.C", "type"),
        (7, 30, "tasks[0].env.D", "unsupported"),
        (8, 5, "tasks[1].name", "required"),
        (9, 10, "tasks[1].run", "type"),
        (10, 5, "tasks[1].retry", "unsupported"),
        (11, 12, "tasks[1].queue", "queue"),
        (12, 5, "tasks[1].queue", "duplicate_key"),
        (13, 5, "tasks[2]", "type"),
    }
    assert all(each.hint for each in found)


def test_what_is_wrong_comes_before_what_is_missing() -> None:
    first = problems(MESS)[0]
    assert (first.message, first.hint) == ('unknown field "nmae"', 'did you mean "name"?')


def test_the_same_problems_are_found_in_json() -> None:
    body = json.dumps({"nmae": "x", "tasks": [{"name": "t", "image": "A b", "retry": {}}, 7]}, indent=2)
    assert [(each.line, each.column, each.path, each.code) for each in problems(body, "json")] == [
        (2, 3, "nmae", "unknown_field"),
        (6, 16, "tasks[0].image", "image"),
        (7, 7, "tasks[0].retry", "unsupported"),
        (9, 5, "tasks[1]", "type"),
        (1, 1, "name", "required"),
    ]


def test_there_is_an_end_to_the_problems_that_are_told() -> None:
    found = problems("".join(f"x{number}: 1\n" for number in range(500)))
    assert len(found) == 101
    assert found[-1].code == "too_many_problems"


def test_a_value_is_never_repeated_for_it_may_be_secret() -> None:
    found = problems(f"{TASK}    env: {{A: ['hunter2'], B: 'hunter2\\0', C: '{{{{ hunter2 }}}}'}}\n    run: {{hunter2: 1}}\n")
    assert "hunter2" not in str([(each.message, each.hint, each.path) for each in found])


def test_a_name_from_the_document_is_repeated_safely_and_in_short() -> None:
    (found,) = problems(f'{TASK}"\\e{"x" * 1_000}": 1\n')
    assert found.message == f'unknown field "\\u001b{"x" * 39}\\u2026"'
    assert found.path == f'["\\u001b{"x" * 39}\\u2026"]'


@pytest.mark.parametrize("name", ["image", "name"])
def test_null_where_something_is_required_is_pointed_at(name: str) -> None:
    (found,) = problems(f"name: n\ntasks: [{{{name}: ~, {'name' if name == 'image' else 'image'}: a}}]")
    assert (found.path, found.code, found.line, found.column) == (f"tasks[0].{name}", "required", 2, 9 + len(name) + 3)


def test_a_list_with_nothing_in_its_items_is_empty() -> None:
    (found,) = problems("name: n\ntasks:\n  -\n  - ~\n")
    assert (found.path, found.code) == ("tasks", "min")
    (found,) = problems("name: n\ntasks:\n")
    assert (found.path, found.code) == ("tasks", "required")


# --- fields ----------------------------------------------------------------------------------------------------------

LATER_OF_JOBS = "inputs secrets output defaults webhooks permissions autoDelete wait schedule"
LATER_OF_TASKS = (
    "description registry files pre post sidecars mounts networks retry limits if parallel each subjob gpus tags "
    "workdir priority probe"
)


@pytest.mark.parametrize("name", LATER_OF_JOBS.split())
def test_what_jobs_can_have_later_is_refused_by_name(name: str) -> None:
    (found,) = problems(f"{TASK}{name}: {{a: [1]}}\n")
    assert (found.code, found.message) == ("unsupported", f'"{name}" is not supported yet')
    assert (found.path, found.line, found.column) == (name, 5, 1)


@pytest.mark.parametrize("name", LATER_OF_TASKS.split())
def test_what_tasks_can_have_later_is_refused_by_name(name: str) -> None:
    (found,) = problems(f"{TASK}    {name}: {{a: [1]}}\n")
    assert (found.code, found.message) == ("unsupported", f'"{name}" is not supported yet')
    assert (found.path, found.line, found.column) == (f"tasks[0].{name}", 5, 5)


@pytest.mark.parametrize("name", ["parallel", "each", "subjob"])
def test_an_image_is_not_missed_where_other_tasks_are_started(name: str) -> None:
    (found,) = problems(f"name: n\ntasks: [{{name: t, {name}: {{}}}}]")
    assert found.code == "unsupported"


@pytest.mark.parametrize("name", ["privileged", "actor", "id", "state", "createdBy", "<script>", "__class__"])
def test_unknown_fields_are_refused_in_jobs_and_in_tasks(name: str) -> None:
    found = problems(json.dumps({"name": "n", name: 1, "tasks": [{"name": "t", "image": "a", name: 1}]}), "json")
    assert [each.code for each in found] == ["unknown_field", "unknown_field"]
    assert "known are" in found[0].hint


@pytest.mark.parametrize(("slip", "meant"), [("nmae", "name"), ("Image", "image"), ("enviro", "env"), ("retri", "retry")])
def test_a_likely_field_is_suggested(slip: str, meant: str) -> None:
    (found,) = problems(f"{TASK}    {slip}: a\n")
    assert found.hint == f'did you mean "{meant}"?'


@pytest.mark.parametrize("line", ["var: '{{ x }}'", "queue: '{{ x }}'", "env: {A: 'a {{x}} b'}", "cmd: ['{{ x }}']"])
def test_an_expression_is_refused_where_it_would_have_to_be_evaluated(line: str) -> None:
    (found,) = problems(f"{TASK}    {line}\n")
    assert (found.code, found.message) == ("unsupported", "expressions ({{ … }}) are not supported yet")


def test_an_expression_is_text_where_nobody_evaluates_it() -> None:
    assert task("    run: 'echo {{ x }}'\n    entrypoint: ['{{ x }}']\n").run == "echo {{ x }}"
    assert task("    env: {A: '{{', B: '}} {{'}\n").env == {"A": "{{", "B": "}} {{"}


def test_texts_are_kept_as_written() -> None:
    written = "    env: {A: NO, B: 0777, C: 1:30, D: 2024-01-01, E: 1e3, F: .nan, G: , H: ~, I: '~', 1: true, ~x: y}\n"
    assert task(written).env == {
        "A": "NO", "B": "0777", "C": "1:30", "D": "2024-01-01", "E": "1e3", "F": ".nan", "G": "", "H": "", "I": "~",
        "1": "true", "~x": "y",
    }  # fmt: skip


def test_a_dictionary_that_looks_like_a_stored_object_is_data() -> None:
    written = {"_type_": "uuid_hex", "_data_": "y", "__class__": "z"}
    body = json.dumps({"name": "n", "tasks": [{"name": "t", "image": "a", "env": written}]}).encode()
    job = read_job(body, "json")
    assert job.tasks[0].env == written
    assert msgspec.json.decode(msgspec.json.encode(job), type=JobDefinition) == job


def test_a_job_encodes_to_what_was_written() -> None:
    body = b'{"name":"n","description":"d","tags":["a"],"tasks":[{"name":"t","image":"a","cmd":["b"],"timeout":"1h30m"}]}'
    assert msgspec.json.encode(read_job(body, "json")) == body


@pytest.mark.parametrize("path", sorted((ROOT / "examples").glob("*.yaml")), ids=lambda path: path.name)
def test_the_examples_are_good(path: Path) -> None:
    assert read_job(path.read_bytes(), "yaml").tasks


# --- anchors, aliases and merges -------------------------------------------------------------------------------------


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
