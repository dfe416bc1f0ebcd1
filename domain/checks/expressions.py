"""Whether the expressions of a job can be read, know only names that there are, and use secrets only where they may."""

from __future__ import annotations

from collections.abc import Mapping

from domain.checks.found import Found, Place
from domain.definition import AuxiliaryTask, JobDefinition, Registry, Subjob, TaskDefinition, Webhook
from domain.errors import Problem
from domain.expression import ExpressionError, check_field, check_template
from domain.names import NAMESPACES

Names = frozenset[str]
"""What expressions can speak of at some place."""
IN_JOB: Names = NAMESPACES
IN_JOB_EVENT: Names = frozenset({"job"})
IN_TASK_EVENT: Names = frozenset({"job", "task"})

HINT = "see which names and functions there are in the documentation of jobs, under Expressions"


def of_task(task: TaskDefinition, place: Place, names: Names) -> Found:
    """Look at what every task has, whether it runs a container or other tasks."""
    if "{{" in task.name:
        yield from _template(task.name, (*place, "name"), names)
    if "{{" in task.var:
        yield from _template(task.var, (*place, "var"), names)
    if task.condition:
        yield from _field(task.condition, (*place, "if"), names)


def of_container(task: TaskDefinition | AuxiliaryTask, place: Place, names: Names) -> Found:
    """Look at what runs in a container."""
    if "{{" in task.image:
        yield from _template(task.image, (*place, "image"), names)
    for index, word in enumerate(task.cmd):
        if "{{" in word:
            yield from _template(word, (*place, "cmd", index), names)
    if task.env:
        yield from _templates(task.env, (*place, "env"), names, secrets=True)
    if task.registry is not None:
        yield from _registry(task.registry, (*place, "registry"), names)


def of_queue(task: TaskDefinition, place: Place, names: Names) -> Found:
    """Look at the queue of a task."""
    yield from _template(task.queue, (*place, "queue"), names)


def of_auxiliary(task: AuxiliaryTask, place: Place, names: Names) -> Found:
    """Look at a container before, after or beside a task's own."""
    if "{{" in task.name:
        yield from _template(task.name, (*place, "name"), names)
    yield from of_container(task, place, names)


def of_list(source: str, place: Place, names: Names) -> Found:
    """Look at what an each task goes through."""
    yield from _field(source, place, names)


def of_subjob(subjob: Subjob, place: Place, names: Names) -> Found:
    """Look at what a new job is given by the task that starts it."""
    if "{{" in subjob.name:
        yield from _template(subjob.name, (*place, "name"), names)
    yield from _templates(subjob.inputs, (*place, "inputs"), names)
    yield from _templates(subjob.secrets, (*place, "secrets"), names, secrets=True)
    yield from _webhooks(subjob.webhooks, (*place, "webhooks"), names)


def of_job(job: JobDefinition) -> Found:
    """Look at what is the job's own."""
    if job.webhooks:
        yield from _webhooks(job.webhooks, ("webhooks",), IN_JOB)
    yield from of_output(job.output, ("output",))


def of_output(output: str, place: Place) -> Found:
    """Look at what a job returns."""
    if output:
        yield from _field(output, place, IN_JOB)


def _registry(registry: Registry, place: Place, names: Names) -> Found:
    yield from _templates({"username": registry.username, "password": registry.password}, place, names, secrets=True)


def _webhooks(webhooks: tuple[Webhook, ...], place: Place, names: Names) -> Found:
    for index, webhook in enumerate(webhooks):
        here = (*place, index)
        yield from _templates({"url": webhook.url, "secret": webhook.secret}, here, names, secrets=True)
        yield from _templates(webhook.headers, (*here, "headers"), names, secrets=True)
        if webhook.condition:
            event = IN_TASK_EVENT if webhook.event.startswith("task.") else IN_JOB_EVENT
            yield from _field(webhook.condition, (*here, "if"), event)


def _templates(texts: Mapping[str, str], place: Place, names: Names, *, secrets: bool = False) -> Found:
    for name, text in texts.items():
        if "{{" in text:
            yield from _template(text, (*place, name), names, secrets=secrets)


def _template(text: str, place: Place, names: Names, *, secrets: bool = False) -> Found:
    for error in check_template(text, names, secrets=secrets):
        yield place, _problem(error)


def _field(text: str, place: Place, names: Names) -> Found:
    for error in check_field(text, names, secrets=False):
        yield place, _problem(error)


def _problem(error: ExpressionError) -> Problem:
    return Problem(error.message, "expression", line=error.line, column=error.column, hint=HINT)
