"""Makes a task ready to run: its expressions evaluated, its defaults filled in.

What comes out is stored and run as it is; nothing in it is ever evaluated again.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import msgspec

from domain.checks import evaluated_problem
from domain.definition import (
    AuxiliaryTask,
    Defaults,
    Registry,
    Subjob,
    TaskDefinition,
    Webhook,
)
from domain.expression import ExpressionError, condition, evaluate_field, format_value, has_expression, render
from domain.fields import LONGEST_NAME
from domain.rules import in_one_line

DEFAULT_QUEUE = "default"

Scope = Mapping[str, Any]
Auxiliary = TypeVar("Auxiliary", bound=AuxiliaryTask)
Written = TypeVar("Written")


class Unready(Exception):
    """A task can not be made ready; says which field, and why."""


def is_wanted(task: TaskDefinition, scope: Scope) -> bool:
    """Tell whether the condition of a task holds, if it has one."""
    if not task.condition:
        return True
    return _evaluated("if", lambda: condition(task.condition, scope))


def skipped(task: TaskDefinition) -> TaskDefinition:
    """Return what is kept of a child that is skipped: of many, what they would have run is too much to keep."""
    return TaskDefinition(name=task.name, image=task.image, condition=task.condition, var=task.var, tags=task.tags)


def items_of(task: TaskDefinition, scope: Scope) -> tuple[Any, ...]:
    """Return what an each task finds in its list."""
    source = task.each.list if task.each else ""
    found = _evaluated("each.list", lambda: evaluate_field(source, scope))
    if not isinstance(found, list):
        raise Unready("each.list does not evaluate to a list")
    if not _can_be_kept(found):
        raise Unready("each.list: an item is neither text, number, truth, list nor mapping, or has no finite value")
    return tuple(found)


def result_of(output: str, scope: Scope) -> str:
    """Return the result of a job whose tasks are done."""
    if not output:
        return ""
    return _evaluated("output", lambda: format_value(evaluate_field(output, scope)))


def ready(task: TaskDefinition, scope: Scope, defaults: Defaults | None) -> TaskDefinition:
    """Return a task that runs containers, as it will be run."""
    rendered = _rendered(task, scope) if _has_expressions(task) else task
    return _checked(task, _with_defaults(rendered, defaults))


def composite(task: TaskDefinition, scope: Scope) -> TaskDefinition:
    """Return a composite task: what is its own evaluated, its children as they were written."""
    made = _replaced(task, name=_name("name", task.name, scope), var=_text("var", task.var, scope))
    if task.subjob is not None:
        made = _replaced(made, subjob=_subjob(task.subjob, scope))
    return _checked(task, made)


def _has_expressions(task: TaskDefinition) -> bool:
    """Tell in one look at all fields what else each of them would have to be asked."""
    return b"{{" in msgspec.json.encode(task)


def _rendered(task: TaskDefinition, scope: Scope) -> TaskDefinition:
    return _replaced(
        task,
        name=_name("name", task.name, scope),
        image=_text("image", task.image, scope),
        queue=_text("queue", task.queue, scope),
        var=_text("var", task.var, scope),
        env=_texts("env", task.env, scope),
        cmd=_words("cmd", task.cmd, scope),
        registry=_registry(task.registry, scope),
        pre=_each("pre", task.pre, scope),
        post=_each("post", task.post, scope),
        sidecars=_each("sidecars", task.sidecars, scope),
    )


def _with_defaults(task: TaskDefinition, defaults: Defaults | None) -> TaskDefinition:
    if defaults is None:
        return task if task.queue else _replaced(task, queue=DEFAULT_QUEUE)
    return _replaced(
        task,
        queue=task.queue or defaults.queue or DEFAULT_QUEUE,
        timeout=task.timeout or defaults.timeout,
        retry=task.retry or defaults.retry,
        limits=_limits(task, defaults),
        priority=defaults.priority or None if task.priority is None else task.priority,
    )


def _limits(task: TaskDefinition, defaults: Defaults) -> Any:
    if task.limits is None or defaults.limits is None:
        return task.limits or defaults.limits
    return _replaced(
        task.limits,
        cpus=task.limits.cpus or defaults.limits.cpus,
        memory=task.limits.memory or defaults.limits.memory,
    )


def _each(field: str, tasks: tuple[Auxiliary, ...], scope: Scope) -> tuple[Auxiliary, ...]:
    if not tasks:
        return tasks
    return tuple(_auxiliary(f"{field}[{index}]", task, scope) for index, task in enumerate(tasks))


def _auxiliary(field: str, task: Auxiliary, scope: Scope) -> Auxiliary:
    return _replaced(
        task,
        name=_name(f"{field}.name", task.name, scope),
        image=_text(f"{field}.image", task.image, scope),
        env=_texts(f"{field}.env", task.env, scope),
        cmd=_words(f"{field}.cmd", task.cmd, scope),
        registry=_registry(task.registry, scope),
    )


def _registry(registry: Registry | None, scope: Scope) -> Registry | None:
    if registry is None:
        return None
    return _replaced(
        registry,
        username=_text("registry.username", registry.username, scope),
        password=_text("registry.password", registry.password, scope),
    )


def _subjob(subjob: Subjob, scope: Scope) -> Subjob:
    return _replaced(
        subjob,
        name=_name("subjob.name", subjob.name, scope),
        inputs=_texts("subjob.inputs", subjob.inputs, scope),
        secrets=_texts("subjob.secrets", subjob.secrets, scope),
        webhooks=tuple(_webhook(webhook, scope) for webhook in subjob.webhooks),
    )


def _webhook(webhook: Webhook, scope: Scope) -> Webhook:
    """Evaluate what the new job would evaluate once more when it delivers: what comes out must survive that."""
    return _replaced(
        webhook,
        url=_literally(webhook.url, scope),
        secret=_literally(webhook.secret, scope),
        headers={name: _literally(value, scope) for name, value in webhook.headers.items()},
    )


def _literally(text: str, scope: Scope) -> str:
    return _text("subjob.webhooks", text, scope).replace("{{", "{{ '{{' }}")


def _texts(field: str, texts: dict[str, str], scope: Scope) -> dict[str, str]:
    if not any(has_expression(text) for text in texts.values()):
        return texts
    return {name: _text(f"{field}.{name}", text, scope) for name, text in texts.items()}


def _words(field: str, words: tuple[str, ...], scope: Scope) -> tuple[str, ...]:
    if not any(has_expression(word) for word in words):
        return words
    return tuple(_text(f"{field}[{index}]", word, scope) for index, word in enumerate(words))


def _text(field: str, text: str, scope: Scope) -> str:
    if not has_expression(text):
        return text
    return _evaluated(field, lambda: render(text, scope))


def _name(field: str, name: str, scope: Scope) -> str:
    """Evaluate what is only for people to read: no value of it keeps a task from running."""
    made = _text(field, name, scope)
    if made is name:
        return name
    return (in_one_line(made) or in_one_line(name))[:LONGEST_NAME]


def _evaluated(field: str, evaluation: Callable[[], Written]) -> Written:
    try:
        return evaluation()
    except ExpressionError as error:
        raise Unready(f"{field}: {error}") from None


def _replaced(written: Written, **fields: Any) -> Written:
    """Put fields in their place; what changes nothing costs no copy."""
    changed = {name: value for name, value in fields.items() if getattr(written, name) is not value}
    return msgspec.structs.replace(written, **changed) if changed else written  # type: ignore[type-var]


def _checked(written: TaskDefinition, made: TaskDefinition) -> TaskDefinition:
    """See that what came of expressions keeps the rules that could not be asked when the job was submitted."""
    if made is not written:
        problem = evaluated_problem(made)
        if problem is not None:
            raise Unready(str(problem))
    return made


def _can_be_kept(value: Any) -> bool:
    match value:
        case None | bool() | int() | str():
            return True
        case float():
            return math.isfinite(value)
        case list():
            return all(_can_be_kept(each) for each in value)
        case dict():
            return all(isinstance(name, str) and _can_be_kept(each) for name, each in value.items())
    return False
