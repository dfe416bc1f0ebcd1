"""Reads job files, YAML or JSON, and tells everything that is wrong with one at once."""

from __future__ import annotations

from typing import Literal, TypeVar

from app.documents import json_nodes, yaml_nodes
from app.documents.nodes import Scalar
from app.documents.problems import Problems
from app.documents.reader import Reader, reader
from app.documents.text import Place, decode
from domain.definition import JobDefinition
from domain.errors import Problem

__all__ = ["read", "read_job", "reader"]

Form = Literal["yaml", "json"]
Wanted = TypeVar("Wanted")

_job = reader(JobDefinition)


def read_job(body: bytes, form: Form) -> JobDefinition:
    """Read a job, or raise `Invalid` with every problem, each with its place and a hint."""
    return read(body, form, _job)


def read(body: bytes, form: Form, wanted: Reader[Wanted]) -> Wanted:
    """Read what a reader wants, or raise `Invalid`."""
    problems = Problems()
    text = decode(body, problems)
    root = yaml_nodes.compose(text, problems) if form == "yaml" else json_nodes.parse(text, problems)
    if root is None or (isinstance(root, Scalar) and root.plain and root.is_null()):
        problems.fail(Place(0, 0), None, Problem("the document is empty", "body_empty", hint="write a job into it"))
    value = wanted(root, problems)
    problems.settle()
    return value
