"""Puts nodes together while a document is read, and refuses what is too large before it is built."""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from app.documents.nodes import MERGE, Mapping, Node, Scalar, Sequence, kind
from app.documents.problems import Path, Placed, Problems, quoted
from domain.errors import Problem

DEEPEST = 32
"""Lists and mappings inside one another."""
MOST_NODES = 10_000
"""Values; a key and its value are one. What an alias stands for is counted again."""
MOST_COPIED = 500_000
"""Characters of what aliases stand for, all together: a small file must not become a large job."""
MOST_MERGED = 10
"""Mappings merged into one by `<<`."""

IGNORED = Scalar(0, 0, "")
"""Takes the place of a key that can not be one, so that its value is passed over."""


class Shared(NamedTuple):
    """A part of a document that may stand in several places."""

    node: Node
    size: int
    """The nodes in it, itself included."""
    height: int
    """The lists and mappings inside one another, itself included."""


class _Open(msgspec.Struct):
    """A list or mapping of which the end was not seen yet."""

    node: Sequence | Mapping
    before: int
    height: int = 1
    entries: dict[str, tuple[Scalar, Node]] = {}
    """Of a mapping."""
    key: Scalar | None = None
    """In a mapping, the key of which the value comes next."""
    merged: list[Mapping] = []


class Tree:
    """The document as far as it was read."""

    def __init__(self, problems: Problems) -> None:
        """Begin with nothing."""
        self.root: Node | None = None
        self._problems = problems
        self._open: list[_Open] = []
        self._count = 0
        self._copied = 0

    def path(self) -> Path:
        """Return the way to the node that comes next."""
        path: Path = None
        for each in self._open:
            if isinstance(each.node, Sequence):
                path = (path, len(each.node.items))
            elif each.key:
                path = (path, str(each.key.value))
        return path

    def open(self, node: Sequence | Mapping) -> None:
        """Begin a list or a mapping: what comes next stands in it."""
        if len(self._open) >= DEEPEST:
            self._too_deep(node)
        entries = node.entries if isinstance(node, Mapping) else {}
        self._open.append(_Open(node, self._count, entries=entries))

    def close(self) -> Shared:
        """End the list or mapping that was begun last."""
        ended = self._open.pop()
        if self._open:
            self._open[-1].height = max(self._open[-1].height, ended.height + 1)
        for each in ended.merged:
            # what the mapping says itself stands, and of several that are merged the first
            ended.entries.update(each.entries | ended.entries)
        self.put(ended.node)
        return Shared(ended.node, self._count - ended.before, ended.height)

    def share(self, place: Placed, shared: Shared) -> None:
        """Put a part of the document here once more."""
        if self._is_merging() and self._next_index() >= MOST_MERGED:
            self._too_many_merged(place)
        if self._count + shared.size > MOST_NODES:
            self._too_much(place, f"aliases make more than {MOST_NODES:,} values of this")
        self._copied += _characters(shared.node)
        if self._copied > MOST_COPIED:
            self._too_much(place, f"aliases stand for more than {MOST_COPIED:,} characters")
        if len(self._open) + shared.height > DEEPEST:
            self._too_deep(place)
        self._open[-1].height = max(self._open[-1].height, shared.height + 1)
        self._count += shared.size - 1
        self.put(shared.node)

    def put(self, node: Node) -> None:
        """Put a node where it belongs: into the list, or as the next key or value into the mapping."""
        top = self._open[-1] if self._open else None
        if top is None:
            self.root = node
        elif isinstance(top.node, Sequence):
            top.node.items.append(node)
        elif top.key is None:
            top.key = self._as_key(node)
            return
        else:
            self._enter(top, top.key, node)
            top.key = None
        self._count += 1
        if self._count > MOST_NODES:
            problem = Problem(f"more than {MOST_NODES:,} values", "too_many_nodes", hint="split the job")
            self._problems.fail(node, self.path(), problem)

    def _as_key(self, node: Node) -> Scalar:
        if isinstance(node, Scalar) and not node.is_null():
            return node
        if isinstance(node, Scalar):
            problem = Problem("a key must not be empty", "key_type", hint="put it in quotes to have it as written")
        else:
            hint = "put a text that begins with { or [ in quotes"
            problem = Problem(f"a key must be text, not {kind(node)}", "key_type", hint=hint)
        self._problems.add(node, self.path(), problem)
        return IGNORED

    def _enter(self, top: _Open, key: Scalar, node: Node) -> None:
        name = str(key.value)
        if key is IGNORED:
            return
        if key.plain and name == MERGE:
            self._note_merge(top, key, node)
        elif name in top.entries:
            self._duplicate(key, top.entries[name][0].line)
        else:
            top.entries[name] = (key, node)

    def _duplicate(self, key: Scalar, line: int) -> None:
        message = f"{quoted(str(key.value))} is given already at line {line + 1}"
        self._problems.add(key, self.path(), Problem(message, "duplicate_key", hint="remove one of the two"))

    def _note_merge(self, top: _Open, key: Scalar, node: Node) -> None:
        if top.merged:
            self._duplicate(key, top.merged[0].line)
            return
        nodes: list[Node] = node.items if isinstance(node, Sequence) else [node]
        mappings = [each for each in nodes if isinstance(each, Mapping)]
        if len(mappings) < len(nodes):
            problem = Problem("only mappings can be merged by <<", "merge_key", hint="give an alias of a mapping")
            self._problems.add(node, self.path(), problem)
        elif len(mappings) > MOST_MERGED:
            self._too_many_merged(node)
        else:
            top.merged = mappings

    def _is_merging(self) -> bool:
        """Tell whether the next node is merged into a mapping, alone or in a list."""
        return any(each.key and each.key.plain and each.key.value == MERGE for each in self._open[-2:])

    def _next_index(self) -> int:
        top = self._open[-1].node
        return len(top.items) if isinstance(top, Sequence) else 0

    def _too_many_merged(self, place: Placed) -> None:
        hint = "merge fewer, or write the fields out"
        problem = Problem(f"more than {MOST_MERGED} mappings are merged by <<", "merge_key", hint=hint)
        self._problems.fail(place, self.path(), problem)

    def _too_much(self, place: Placed, message: str) -> None:
        code = "merge_key" if self._is_merging() else "alias"
        self._problems.fail(place, self.path(), Problem(message, code, hint="use fewer of them"))

    def _too_deep(self, place: Placed) -> None:
        message = f"more than {DEEPEST} lists and mappings inside one another"
        self._problems.fail(place, None, Problem(message, "too_deep", hint="make it flatter"))


def _characters(node: Node) -> int:
    match node:
        case Sequence():
            return sum(_characters(item) for item in node.items)
        case Mapping():
            return sum(len(name) + _characters(value) for name, (_, value) in node.entries.items())
    return len(str(node.value))
