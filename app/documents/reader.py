"""Reads nodes as a type wants them: what is written without quotes in YAML means what the field makes of it.

Made once for a type, with a table of its fields; then it passes over a document and notes every problem it meets. What
can not be read is left empty, so that as much as possible of the rest can be judged.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple, TypeVar

from msgspec import inspect

from app.documents.mismatch import LIST_HINT, MAPPING_HINT, TEXT_HINT, is_blank, mismatch
from app.documents.nodes import Mapping, Node, Scalar, Sequence
from app.documents.numbers import number, truth, whole_number
from app.documents.problems import LONGEST_SHOWN, Path, Problems, listed, quoted
from domain.errors import Problem

Read = Callable[[Node, Path, Problems], Any]
Rule = Callable[[Any], Iterable[Problem]]
Wanted = TypeVar("Wanted")

LIKELY = 0.7
"""How much of a name must agree with another for the one to be a slip of the other, as difflib counts."""

EMPTY: dict[type[inspect.Type], Any] = {inspect.StrType: "", inspect.IntType: 0, inspect.VarTupleType: ()}
"""What stands for something that is required and missing; nothing can stand for a mapping."""
PLAIN: dict[type[inspect.Type], Read] = {
    inspect.IntType: whole_number,
    inspect.FloatType: number,
    inspect.BoolType: truth,
}

Reader = Callable[[Node, Problems], Wanted]


def reader(wanted: type[Wanted]) -> Reader[Wanted]:
    """Make the reader of a type; what it returns is good when it has noted no problem."""
    read = _Maker().reader(inspect.type_info(wanted))
    return lambda node, problems: read(node, None, problems)


class _Field(NamedTuple):
    attribute: str
    read: Read
    optional: bool


class _Maker:
    """Makes the readers of types, one for each: a type may hold itself."""

    def __init__(self) -> None:
        self._begun: set[type] = set()
        self._structs: dict[type, Read] = {}

    def reader(self, wanted: inspect.Type) -> Read:
        kind, extra = _peeled(wanted)
        if type(kind) in PLAIN:
            return _ruled(PLAIN[type(kind)], extra.get("rule", _anything))
        match kind:
            case inspect.StrType():
                return _text(extra.get("rule", _anything), trimmed=extra.get("trimmed", False))
            case inspect.VarTupleType(item_type=item):
                return _list(self.reader(item), extra.get("count", _anything))
            case inspect.DictType(key_type=key, value_type=value):
                return _mapping(self.reader(key), self.reader(value), extra.get("count", _anything))
            case inspect.StructType():
                return self._struct(kind)
        msg = f"no reader for {kind}"
        raise TypeError(msg)

    def _struct(self, wanted: inspect.StructType) -> Read:
        kind, structs = wanted.cls, self._structs
        if kind not in self._begun:
            self._begun.add(kind)
            structs[kind] = _struct(wanted, {field.encode_name: self._field(field) for field in wanted.fields})

        def read_later(node: Node, path: Path, problems: Problems) -> Any:
            return structs[kind](node, path, problems)

        return structs.get(kind, read_later)

    def _field(self, field: inspect.Field) -> _Field:
        return _Field(field.name, self.reader(field.type), not field.required)


def _peeled(wanted: inspect.Type) -> tuple[inspect.Type, dict[str, Any]]:
    """Take off what is said of a type, and that it may be missing."""
    extra: dict[str, Any] = {}
    if isinstance(wanted, inspect.Metadata):
        extra = wanted.extra or {}
        wanted = wanted.type
    if isinstance(wanted, inspect.UnionType):
        wanted = next(each for each in wanted.types if not isinstance(each, inspect.NoneType))
    return wanted, extra


def _anything(_: object) -> Iterable[Problem]:
    return ()


def _ruled(read: Read, rule: Rule) -> Read:
    def judge(node: Node, path: Path, problems: Problems) -> Any:
        value = read(node, path, problems)
        for problem in rule(value) if value is not None else ():
            problems.add(node, path, problem)
        return value

    return judge


def _text(rule: Rule, *, trimmed: bool) -> Read:
    def read(node: Node, path: Path, problems: Problems) -> Any:
        if not isinstance(node, Scalar):
            mismatch(node, path, problems, ("text", TEXT_HINT))
            return ""
        value = node.value
        if node.plain:
            value = "" if node.is_null() else value
        elif not isinstance(value, str):
            mismatch(node, path, problems, ("text", "put it in quotes"))
            return ""
        if trimmed:
            value = str(value).rstrip("\r\n")
        for problem in rule(value):
            problems.add(node, path, problem)
        return value

    return read


def _list(read_item: Read, count: Rule) -> Read:
    def read(node: Node, path: Path, problems: Problems) -> Any:
        if not isinstance(node, Sequence):
            mismatch(node, path, problems, ("a list", LIST_HINT))
            return ()
        given = [(index, item) for index, item in enumerate(node.items) if not is_blank(item)]
        broken = list(count(len(given)))
        for problem in broken:
            problems.add(node, path, problem)
        if broken:
            return ()  # a list that is too long is not worth more words
        return tuple(read_item(item, (path, index), problems) for index, item in given)

    return read


def _mapping(read_key: Read, read_value: Read, count: Rule) -> Read:
    def read(node: Node, path: Path, problems: Problems) -> Any:
        if not isinstance(node, Mapping):
            mismatch(node, path, problems, ("a mapping", MAPPING_HINT))
            return {}
        for problem in count(len(node.entries)):
            problems.add(node, path, problem)
        values = {}
        for name, (key, value) in node.entries.items():
            way = (path, name)
            read_key(key, way, problems)
            values[name] = read_value(value, way, problems)
        return values

    return read


def _struct(wanted: inspect.StructType, fields: dict[str, _Field]) -> Read:
    build: type[Any] = wanted.cls
    required = {field.encode_name: (field.name, _empty(field.type)) for field in wanted.fields if field.required}
    read_entries = _entries(wanted, fields)

    def read(node: Node, path: Path, problems: Problems) -> Any:
        if not isinstance(node, Mapping):
            problems.incomplete = True
            return mismatch(node, path, problems, ("a mapping", MAPPING_HINT))
        values = read_entries(node, path, problems)
        for name, (attribute, empty) in required.items():
            if name not in node.entries:
                problems.add(node, (path, name), Problem(f'"{name}" is required', "required", hint=f"add {name}"))
            if attribute not in values:
                values[attribute] = empty
                problems.incomplete |= empty is None
        return build(**values)

    return read


def _empty(wanted: inspect.Type) -> Any:
    return EMPTY.get(type(_peeled(wanted)[0]))


def _entries(wanted: inspect.StructType, fields: dict[str, _Field]) -> Callable[[Mapping, Path, Problems], Any]:
    unknown = _unknown(wanted.cls, frozenset(fields))

    def read(node: Mapping, path: Path, problems: Problems) -> dict[str, Any]:
        values = {}
        for name, (key, value) in node.entries.items():
            field = fields.get(name)
            if field is None:
                problems.add(key, (path, name), unknown(name))
            elif not (field.optional and isinstance(value, Scalar) and value.is_null()):
                found = field.read(value, (path, name), problems)
                if found is not None:
                    values[field.attribute] = found
        return values

    return read


def _unknown(wanted: type, fields: frozenset[str]) -> Callable[[str], Problem]:
    """Say what a field is that can not be read: one that comes later, one of another name, or none at all."""
    later: frozenset[str] = getattr(wanted, "LATER", frozenset())
    slips: dict[str, str] = getattr(wanted, "SLIPS", {})
    names = {name.lower(): name for name in fields | later}

    def unknown(name: str) -> Problem:
        if name in later:
            return Problem(f'"{name}" is not supported yet', "unsupported", hint="remove it")
        near = difflib.get_close_matches(name[:LONGEST_SHOWN].lower(), names, 1, LIKELY)
        hint = f'did you mean "{names[near[0]]}"?' if near else f"known are {listed(fields)}"
        return Problem(f"unknown field {quoted(name)}", "unknown_field", hint=slips.get(name, hint))

    return unknown
