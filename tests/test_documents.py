"""Job files: what is accepted, and how every problem of one is told at once, with its place and a hint."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest

from app.documents import Form, read_job
from domain.definition import JobDefinition, TaskDefinition
from domain.errors import Invalid, Problem

ROOT = Path(__file__).parent.parent
TASK = "name: n\ntasks:\n  - name: t\n    image: a\n"


def problems(document: str, form: Form = "yaml") -> tuple[Problem, ...]:
    with pytest.raises(Invalid) as refused:
        read_job(document.encode(), form)
    return refused.value.problems


def task(document: str) -> TaskDefinition:
    """Read a task of which some lines are given."""
    return read_job(f"{TASK}{document}".encode(), "yaml").tasks[0]


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
    found = problems(
        f"{TASK}    env: {{A: ['hunter2'], B: 'hunter2\\0', C: '{{{{ hunter2 }}}}'}}\n    run: {{hunter2: 1}}\n"
    )
    assert "hunter2" not in str([(each.message, each.hint, each.path) for each in found])


def test_a_name_from_the_document_is_repeated_safely_and_in_short() -> None:
    (found,) = problems(f'{TASK}"\\e{"x" * 1_000}": 1\n')
    assert found.message == f'unknown field "\\u001b{"x" * 39}\\u2026"'
    assert found.path == f'["\\u001b{"x" * 39}\\u2026"]'


@pytest.mark.parametrize("name", ["image", "name"])
def test_null_where_something_is_required_is_pointed_at(name: str) -> None:
    (found,) = problems(f"name: n\ntasks: [{{{name}: ~, {'name' if name == 'image' else 'image'}: a}}]")
    assert (found.path, found.code, found.line, found.column) == (f"tasks[0].{name}", "required", 2, 9 + len(name) + 3)


def test_keys_that_can_not_be_keys_are_no_duplicates() -> None:
    assert [each.code for each in problems("'': 1\n~: 2\nnull: 3\n")].count("duplicate_key") == 0


def test_a_list_with_nothing_in_its_items_is_empty() -> None:
    (found,) = problems("name: n\ntasks:\n  -\n  - ~\n")
    assert (found.path, found.code) == ("tasks", "min")
    (found,) = problems("name: n\ntasks:\n")
    assert (found.path, found.code) == ("tasks", "required")


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


@pytest.mark.parametrize(
    ("slip", "meant"), [("nmae", "name"), ("Image", "image"), ("imge", "image"), ("retri", "retry")]
)
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


def test_a_dictionary_that_looks_like_a_stored_object_is_data() -> None:
    written = {"_type_": "uuid_hex", "_data_": "y", "__class__": "z"}
    body = json.dumps({"name": "n", "tasks": [{"name": "t", "image": "a", "env": written}]}).encode()
    job = read_job(body, "json")
    assert job.tasks[0].env == written
    assert msgspec.json.decode(msgspec.json.encode(job), type=JobDefinition) == job


def test_a_job_encodes_to_what_was_written() -> None:
    body = (
        b'{"name":"n","description":"d","tags":["a"],"tasks":[{"name":"t","image":"a","cmd":["b"],"timeout":"1h30m"}]}'
    )
    assert msgspec.json.encode(read_job(body, "json")) == body


@pytest.mark.parametrize("path", sorted((ROOT / "examples").glob("*.yaml")), ids=lambda path: path.name)
def test_the_examples_are_good(path: Path) -> None:
    assert read_job(path.read_bytes(), "yaml").tasks
