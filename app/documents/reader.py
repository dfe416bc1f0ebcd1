"""Reads nodes as a type wants them: what is written without quotes in YAML means what the field makes of it.

Made once for a type, with a table of its fields; then it passes over a document and notes every problem it meets.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple, TypeVar

from msgspec import inspect

from app.documents.nodes import LARGEST_INTEGER, Mapping, Node, Scalar, Sequence, kind
from app.documents.problems import LONGEST_SHOWN, Path, Problems, listed, quoted
from domain.errors import Problem

Read = Callable[[Node, Path, Problems], Any]
Rule = Callable[[Any], Iterable[Problem]]
Wanted = TypeVar("Wanted")

TRUE = frozenset({"true", "True", "TRUE", "yes", "Yes", "YES", "on", "On", "ON", "y", "Y"})
FALSE = frozenset({"false", "False", "FALSE", "no", "No", "NO", "off", "Off", "OFF", "n", "N"})
TRUTHS = TRUE | FALSE
WHOLE = re.compile(r"[-+]?(?:0[xX][0-9a-fA-F_]+|0[bB][01_]+|0[oO]?[0-7_]*|[1-9][0-9_]*)")
OCTAL = re.compile(r"^([-+]?)0(?=[0-7])")
"""Go reads a number that begins with 0 as octal, as YAML 1.1 does."""
NOT_FINITE = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")
LONGEST_NUMBER = 64
LIKELY = 0.7
"""How much of a name must agree with another for the one to be a slip of the other, as difflib counts."""

LIST_HINT = "write [a, b], or in YAML each item after '- ' on a line of its own"
MAPPING_HINT = 'write {"name": "value"}, or in YAML name: value'
TEXT_HINT = "put a text that begins with { or [ in quotes"


Reader = Callable[[Node, Problems], Wanted]


def reader(wanted: type[Wanted]) -> Reader[Wanted]:
    """Make the reader of a type; what it returns is good when it has noted no problem."""
    read = _reader(inspect.type_info(wanted), {})
    return lambda node, problems: read(node, None, problems)


def _reader(wanted: inspect.Type, extra: dict[str, Any]) -> Read:
    if type(wanted) in PLAIN:
        return PLAIN[type(wanted)]
    match wanted:
        case inspect.Metadata(type=inner):
            return _reader(inner, wanted.extra or {})
        case inspect.StrType():
            return _text(extra.get("rule", _anything))
        case inspect.VarTupleType(item_type=item):
            return _list(_reader(item, {}), extra.get("count", _anything))
        case inspect.DictType(key_type=key, value_type=value):
            return _mapping(_reader(key, {}), _reader(value, {}))
        case inspect.StructType():
            return _struct(wanted)
    msg = f"no reader for {wanted}"
    raise TypeError(msg)


def _anything(_: object) -> Iterable[Problem]:
    return ()


def _text(rule: Rule) -> Read:
    def read(node: Node, path: Path, problems: Problems) -> Any:
        if not isinstance(node, Scalar):
            return _mismatch(node, path, problems, ("text", TEXT_HINT))
        value = node.value
        if node.plain:
            value = "" if node.is_null() else value
        elif not isinstance(value, str):
            return _mismatch(node, path, problems, ("text", "put it in quotes"))
        for problem in rule(value):
            problems.add(node, path, problem)
        return value

    return read


def _whole_number(node: Node, path: Path, problems: Problems) -> Any:
    value = node.value if isinstance(node, Scalar) else None
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    written = isinstance(value, str) and WHOLE.fullmatch(value)
    if not (isinstance(node, Scalar) and node.plain and isinstance(value, str)):
        return _mismatch(node, path, problems, ("a whole number", "remove the quotes" if written else ""))
    if NOT_FINITE.fullmatch(value):
        return problems.add(node, path, Problem("not a number that can be kept", "range"))
    if not written:
        return _mismatch(node, path, problems, ("a whole number", ""))
    return _in_range(node, path, problems, value)


def _in_range(node: Node, path: Path, problems: Problems, text: str) -> Any:
    if len(text) <= LONGEST_NUMBER:
        try:
            number = int(OCTAL.sub(r"\g<1>0o", text), 0)
        except ValueError:
            return _mismatch(node, path, problems, ("a whole number", ""))
        if abs(number) <= LARGEST_INTEGER:
            return number
    return problems.add(node, path, Problem("a whole number beyond ±2^53", "range"))


def _truth(node: Node, path: Path, problems: Problems) -> Any:
    value = node.value if isinstance(node, Scalar) else None
    if isinstance(value, bool):
        return value
    if isinstance(node, Scalar) and node.plain and value in TRUTHS:
        return value in TRUE
    return _mismatch(node, path, problems, ("true or false", "remove the quotes" if value in TRUTHS else ""))


PLAIN: dict[type[inspect.Type], Read] = {inspect.IntType: _whole_number, inspect.BoolType: _truth}


def _list(read_item: Read, count: Rule) -> Read:
    def read(node: Node, path: Path, problems: Problems) -> Any:
        if not isinstance(node, Sequence):
            return _mismatch(node, path, problems, ("a list", LIST_HINT))
        given = [(index, item) for index, item in enumerate(node.items) if not _is_blank(item)]
        broken = list(count(len(given)))
        for problem in broken:
            problems.add(node, path, problem)
        if broken:
            return None  # a list that is too long is not worth more words
        return tuple(read_item(item, (path, index), problems) for index, item in given)

    return read


def _is_blank(node: Node) -> bool:
    """Tell whether nothing was written at all, which JSON can not say."""
    return isinstance(node, Scalar) and node.plain and node.is_null()


def _mapping(read_key: Read, read_value: Read) -> Read:
    def read(node: Node, path: Path, problems: Problems) -> Any:
        if not isinstance(node, Mapping):
            return _mismatch(node, path, problems, ("a mapping", MAPPING_HINT))
        values = {}
        for name, (key, value) in node.entries.items():
            way = (path, name)
            read_key(key, way, problems)
            values[name] = read_value(value, way, problems)
        return values

    return read


class _Field(NamedTuple):
    attribute: str
    read: Read
    optional: bool


def _struct(wanted: inspect.StructType) -> Read:
    build: type[Any] = wanted.cls
    required = {field.encode_name: _unless(field) for field in wanted.fields if _is_required(field)}
    read_entries = _entries(wanted, frozenset(required))

    def read(node: Node, path: Path, problems: Problems) -> Any:
        if not isinstance(node, Mapping):
            return _mismatch(node, path, problems, ("a mapping", MAPPING_HINT))
        values = read_entries(node, path, problems)
        missing = [name for name in required if name not in node.entries and required[name].isdisjoint(node.entries)]
        for name in missing:
            problems.add(node, (path, name), Problem(f'"{name}" is required', "required", hint=f"add {name}"))
        return None if missing else build(**values)

    return read


def _entries(wanted: inspect.StructType, required: frozenset[str]) -> Callable[[Mapping, Path, Problems], Any]:
    fields = {
        field.encode_name: _Field(field.name, _reader(field.type, {}), field.encode_name not in required)
        for field in wanted.fields
    }
    unknown = _unknown(frozenset(fields), getattr(wanted.cls, "LATER", frozenset()))

    def read(node: Mapping, path: Path, problems: Problems) -> dict[str, Any]:
        values = {}
        for name, (key, value) in node.entries.items():
            field = fields.get(name)
            if field is None:
                problems.add(key, (path, name), unknown(name))
            elif not (field.optional and isinstance(value, Scalar) and value.is_null()):
                values[field.attribute] = field.read(value, (path, name), problems)
        return values

    return read


def _is_required(field: inspect.Field) -> bool:
    return field.required or bool(_unless(field))


def _unless(field: inspect.Field) -> frozenset[str]:
    extra = field.type.extra if isinstance(field.type, inspect.Metadata) else None
    unless: frozenset[str] = (extra or {}).get("unless", frozenset())
    return unless


def _unknown(fields: frozenset[str], later: frozenset[str]) -> Callable[[str], Problem]:
    """Say what a field is that can not be read: one that comes later, or none at all."""
    names = {name.lower(): name for name in fields | later}

    def unknown(name: str) -> Problem:
        if name in later:
            return Problem(f'"{name}" is not supported yet', "unsupported", hint="remove it")
        near = difflib.get_close_matches(name[:LONGEST_SHOWN].lower(), names, 1, LIKELY)
        hint = f'did you mean "{names[near[0]]}"?' if near else f"known are {listed(fields)}"
        return Problem(f"unknown field {quoted(name)}", "unknown_field", hint=hint)

    return unknown


def _mismatch(node: Node, path: Path, problems: Problems, wanted: tuple[str, str]) -> None:
    """Note that something else was wanted; where nothing was written at all, that it is missing."""
    expected, hint = wanted
    if _is_blank(node):
        problems.add(node, path, Problem("must not be empty", "required", hint=f"give {expected}"))
    else:
        problems.add(node, path, Problem(f"expected {expected}, got {kind(node)}", "type", hint=hint))
