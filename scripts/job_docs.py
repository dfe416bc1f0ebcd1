"""Makes docs/job.md: the text of scripts/job_docs.md, with tables of the fields from the types of the job language."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import msgspec
from msgspec import inspect

from domain import definition

ROOT = Path(__file__).parent.parent
FRAME = Path(__file__).with_suffix(".md")
PAGE = ROOT / "docs" / "job.md"
HEAD = "<!-- Made by scripts/docs of scripts/job_docs.md and of the types in domain/: change it there. -->\n\n"

FIELDS = re.compile(r"<!-- fields (\w+)((?: \w+)*) -->")
EXAMPLE = re.compile(r"^```yaml job([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
OPTION = re.compile(r"(\w+)=(\S+)")

SECTIONS = {
    "TaskDefinition": ("task", "tasks"),
    "AuxiliaryTask": ("task", "before-and-after"),
    "PostTask": ("task", "before-and-after"),
    "Sidecar": ("sidecar", "sidecars"),
    "Registry": ("registry", "what-is-run"),
    "Mount": ("mount", "mounts"),
    "Retry": ("retry", "retries"),
    "Limits": ("limits", "what-it-may-use"),
    "Probe": ("probe", "sidecars"),
    "Webhook": ("webhook", "webhooks"),
    "AutoDelete": ("autoDelete", "deleting-jobs"),
    "Wait": ("wait", "waiting-for-the-end"),
    "Defaults": ("defaults", "defaults"),
    "Parallel": ("parallel", "parallel"),
    "Each": ("each", "each"),
    "Subjob": ("subjob", "sub-jobs"),
}
"""What the types are called on the page, and where they stand in it."""
PLAIN: dict[type[inspect.Type], tuple[str, str]] = {
    inspect.StrType: ("text", "texts"),
    inspect.IntType: ("whole number", "whole numbers"),
    inspect.FloatType: ("number", "numbers"),
    inspect.BoolType: ("true or false", "truth values"),
}
"""One, and several."""
HEADING = "| field | type | what it is for | rule | when left out |\n|---|---|---|---|---|\n"
NOTHING = ("", None, False, msgspec.NODEFAULT)
"""Defaults that need no word."""


class Example(NamedTuple):
    """A job of the page that can be run."""

    job: str
    needs: str = ""
    """What it needs beside a runner and its image, in a word."""
    ends: str = "COMPLETED"
    runtime: str = "docker"


def main(arguments: list[str]) -> int:
    """Write the page; with --check, only tell by the exit code whether it is as it should be."""
    if "--check" in arguments:
        return 0 if PAGE.exists() and PAGE.read_text() == page() else 1
    PAGE.write_text(page())
    return 0


def page() -> str:
    """Return the page as it should be."""
    filled = FIELDS.sub(lambda found: _table(found[1], found[2].split()), FRAME.read_text())
    shown = EXAMPLE.sub(lambda found: f"```yaml\n{found[2]}```", filled)
    return HEAD + shown.replace("```text expressions", "```text")


def examples() -> list[Example]:
    """Return the jobs of the page, in their order."""
    return [Example(found[2], **dict(OPTION.findall(found[1]))) for found in EXAMPLE.finditer(FRAME.read_text())]


def tables() -> Iterator[tuple[str, str]]:
    """Yield what the page tells of: the names of types and of their fields."""
    for found in FIELDS.finditer(FRAME.read_text()):
        for field in _fields(found[1], found[2].split()):
            yield found[1], field.encode_name


def _fields(kind: str, names: list[str]) -> list[inspect.Field]:
    info = inspect.type_info(getattr(definition, kind))
    fields = {field.encode_name: field for field in getattr(info, "fields", ())}
    return [fields[name] for name in names or fields]


def _table(kind: str, names: list[str]) -> str:
    return HEADING + "\n".join(map(_row, _fields(kind, names)))


def _row(field: inspect.Field) -> str:
    meta = field.type if isinstance(field.type, inspect.Metadata) else inspect.Metadata(field.type)
    extra, schema = meta.extra or {}, meta.extra_json_schema or {}
    cells = (
        f"`{field.encode_name}`",
        _type(meta),
        schema["description"],
        extra.get("says", ""),
        _default(field, extra),
    )
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _default(field: inspect.Field, extra: dict[str, str]) -> str:
    """Say what it is when it is left out, where that is not just nothing."""
    if field.required:
        return "**required**"
    if extra.get("default") or field.default in NOTHING:
        return extra.get("default", "")
    return f"`{field.default:g}`" if isinstance(field.default, float) else ""


def _type(wanted: inspect.Type, *, many: bool = False) -> str:
    match wanted:
        case inspect.Metadata(type=inner):
            return _type(inner, many=many)
        case inspect.UnionType(types=(inner, inspect.NoneType())):
            return _type(inner, many=many)
        case inspect.VarTupleType(item_type=item):
            return f"list of {_type(item, many=True)}"
        case inspect.DictType(value_type=value):
            return f"{_type(value, many=True)} by name"
        case inspect.StructType(cls=cls):
            word, section = SECTIONS[cls.__name__]
            return f"[{word}{'s' if many else ''}](#{section})"
    one, several = PLAIN[type(wanted)]
    return several if many else one


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
