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
    env: {A=B: x, C: [1], D: "{{ input.d }}"}
    retry: {limit: 30, initialDelay: 1s}
  - image: busybox
    run: {a: b}
    queue: x-special
    queue: again
    priority: high
  - name: many
    image: left here
    each: {list: "[1]", task: {name: one}}
webhooks:
  - {url: ftp://x, headers: {Host: a}, if: "{{ task.State }}"}
schedule: {cron: "* * * * *"}
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
        (7, 34, "tasks[0].env.D", "expression"),
        (8, 20, "tasks[0].retry.limit", "range"),
        (8, 24, "tasks[0].retry.initialDelay", "unknown_field"),
        (9, 5, "tasks[1].name", "required"),
        (10, 10, "tasks[1].run", "type"),
        (11, 12, "tasks[1].queue", "queue"),
        (12, 5, "tasks[1].queue", "duplicate_key"),
        (13, 15, "tasks[1].priority", "type"),
        (15, 12, "tasks[2].image", "image"),
        (15, 12, "tasks[2].image", "composite"),
        (16, 31, "tasks[2].each.task.image", "required"),
        (18, 11, "webhooks[0].url", "url"),
        (18, 30, "webhooks[0].headers.Host", "header"),
        (18, 48, "webhooks[0].if", "expression"),
        (19, 1, "schedule", "unsupported"),
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
        (9, 5, "tasks[1]", "type"),
        (1, 1, "name", "required"),
        (7, 16, "tasks[0].retry.limit", "required"),
    ]


def test_there_is_an_end_to_the_problems_that_are_told() -> None:
    found = problems("".join(f"x{number}: 1\n" for number in range(500)))
    assert len(found) == 101
    assert found[-1].code == "too_many_problems"


SECRETIVE = r"""
name: n
tasks:
  - name: t
    image: {hunter2: 1}
    env: {A: ['hunter2'], B: "hunter2\0"}
    run: {hunter2: 1}
    mounts: [{type: hunter2, source: hunter2, target: hunter2, opts: {ro: hunter2}}]
    registry: {password: [hunter2]}
    gpus: hunter2,
    limits: {cpus: hunter2, memory: hunter2}
    workdir: hunter2
    networks: [hunter2/]
secrets: {a: [hunter2], b: "hunter2\0"}
webhooks: [{url: 'http://u:hunter2@h', headers: {A: "hunter2\0"}, event: hunter2}]
"""


def test_a_value_is_never_repeated_for_it_may_be_secret() -> None:
    found = problems(SECRETIVE)
    assert len(found) == 18
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


def test_what_is_missing_in_a_part_is_pointed_at_there() -> None:
    found = problems("name: n\ntasks:\n  - name: t\n    each: {}\n  - name: u\n    mounts: [{}]\n    image: a\n")
    assert [(each.path, each.code, each.line, each.column) for each in found] == [
        ("tasks[0].each.list", "required", 4, 11),
        ("tasks[0].each.task", "required", 4, 11),
        ("tasks[1].mounts[0].type", "required", 6, 14),
    ]


def test_a_list_with_nothing_in_its_items_is_empty() -> None:
    (found,) = problems("name: n\ntasks:\n  -\n  - ~\n")
    assert (found.path, found.code) == ("tasks", "min")
    (found,) = problems("name: n\ntasks:\n")
    assert (found.path, found.code) == ("tasks", "required")


@pytest.mark.parametrize("name", ["permissions", "schedule"])
def test_what_jobs_can_have_later_is_refused_by_name(name: str) -> None:
    (found,) = problems(f"{TASK}{name}: {{a: [1]}}\n")
    assert (found.code, found.message) == ("unsupported", f'"{name}" is not supported yet')
    assert (found.path, found.line, found.column) == (name, 5, 1)


@pytest.mark.parametrize(
    "composite", ["parallel: {tasks: [{name: a, image: b}]}", "each: {list: '[1]', task: {name: a, image: b}}"]
)
def test_an_image_is_not_missed_where_other_tasks_are_started(composite: str) -> None:
    assert read_job(f"name: n\ntasks: [{{name: t, {composite}}}]".encode(), "yaml").tasks


def test_an_image_is_not_missed_where_no_containers_are_used() -> None:
    body = b"name: n\ntasks: [{name: t, run: date, pre: [{name: p, run: date}]}]"
    assert read_job(body, "yaml", images=False).tasks[0].pre
    assert [each.path for each in problems(body.decode())] == ["tasks[0].image", "tasks[0].pre[0].image"]


@pytest.mark.parametrize("name", ["privileged", "actor", "id", "state", "createdBy", "<script>", "__class__"])
def test_unknown_fields_are_refused_in_jobs_and_in_tasks(name: str) -> None:
    found = problems(json.dumps({"name": "n", name: 1, "tasks": [{"name": "t", "image": "a", name: 1}]}), "json")
    assert [each.code for each in found] == ["unknown_field", "unknown_field"]
    assert "known are" in found[0].hint


@pytest.mark.parametrize(
    ("slip", "meant"),
    [("nmae", "name"), ("Image", "image"), ("imge", "image"), ("retri", "retry"), ("mount", "mounts")],
)
def test_a_likely_field_is_suggested(slip: str, meant: str) -> None:
    (found,) = problems(f"{TASK}    {slip}: a\n")
    assert found.hint == f'did you mean "{meant}"?'


