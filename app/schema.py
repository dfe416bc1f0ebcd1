"""The JSON Schema of jobs, for editors and for other programs: made of the same types that jobs are read with.

It says what a schema can say of a job file in YAML, where numbers and truth values may stand for texts; what needs more
than that, as the names in expressions, only the reader of jobs tells.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import msgspec
from msgspec import inspect

from domain import definition
from domain.checks.job import OF_CONTAINERS
from domain.definition import COMPOSITE, Definition, JobDefinition

DRAFT = "http://json-schema.org/draft-07/schema#"
MEDIA_TYPE = "application/schema+json"

Schema = dict[str, Any]

EMPTY: Schema = {"enum": [None, "", [], {}]}
"""What counts as not given."""
DESCRIPTION = "A job of Jobledger: tasks that run one after another. Written in YAML, or in JSON with texts in quotes."


@cache
def job_schema() -> bytes:
    """Write the schema of a job."""
    _, schemas = msgspec.json.schema_components([JobDefinition], ref_template="#/definitions/{name}")
    for kind in _kinds():
        _adapt(schemas[kind.__name__], kind)
    schemas["TaskDefinition"]["allOf"] = [_composite(kind) for kind in COMPOSITE]
    schemas["Mount"] |= _mount(schemas["Mount"])
    head = {"$schema": DRAFT, "title": "Job", "description": DESCRIPTION}
    job = _without(schemas.pop("JobDefinition"), "title", "description")
    return msgspec.json.format(msgspec.json.encode(head | job | {"definitions": schemas}))


def _kinds() -> list[type[Definition]]:
    found = [kind for kind in vars(definition).values() if isinstance(kind, type) and issubclass(kind, Definition)]
    return [kind for kind in found if kind is not Definition]


def _without(schema: Schema, *names: str) -> Schema:
    return {name: value for name, value in schema.items() if name not in names}


def _adapt(schema: Schema, kind: type[Definition]) -> None:
    """Let a struct's fields be written as YAML is, and tell editors what to show of them."""
    info = inspect.type_info(kind)
    for field in info.fields if isinstance(info, inspect.StructType) else ():
        found = schema["properties"][field.encode_name]
        extra = (field.type.extra or {}) if isinstance(field.type, inspect.Metadata) else {}
        found["markdownDescription"] = markdown(found["description"], extra)
        schema["properties"][field.encode_name] = _as_written(found, required=field.required)


def markdown(description: str, extra: dict[str, Any]) -> str:
    """Say what a field is for, which rule it keeps, and what it is when it is left out."""
    rule = f"Rule: {extra['says']}." if extra.get("says") else ""
    default = f"Default: {extra['default']}." if extra.get("default") else ""
    return "\n\n".join(part for part in (description, rule, default) if part)


def _as_written(schema: Schema, *, required: bool = False) -> Schema:
    """Accept what YAML reads as a number, a truth value or nothing, where a text is wanted; and nothing for nothing."""
    kind = schema.get("type")
    made = {name: value for name, value in schema.items() if name != "default" or value}
    nothing = [] if required else ["null"]
    if kind == "string":
        made["type"] = ["string", "number", "boolean", *nothing]
        if "enum" in made:
            made["enum"] = [*made["enum"], *([] if required else [None])]
    elif kind is not None:
        made["type"] = [kind, *nothing] if nothing else kind
    for inner in ("items", "additionalProperties"):
        if isinstance(made.get(inner), dict) and "$ref" not in made[inner]:
            made[inner] = _as_written(made[inner])
    return made


def _composite(kind: str) -> Schema:
    """Say what a task can not have that runs other tasks instead of a container."""
    others = [*OF_CONTAINERS, "priority", *(name for name in COMPOSITE if name != kind)]
    given = {"required": [kind], "properties": {kind: {"type": "object"}}}
    return {"if": given, "then": {"properties": dict.fromkeys(others, EMPTY)}}


def _mount(schema: Schema) -> Schema:
    """Say what each type of mount needs."""
    bind = {"required": ["type"], "properties": {"type": {"const": "bind"}}}
    return {
        "required": [*schema["required"], "target"],
        "if": bind,
        "then": {"required": ["source"]},
        "else": {"properties": {"source": EMPTY}},
    }
