"""The rules of a job that need more than one field of it, or the whole job."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from domain.checks import evaluated_problem, problems
from domain.definition import JobDefinition, TaskDefinition

RUN = {"name": "t", "image": "a"}
Found = list[tuple[tuple[str | int, ...], str]]


def job(**fields: Any) -> JobDefinition:
    return msgspec.convert({"name": "n", "tasks": [RUN]} | fields, JobDefinition)


def found(*, images: bool = True, **fields: Any) -> Found:
    """Return the places and codes of what is wrong with a job of these fields."""
    return [(place, problem.code) for place, problem in problems(job(**fields), images=images)]


def found_in(task: dict[str, Any]) -> Found:
    """Return what is wrong with a task, by places within it."""
    return [(place[2:], code) for place, code in found(tasks=[RUN | task])]


def test_a_simple_job_is_good() -> None:
    assert found() == []


def test_whoever_runs_a_container_needs_an_image() -> None:
    tasks: list[dict[str, Any]] = [
        {"name": "t", "post": [{"name": "p"}]},
        {"name": "t", "parallel": {"tasks": [{"name": "t"}]}},
        {"name": "t", "each": {"list": "[]", "task": {"name": "t", "sidecars": [{"name": "s"}]}}},
        {"name": "t", "subjob": {"name": "s", "tasks": [{"name": "t"}]}},
    ]
    places = [
        ("tasks", 0, "image"),
        ("tasks", 0, "post", 0, "image"),
        ("tasks", 1, "parallel", "tasks", 0, "image"),
        ("tasks", 2, "each", "task", "image"),
        ("tasks", 2, "each", "task", "sidecars", 0, "image"),
        ("tasks", 3, "subjob", "tasks", 0, "image"),
    ]
    assert found(tasks=tasks) == [(place, "required") for place in places]
    assert found(tasks=tasks, images=False) == []


COMPOSITES: dict[str, dict[str, Any]] = {
    "parallel": {"tasks": [RUN]},
    "each": {"list": "[1]", "task": RUN},
    "subjob": {"name": "s", "tasks": [RUN]},
}
OF_CONTAINERS: dict[str, Any] = {
    "image": "a",
    "cmd": ["a"],
    "entrypoint": ["a"],
    "run": "a",
    "env": {"A": "b"},
    "files": {"a": "b"},
    "registry": {"username": "a"},
    "queue": "a",
    "pre": [RUN],
    "post": [RUN],
    "sidecars": [RUN],
    "mounts": [{"type": "volume", "target": "/a"}],
    "networks": ["a"],
    "retry": {"limit": 1},
    "limits": {"cpus": "1"},
    "timeout": "1s",
    "gpus": "all",
    "workdir": "/a",
    "priority": 0,
}
OF_ALL: dict[str, Any] = {"description": "a", "tags": ["a"], "if": "true", "var": "a"}


def test_every_field_of_a_task_is_for_containers_or_for_all_or_makes_a_composite() -> None:
    fields = {field.encode_name for field in msgspec.structs.fields(TaskDefinition)}
    assert fields == {"name", *OF_CONTAINERS, *OF_ALL, *COMPOSITES}


@pytest.mark.parametrize("kind", COMPOSITES)
@pytest.mark.parametrize("name", OF_CONTAINERS)
def test_a_composite_task_has_nothing_that_only_a_container_can_use(kind: str, name: str) -> None:
    tasks = [{"name": "t", kind: COMPOSITES[kind], name: OF_CONTAINERS[name]}]
    assert found(tasks=tasks) == [(("tasks", 0, name), "composite")]


@pytest.mark.parametrize("kind", COMPOSITES)
def test_a_composite_task_has_what_every_task_can_have(kind: str) -> None:
    assert found(tasks=[{"name": "t", kind: COMPOSITES[kind]} | OF_ALL]) == []


def test_a_composite_task_is_of_one_kind() -> None:
    assert found(tasks=[{"name": "t"} | COMPOSITES]) == [
        (("tasks", 0, "each"), "composite"),
        (("tasks", 0, "subjob"), "composite"),
    ]


def nested(depth: int) -> dict[str, Any]:
    task: dict[str, Any] = RUN
    for level in range(depth):
        inside = {"parallel": {"tasks": [task]}}, {"each": {"list": "[1]", "task": task}}
        task = {"name": "t", **inside[level % 2]}
    return task


def test_composite_tasks_may_be_eight_deep() -> None:
    assert found(tasks=[nested(8)]) == []
    ((place, code),) = found(tasks=[nested(9)])
    assert (len(place), code) == (2 + 8 * 3 - 4, "too_deep")


def test_all_tasks_of_a_job_are_counted_together() -> None:
    wide = {"name": "t", "parallel": {"tasks": [RUN] * 499}}
    sub = {"name": "t", "subjob": {"name": "s", "tasks": [RUN] * 498}}
    assert found(tasks=[RUN, wide, sub]) == []
    assert found(tasks=[RUN, RUN, wide, sub]) == [(("tasks",), "too_many")]


RETRIES: list[tuple[dict[str, Any], Found]] = [
    ({"limit": 1}, []),
    ({"limit": 1, "delay": "1s", "backoff": 2, "maxDelay": "1s"}, []),
    ({"limit": 1, "delay": "2s", "maxDelay": "1s"}, [(("maxDelay",), "range")]),
    ({"limit": 1, "backoff": 2}, [(("delay",), "required")]),
    ({"limit": 1, "maxDelay": "1s"}, [(("delay",), "required")]),
    ({"limit": 1, "delay": "soon", "maxDelay": "later"}, []),
]


@pytest.mark.parametrize(("retry", "wrong"), RETRIES)
def test_the_waits_between_tries_agree(retry: dict[str, Any], wrong: Found) -> None:
    assert found_in({"retry": retry}) == [(("retry", *place), code) for place, code in wrong]
    assert found(defaults={"retry": retry}) == [(("defaults", "retry", *place), code) for place, code in wrong]


MOUNTS: list[tuple[dict[str, Any], str]] = [
    ({"type": "volume", "target": "/a"}, ""),
    ({"type": "volume", "target": "/a", "source": "/b"}, "source"),
    ({"type": "volume"}, "target"),
    ({"type": "bind", "target": "/a", "source": "/b"}, ""),
    ({"type": "bind", "target": "/a"}, "source"),
    ({"type": "tmpfs", "target": "/dev/shm"}, ""),  # noqa: S108
    ({"type": "tmpfs", "target": "/a", "source": "/b"}, "source"),
    ({"type": "volume", "target": "/"}, "target"),
    ({"type": "volume", "target": "//."}, "target"),
    ({"type": "volume", "target": "/tork"}, "target"),
    ({"type": "volume", "target": "/tork/workdir"}, "target"),
    ({"type": "volume", "target": "//proc/1"}, "target"),
    ({"type": "volume", "target": "/torks"}, ""),
    ({"type": "volume", "target": "/sys/fs"}, "target"),
    ({"type": "volume", "target": "/dev/"}, "target"),
    ({"type": "npipe", "target": "/a", "source": "/b", "opts": {"x": "y"}}, ""),
]
OPTIONS: list[tuple[str, dict[str, str], str]] = [
    ("volume", {"type": "tmpfs", "device": "tmpfs", "o": "size=100m,uid=1000"}, ""),
    ("volume", {"type": "nfs", "device": ":/path", "o": "addr=10.0.0.1,rw"}, ""),
    ("volume", {"type": "cifs", "device": "//host/share", "o": "ro"}, ""),
    ("volume", {"size": "1g"}, ""),
    ("volume", {"type": "cifs", "device": "/dev/sda"}, "device"),
    ("volume", {"type": "none", "o": "size=1", "device": "x"}, "type"),
    ("volume", {"type": "bind", "device": "x"}, "type"),
    ("volume", {"type": "overlay", "device": "overlay", "o": "lowerdir=/"}, "type"),
    ("volume", {"type": "ext4", "device": "x"}, "type"),
    ("volume", {"device": "x"}, "type"),
    ("volume", {"type": "nfs", "device": "/dev/sda"}, "device"),
    ("volume", {"type": "nfs", "device": "x", "o": "rw,RBIND"}, "o"),
    ("volume", {"type": "tmpfs", "device": "x", "mountpoint": "/"}, "mountpoint"),
    ("tmpfs", {"size": "64k", "mode": "1777"}, ""),
    ("tmpfs", {"mode": "0700"}, ""),
    ("tmpfs", {"size": "much"}, "size"),
    ("tmpfs", {"mode": "01777"}, "mode"),
    ("tmpfs", {"ro": "maybe"}, "ro"),
    ("tmpfs", {"readonly": "true"}, ""),
    ("tmpfs", {"mode": "rwx"}, "mode"),
    ("tmpfs", {"uid": "0"}, "uid"),
    ("bind", {"readonly": "true", "propagation": "rslave"}, ""),
    ("bind", {"ro": "false"}, ""),
    ("bind", {"ro": "yes"}, "ro"),
    ("bind", {"readonly": ""}, ""),
    ("bind", {"readonly": "TRUE"}, ""),
    ("bind", {"propagation": "rshared"}, "propagation"),
    ("bind", {"propagation": "all"}, "propagation"),
    ("bind", {"consistency": "cached"}, "consistency"),
]


@pytest.mark.parametrize(("mount", "wrong"), MOUNTS)
def test_a_mount_has_what_its_type_needs(mount: dict[str, Any], wrong: str) -> None:
    assert found_in({"mounts": [mount]}) == ([(("mounts", 0, wrong), "mount")] if wrong else [])


@pytest.mark.parametrize(("kind", "opts", "wrong"), OPTIONS)
def test_a_mount_has_the_options_of_its_type(kind: str, opts: dict[str, str], wrong: str) -> None:
    mount = {"type": kind, "target": "/a", "opts": opts} | ({"source": "/b"} if kind == "bind" else {})
    assert found_in({"mounts": [mount]}) == ([(("mounts", 0, "opts", wrong), "mount")] if wrong else [])


def test_nothing_is_mounted_over_something_else() -> None:
    mounts = [{"type": "volume", "target": target} for target in ("/a", "/b", "//a/./", "/a/b")]
    assert found_in({"mounts": mounts}) == [(("mounts", 2, "target"), "mount")]


def test_a_file_is_no_folder() -> None:
    files = {"a/b/c": "", "a": "", "a/b": "", "ab/c": ""}
    wrong = [(("files", "a/b/c"), "file_name"), (("files", "a/b"), "file_name")]
    assert found_in({"files": files}) == wrong
    assert found_in({"pre": [RUN | {"files": files}]}) == [(("pre", 0, *place), code) for place, code in wrong]


def test_files_may_be_a_megabyte_together() -> None:
    assert found_in({"files": {"a": "é" * 300_000, "b": "a" * 448_576}}) == []
    assert found_in({"files": {"a": "é" * 300_000, "b": "a" * 448_577}}) == [(("files",), "too_long")]


BAD = "{{ nosuch }}"
EVALUATED: list[tuple[dict[str, Any], tuple[str | int, ...]]] = [
    ({"name": BAD}, ("name",)),
    ({"var": BAD}, ("var",)),
    ({"image": BAD}, ("image",)),
    ({"queue": BAD}, ("queue",)),
    ({"env": {"A": BAD}}, ("env", "A")),
    ({"if": "nosuch"}, ("if",)),
    ({"cmd": ["a", BAD]}, ("cmd", 1)),
    ({"registry": {"username": BAD}}, ("registry", "username")),
    ({"registry": {"password": BAD}}, ("registry", "password")),
    *[
        ({where: [RUN | field]}, (where, 0, *place))
        for where in ("pre", "post", "sidecars")
        for field, place in [
            ({"name": BAD}, ("name",)),
            ({"image": BAD}, ("image",)),
            ({"env": {"A": BAD}}, ("env", "A")),
            ({"cmd": [BAD]}, ("cmd", 0)),
            ({"registry": {"password": BAD}}, ("registry", "password")),
        ]
    ],
]
NOT_EVALUATED: list[dict[str, Any]] = [
    {"run": BAD},
    {"entrypoint": [BAD]},
    {"files": {"a": BAD}},
    {"description": BAD},
    {"tags": [BAD]},
    {"env": {BAD: "a"}},
]


@pytest.mark.parametrize(("task", "place"), EVALUATED)
def test_an_expression_knows_its_names_wherever_it_is_evaluated(
    task: dict[str, Any], place: tuple[str | int, ...]
) -> None:
    assert found_in(task) == [(place, "expression")]


@pytest.mark.parametrize("task", NOT_EVALUATED)
def test_an_expression_is_text_wherever_it_is_not_evaluated(task: dict[str, Any]) -> None:
    assert found_in(task) == []


OF_JOBS: list[tuple[dict[str, Any], tuple[str | int, ...]]] = [
    ({"output": BAD}, ("output",)),
    ({"webhooks": [{"url": BAD}]}, ("webhooks", 0, "url")),
    ({"webhooks": [{"url": "http://a", "headers": {"A": BAD}}]}, ("webhooks", 0, "headers", "A")),
    ({"webhooks": [{"url": "http://a", "secret": BAD}]}, ("webhooks", 0, "secret")),
    ({"webhooks": [{"url": "http://a", "if": BAD}]}, ("webhooks", 0, "if")),
    ({"webhooks": [{"url": "http://a", "if": "{{ task.State }}"}]}, ("webhooks", 0, "if")),
    ({"webhooks": [{"url": "http://a", "if": "{{ inputs.x }}"}]}, ("webhooks", 0, "if")),
]


@pytest.mark.parametrize(("fields", "place"), OF_JOBS)
def test_so_does_an_expression_of_the_job_itself(fields: dict[str, Any], place: tuple[str | int, ...]) -> None:
    assert found(**fields) == [(place, "expression")]


def test_a_condition_of_a_webhook_speaks_of_what_it_is_told() -> None:
    state = {"url": "http://a", "if": "{{ job.State == 'FAILED' }}"}
    task = {"url": "http://a", "event": "task.Progress", "if": "{{ job.ID != '' && task.State == 'RUNNING' }}"}
    assert found(webhooks=[state, task]) == []


SECRET = "{{ secrets.a }}"  # noqa: S105
FOR_SECRETS: list[dict[str, Any]] = [
    {"env": {"A": SECRET}},
    {"registry": {"username": SECRET, "password": SECRET}},
    {"pre": [RUN | {"env": {"A": SECRET}}]},
    {"sidecars": [RUN | {"registry": {"password": SECRET}}]},
]
NOT_FOR_SECRETS: list[dict[str, Any]] = [
    {"name": SECRET},
    {"var": SECRET},
    {"image": SECRET},
    {"queue": SECRET},
    {"cmd": [SECRET]},
    {"if": SECRET},
    {"post": [RUN | {"cmd": [SECRET]}]},
]


@pytest.mark.parametrize("task", FOR_SECRETS)
def test_secrets_are_for_where_nobody_sees_them(task: dict[str, Any]) -> None:
    assert found_in(task) == []


@pytest.mark.parametrize("task", NOT_FOR_SECRETS)
def test_secrets_are_not_for_where_they_would_be_seen(task: dict[str, Any]) -> None:
    assert [code for _, code in found_in(task)] == ["expression"]


def test_secrets_are_not_for_lists_and_results() -> None:
    tasks = [{"name": "t", "each": {"list": SECRET, "task": RUN}}]
    subjob = {"name": "s", "tasks": [RUN], "inputs": {"a": SECRET}, "output": SECRET, "secrets": {"a": SECRET}}
    assert found(tasks=[*tasks, {"name": "t", "subjob": subjob}], output=SECRET) == [
        (("output",), "expression"),
        (("tasks", 0, "each", "list"), "expression"),
        (("tasks", 1, "subjob", "inputs", "a"), "expression"),
        (("tasks", 1, "subjob", "output"), "expression"),
    ]


def test_a_task_of_a_loop_sees_the_items_of_all_loops_around_it() -> None:
    inner = {"name": "t", "image": "a", "cmd": ["{{ row.value }}{{ item.index }}{{ inputs.x }}"]}
    loops = {"list": "{{ row.value }}", "task": inner}
    outer = {"name": "{{ job.id }}", "each": {"list": "[1]", "var": "row", "task": {"name": "t", "each": loops}}}
    assert found(tasks=[outer]) == []


def test_a_loop_itself_does_not_see_its_item() -> None:
    loop = {"name": "{{ item.value }}", "each": {"list": "{{ item.value }}", "task": RUN}}
    assert [place[2:] for place, _ in found(tasks=[loop])] == [("name",), ("each", "list")]


def test_a_new_job_sees_nothing_of_what_is_around_it() -> None:
    subjob = {"name": "{{ item.value }}", "tasks": [RUN | {"cmd": ["{{ item.value }}"]}], "output": "{{ item.value }}"}
    loop = {"list": "[1]", "task": {"name": "t", "subjob": subjob}}
    assert [place[5:] for place, _ in found(tasks=[{"name": "t", "each": loop}])] == [
        ("output",),
        ("tasks", 0, "cmd", 0),
    ]


def test_a_problem_of_an_expression_has_its_place_in_the_text() -> None:
    ((_, problem),) = problems(job(tasks=[RUN | {"cmd": ["ab\n{{ 1 + nosuch }}"]}]))
    assert (problem.line, problem.column) == (2, 8)


GOOD_TASKS = [{}, {"name": "{{", "queue": "a", "var": "my-var"}, {"pre": [RUN]}, {"image": ""}]
BAD_TASKS: list[tuple[dict[str, Any], str, str]] = [
    ({"name": ""}, "name", "required"),
    ({"name": "a" * 257}, "name", "too_long"),
    ({"name": "a\nb"}, "name", "control_character"),
    ({"image": "{{ x }}"}, "image", "image"),
    ({"image": "A"}, "image", "image"),
    ({"queue": "x-a"}, "queue", "queue"),
    ({"var": "a b"}, "var", "var"),
    ({"pre": [RUN, RUN | {"image": "A"}]}, "pre[1].image", "image"),
    ({"post": [RUN | {"name": ""}]}, "post[0].name", "required"),
    ({"sidecars": [RUN | {"image": " "}]}, "sidecars[0].image", "image"),
    ({"image": "", "subjob": {"name": "", "tasks": []}}, "subjob.name", "required"),
]


@pytest.mark.parametrize("fields", GOOD_TASKS)
def test_a_task_that_came_of_expressions_may_run(fields: dict[str, Any]) -> None:
    assert evaluated_problem(msgspec.convert(RUN | fields, TaskDefinition)) is None


@pytest.mark.parametrize(("fields", "path", "code"), BAD_TASKS)
def test_a_task_that_came_of_expressions_keeps_the_rules(fields: dict[str, Any], path: str, code: str) -> None:
    problem = evaluated_problem(msgspec.convert(RUN | fields, TaskDefinition))
    assert problem is not None
    assert (problem.path, problem.code) == (path, code)
