"""Reads job files, YAML or JSON, and tells everything that is wrong with one at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, TypeVar

import msgspec

from app.documents import json_nodes, places, yaml_nodes
from app.documents.nodes import Node, Scalar
from app.documents.problems import Problems, written
from app.documents.reader import Reader, reader
from app.documents.text import Place, decode
from domain import checks
from domain.checks.found import Found
from domain.definition import JobDefinition
from domain.errors import Problem

__all__ = ["read", "read_job", "reader"]

Form = Literal["yaml", "json"]
Wanted = TypeVar("Wanted")

_job = reader(JobDefinition)


def read_job(body: bytes, form: Form, *, images: bool = True) -> JobDefinition:
    """Read a job, or raise `Invalid` with every problem, each with its place and a hint.

    Runners of processes need no images.
    """
    return read(body, form, _job, lambda job: checks.problems(job, images=images))


def read(body: bytes, form: Form, wanted: Reader[Wanted], judge: Callable[[Wanted], Found] | None = None) -> Wanted:
    """Read what a reader wants, or raise `Invalid`; the judge looks at it as a whole."""
    problems = Problems()
    text = decode(body, problems)
    root = yaml_nodes.compose(text, problems) if form == "yaml" else json_nodes.parse(text, problems)
    if root is None or (isinstance(root, Scalar) and root.plain and root.is_null()):
        problems.fail(Place(0, 0), None, Problem("the document is empty", "body_empty", hint="write a job into it"))
    value = wanted(root, problems)
    if judge and not problems.incomplete:
        broken = problems.paths()
        for way, problem in judge(value):
            spot = places.find(root, way)
            if problem.code != "expression" or written(spot.path) not in broken:  # else it is not what was written
                _add(problem, spot, text, problems)
    problems.settle()
    return value


def _add(problem: Problem, spot: places.Spot, source: str, problems: Problems) -> None:
    """Note a problem at its place, within the text if it is known there."""
    where: Node | Place = spot.node
    if problem.line:
        place = places.inside(source, spot.node, problem.line, problem.column)
        where = place or spot.node
        if place is None and problem.line > 1:
            problem = msgspec.structs.replace(problem, message=f"{problem.message} (line {problem.line} of the text)")
    problems.add(where, spot.path, problem)
