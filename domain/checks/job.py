"""The rules of a whole job: where an image is needed, what composite tasks can not have, how much there may be."""

from __future__ import annotations

from typing import NamedTuple

from domain.checks import expressions, parts
from domain.checks.expressions import IN_JOB, Names
from domain.checks.found import Found, Place
from domain.definition import COMPOSITE, AuxiliaryTask, Each, JobDefinition, Subjob, TaskDefinition
from domain.errors import Problem
from domain.fields import MOST_TASKS

DEEPEST = 8
"""Composite tasks inside one another."""
ITEM = "item"
"""The name of a loop's item, unless the loop gives it another."""
OF_CONTAINERS = (
    *("image", "cmd", "entrypoint", "run", "env", "files", "registry", "queue", "pre", "post", "sidecars", "mounts"),
    *("networks", "retry", "limits", "timeout", "gpus", "workdir"),
)
"""Fields that mean something only where a container runs."""


class Around(NamedTuple):
    """What the tasks around a task make of it."""

    names: Names = IN_JOB
    """What its expressions can speak of."""
    depth: int = 0
    images: bool = True
    """Whether containers need an image."""


def problems(job: JobDefinition, *, images: bool = True) -> Found:
    """Find what is wrong with a job of which each field is right by itself.

    Texts may also be wrong: what has been said of a field alone is not said again.
    """
    if job.defaults is not None and job.defaults.retry is not None:
        yield from parts.of_retry(job.defaults.retry, ("defaults", "retry"))
    if job.output or job.webhooks:
        yield from expressions.of_job(job)
    count, around = len(job.tasks), Around(images=images)
    for index, task in enumerate(job.tasks):
        if not (_is_simple(task) and (task.image or not images)):
            count += _size(_inside(task))
            yield from _task(task, ("tasks", index), around)
    if count > MOST_TASKS:
        hint = f"use at most {MOST_TASKS:,}, those inside others included"
        yield ("tasks",), Problem(f"{count:,} tasks in all are too many", "too_many", hint=hint)


def _is_simple(task: TaskDefinition) -> bool:
    """Tell whether a task has nothing that has to be looked at, as most have not: this is to be fast."""
    return not (
        task.parallel
        or task.each
        or task.subjob
        or task.condition
        or task.var
        or task.registry
        or task.retry
        or task.files
        or task.mounts
        or task.pre
        or task.post
        or task.sidecars
        or "{{" in task.name
        or "{{" in task.image
        or "{{" in task.queue
        or (task.env and any("{{" in value for value in task.env.values()))
        or (task.cmd and any("{{" in word for word in task.cmd))
    )


def _size(tasks: tuple[TaskDefinition, ...]) -> int:
    return len(tasks) + sum(_size(_inside(task)) for task in tasks)


def _inside(task: TaskDefinition) -> tuple[TaskDefinition, ...]:
    inside: tuple[TaskDefinition, ...] = ()
    if task.parallel is not None:
        inside += task.parallel.tasks
    if task.each is not None:
        inside += (task.each.task,)
    if task.subjob is not None:
        inside += task.subjob.tasks
    return inside


def _tasks(tasks: tuple[TaskDefinition, ...], place: Place, around: Around) -> Found:
    for index, task in enumerate(tasks):
        yield from _task(task, (*place, index), around)


def _task(task: TaskDefinition, place: Place, around: Around) -> Found:
    if "{{" in task.name or task.var or task.condition:
        yield from expressions.of_task(task, place, around.names)
    if task.parallel is None and task.each is None and task.subjob is None:
        yield from _container(task, place, around)
    else:
        yield from _composite(task, place, around)


def _container(task: TaskDefinition, place: Place, around: Around) -> Found:
    if around.images and not task.image:
        yield (*place, "image"), Problem('"image" is required', "required", hint="add image")
    yield from expressions.of_container(task, place, around.names)
    if "{{" in task.queue:
        yield from expressions.of_queue(task, place, around.names)
    if task.retry is not None:
        yield from parts.of_retry(task.retry, (*place, "retry"))
    if task.files:
        yield from parts.of_files(task.files, (*place, "files"))
    if task.mounts:
        yield from parts.of_mounts(task.mounts, (*place, "mounts"))
    for field in ("pre", "post", "sidecars"):
        for index, auxiliary in enumerate(getattr(task, field)):
            yield from _auxiliary(auxiliary, (*place, field, index), around)


def _auxiliary(task: AuxiliaryTask, place: Place, around: Around) -> Found:
    if around.images and not task.image:
        yield (*place, "image"), Problem('"image" is required', "required", hint="add image")
    yield from expressions.of_auxiliary(task, place, around.names)
    yield from parts.of_files(task.files, (*place, "files"))


def _composite(task: TaskDefinition, place: Place, around: Around) -> Found:
    yield from _exclusive(task, place)
    if around.depth >= DEEPEST:
        hint = f"use at most {DEEPEST} parallel, each and subjob inside one another"
        yield place, Problem("nested too deeply", "too_deep", hint=hint)
        return
    inside = around._replace(depth=around.depth + 1)
    if task.parallel is not None:
        yield from _tasks(task.parallel.tasks, (*place, "parallel", "tasks"), inside)
    if task.each is not None:
        yield from _each(task.each, (*place, "each"), inside)
    if task.subjob is not None:
        yield from _subjob(task.subjob, (*place, "subjob"), inside)


def _exclusive(task: TaskDefinition, place: Place) -> Found:
    kind, *others = [name for name in COMPOSITE if getattr(task, name) is not None]
    for name in others:
        hint = "make one of them a task inside the other"
        yield (*place, name), Problem(f"a task with {kind} can not have {name}", "composite", hint=hint)
    unused = [name for name in OF_CONTAINERS if getattr(task, name)]
    for name in unused + (["priority"] if task.priority is not None else []):
        message = f"a task with {kind} runs no container of its own, so {name} has no effect"
        yield (*place, name), Problem(message, "composite", hint="write it into the tasks inside")


def _each(each: Each, place: Place, inside: Around) -> Found:
    yield from expressions.of_list(each.list, (*place, "list"), inside.names)
    names = inside.names | {each.var or ITEM}
    yield from _task(each.task, (*place, "task"), inside._replace(names=names))


def _subjob(subjob: Subjob, place: Place, inside: Around) -> Found:
    yield from expressions.of_subjob(subjob, place, inside.names)
    yield from expressions.of_output(subjob.output, (*place, "output"))
    yield from _tasks(subjob.tasks, (*place, "tasks"), inside._replace(names=IN_JOB))
