"""What expressions of a job's tasks can see."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from domain.definition import JobDefinition, TaskDefinition
from domain.job.state import Branch
from domain.secrets import placeholder

ITEM = "item"
"""The name of a loop's item, unless the loop gives it another."""


def job_scope(job: UUID, definition: JobDefinition, results: Mapping[str, str]) -> dict[str, Any]:
    """Return what is the same for all tasks of a job; secrets are placeholders, for the domain never has them."""
    return {
        "inputs": definition.inputs,
        "secrets": {name: placeholder(name) for name in definition.secrets},
        "tasks": results,
        "job": {"id": job.hex, "name": definition.name},
    }


def task_scope(scope: Mapping[str, Any], branch: Branch, place: int, at: datetime, attempt: UUID) -> dict[str, Any]:
    """Return what one task sees: the job, the loops around it, the time, and chance of its own."""
    return {**scope, **item_scope(branch, place), "$now": at, "$seed": attempt.int}


def item_scope(branch: Branch, place: int) -> dict[str, Any]:
    """Return the variables of the loops around a child of a branch."""
    if branch.items is None or branch.task is None or branch.task.each is None:
        return branch.scope
    name = branch.task.each.var or ITEM
    return {**branch.scope, name: {"index": str(place - 1), "value": branch.items[place - 1]}}


def template(definition: JobDefinition, branch: Branch, place: int) -> TaskDefinition:
    """Return a child of a branch as it was written."""
    task = branch.task
    if task is None:
        return definition.tasks[place - 1]
    if task.each is not None:
        return task.each.task
    return task.parallel.tasks[place - 1]  # type: ignore[union-attr]  # there are no other branches