@pytest.mark.parametrize(
    ("lines", "path", "hint"),
    [
        ("    retry: {limit: 1, initialDelay: 1s}", "tasks[0].retry.initialDelay", "write delay"),
        ("    retry: {limit: 1, scalingFactor: 2}", "tasks[0].retry.scalingFactor", "write backoff"),
        ("    limits: {cpu: 1}", "tasks[0].limits.cpu", "write cpus"),
        ("    limits: {mem: 1g}", "tasks[0].limits.mem", "write memory"),
        ("    cpus: 1", "tasks[0].cpus", "write limits: {cpus: 1}"),
        ("    always: true", "tasks[0].always", "it is for tasks in post"),
        ("    pre: [{name: p, image: a, always: true}]", "tasks[0].pre[0].always", "it is for tasks in post"),
        (
            "    pre: [{name: p, image: a, mounts: []}]",
            "tasks[0].pre[0].mounts",
            "write it into the task around this one",
        ),
        ("defaults: {limits: {cpu: 1}}", "defaults.limits.cpu", "write cpus"),
    ],
)
def test_who_writes_a_field_of_another_name_is_told_the_right_one(lines: str, path: str, hint: str) -> None:
    (found,) = problems(f"{TASK}{lines}\n")
    assert (found.code, found.path, found.hint) == ("unknown_field", path, hint)


def test_an_expression_is_text_where_nobody_evaluates_it() -> None:
    written = (
        "    run: 'echo {{ x }}'\n    entrypoint: ['{{ x }}']\n    files: {a: '{{ x'}\n    description: '{{ x }}'\n"
    )
    assert task(written).run == "echo {{ x }}"
    assert task("    env: {A: '{{', B: '}} {{'}\n").env == {"A": "{{", "B": "}} {{"}


WRONG = [
    ("    env: {A: 'a {{ nosuch }}'}", (5, 20)),
    ('    env: {A: "a {{ nosuch }}"}', (5, 20)),
    ("    queue: a-{{ nosuch }}", (5, 17)),
    ("    queue: a-{{ inputs.x }}-{{ nosuch }}", (5, 32)),
    ("    cmd:\n      - '{{ nosuch }}'", (6, 13)),
    ("    cmd:\n      - |\n        first\n        then {{ nosuch }}", (8, 17)),
    ("    if: nosuch == 1", (5, 9)),
    ("    cmd: [{A: b}, '{{ nosuch }}']", (5, 23)),
    ("    cmd: [~, '{{ nosuch }}']", (5, 18)),
]
"""Lines, and where in them there is a name that does not exist."""
ELSEWHERE = [
    ('    env: {A: "a\\t{{ nosuch }}"}', (5, 14)),
    ("    env: {A: 'it''s {{ nosuch }}'}", (5, 14)),
    ("    cmd:\n      - >\n        first\n        then {{ nosuch }}", (6, 9)),
]
"""The same where the source does not read as the text does: the place is the beginning of the value."""


@pytest.mark.parametrize(("lines", "place"), WRONG + ELSEWHERE)
def test_a_wrong_expression_is_pointed_at(lines: str, place: tuple[int, int]) -> None:
    found = [each for each in problems(f"{TASK}{lines}\n") if each.code == "expression"]
    assert [(each.line, each.column) for each in found] == [place]
    assert "nosuch" in found[0].message


def test_where_no_text_stands_no_expression_is_judged() -> None:
    loop = "name: n\ntasks:\n  - {name: t, each: {list: [1, 2], task: {name: u, image: a}}}\n"
    ((path, message),) = [(each.path, each.message) for each in problems(loop)]
    assert (path, message) == ("tasks[0].each.list", "expected text, got a list")


def test_all_wrong_expressions_of_a_text_are_told() -> None:
    assert len(problems(f"{TASK}    cmd: ['{{{{ one }}}} {{{{ two }}}}']\n")) == 2


@pytest.mark.parametrize("form", ["yaml", "json"])
@pytest.mark.parametrize("number", ["5.0", "1.5e0"])
def test_a_fraction_is_no_whole_number_and_is_called_one(number: str, form: Form) -> None:
    (problem,) = problems(f'{{"name": "n", "tasks": [{{"name": "t", "image": "a", "priority": {number}}}]}}', form)
    assert (problem.path, problem.code) == ("tasks[0].priority", "type")
    assert problem.message == "expected a whole number, got a number with a fraction"


@pytest.mark.parametrize("block", ["|\n      a name\n\n", ">\n      a\n      name\n", '"a name\\r\\n"\n'])
def test_a_name_has_no_line_break_at_its_end(block: str) -> None:
    tail = '    image: a\n    pre: [{name: "p\\n", image: a}]\n'
    made = read_job(f"name: {block}tasks:\n  - name: {block}{tail}".encode(), "yaml")
    assert (made.name, made.tasks[0].name, made.tasks[0].pre[0].name) == ("a name", "a name", "p")


def test_a_wrong_expression_is_pointed_at_in_json() -> None:
    body = json.dumps({"name": "n", "tasks": [{"name": "t", "image": "a", "cmd": ["{{ nosuch }}", "\n{{ nosuch }}"]}]})
    first, second = problems(body, "json")
    assert [(each.path, body[each.column - 1 :][:6]) for each in (first, second)] == [
        ("tasks[0].cmd[0]", "nosuch"),
        ("tasks[0].cmd[1]", '"\\n{{ '),
    ]
    assert second.message.endswith("(line 2 of the text)")


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
    assert read_job(path.read_bytes(), "yaml", images="process" not in path.name).tasks
