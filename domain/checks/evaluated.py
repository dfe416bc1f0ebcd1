"""The rules of fields that could not be asked when a job was submitted, as expressions stood in them."""

from __future__ import annotations

import msgspec

from domain import names
from domain.definition import TaskDefinition
from domain.errors import Problem
from domain.fields import LONGEST_NAME
from domain.rules import Check, at_most_characters, first, given, one_line, optional

_name = first(given, at_most_characters(LONGEST_NAME), one_line)
_image = optional(names.image)
_queue = optional(names.queue)
_variable = optional(names.result)


def evaluated_problem(task: TaskDefinition) -> Problem | None:
    """Return the first thing that is wrong with a task whose expressions have been evaluated."""
    return (
        _judged("name", task.name, _name)
        or _judged("image", task.image, _image)
        or _judged("queue", task.queue, _queue)
        or _judged("var", task.var, _variable)
        or _of_auxiliaries(task)
        or (_judged("subjob.name", task.subjob.name, _name) if task.subjob is not None else None)
    )


def _of_auxiliaries(task: TaskDefinition) -> Problem | None:
    for field in ("pre", "post", "sidecars"):
        for index, auxiliary in enumerate(getattr(task, field)):
            here = f"{field}[{index}]"
            problem = _judged(f"{here}.name", auxiliary.name, _name) or _judged(
                f"{here}.image", auxiliary.image, _image
            )
            if problem:
                return problem
    return None


def _judged(path: str, text: str, check: Check) -> Problem | None:
    problem = check(text)
    return msgspec.structs.replace(problem, path=path) if problem else None
