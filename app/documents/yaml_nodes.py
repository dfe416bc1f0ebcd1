"""Reads YAML into nodes, one event of libyaml at a time.

Never `yaml.compose` or `yaml.load`: they recurse in C, where deep nesting ends the process; and they build what an
alias stands for before anyone can count it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any, NoReturn

import yaml

from app.documents.nodes import Mapping, Node, Scalar, Sequence
from app.documents.problems import Problems, quoted
from app.documents.text import check_for_yaml, place
from app.documents.tree import Shared, Tree
from app.documents.yaml_errors import explain
from domain.errors import Problem

MOST_ALIASES = 100

TAG_DIRECTIVE = re.compile(r"(?:^|[\r\n])%TAG\b")
"""libyaml compares each with each, and there is no tag that a job needs."""
CORE = "tag:yaml.org,2002:"


def compose(text: str, problems: Problems) -> Node | None:
    """Read a document; None when there is nothing in it."""
    check_for_yaml(text, problems)
    directive = TAG_DIRECTIVE.search(text) if "%TAG" in text else None
    if directive:
        problem = Problem("tags are not supported", "tag", hint="remove the line")
        problems.fail(place(text, directive.end() - len("%TAG")), None, problem)
    composer = _Composer(problems)
    try:
        composer.compose(yaml.parse(text, Loader=yaml.CBaseLoader))
    except yaml.YAMLError as error:
        problems.fail(*explain(error, text))
    return composer.tree.root


class _Composer:
    """The way through the events of one document."""

    def __init__(self, problems: Problems) -> None:
        self.tree = Tree(problems)
        self._problems = problems
        self._documents = 0
        self._aliases = 0
        self._anchors: dict[str, Shared] = {}
        self._open: list[str | None] = []
        """The anchors of the lists and mappings of which the end was not seen yet."""

    def compose(self, events: Iterator[yaml.Event]) -> None:
        for event in events:
            STEPS[type(event)](self, event)

    def _pass(self, event: Any) -> None:
        """Do nothing: the event says nothing of the content."""

    def _document(self, event: Any) -> None:
        self._documents += 1
        if self._documents > 1:
            problem = Problem("a second document begins here", "syntax", hint="put each job into a file of its own")
            self._problems.fail(event.start_mark, None, problem)

    def _scalar(self, event: Any) -> None:
        mark = event.start_mark
        node = Scalar(mark.line, mark.column, event.value, not event.style)
        if event.tag is not None:
            node.plain = False
            if event.tag != f"{CORE}str":
                self._refuse_tag(event)
        if event.anchor is not None:
            self._anchors[event.anchor] = Shared(node, 1, 0)
        self.tree.put(node)

    def _sequence(self, event: Any) -> None:
        mark = event.start_mark
        self._begin(event, Sequence(mark.line, mark.column, []))

    def _mapping(self, event: Any) -> None:
        mark = event.start_mark
        self._begin(event, Mapping(mark.line, mark.column, {}))

    def _begin(self, event: Any, node: Sequence | Mapping) -> None:
        if event.tag is not None:
            self._refuse_tag(event)
        self.tree.open(node)
        self._open.append(event.anchor)

    def _end(self, event: Any) -> None:
        del event  # the end of whatever was begun last
        shared = self.tree.close()
        anchor = self._open.pop()
        if anchor is not None:
            self._anchors[anchor] = shared

    def _alias(self, event: Any) -> None:
        name = event.anchor
        if name in self._open:
            self._refuse_alias(event, f"the alias *{_short(name)} stands inside what it names", "write it out")
        if name not in self._anchors:
            hint = f"name something with &{_short(name)} before, or put the text in quotes"
            self._refuse_alias(event, f"nothing before this is named &{_short(name)}", hint)
        self.tree.share(event.start_mark, self._anchors[name])
        self._aliases += 1
        if self._aliases > MOST_ALIASES:
            self._refuse_alias(event, f"more than {MOST_ALIASES} aliases", "write them out")

    def _refuse_alias(self, event: Any, message: str, hint: str) -> NoReturn:
        self._problems.fail(event.start_mark, self.tree.path(), Problem(message, "alias", hint=hint))

    def _refuse_tag(self, event: Any) -> None:
        tag = event.tag.replace(CORE, "!!", 1)
        hint = "remove the tag; put a text that begins with ! in quotes"
        problem = Problem(f"the tag {quoted(tag)} is not supported", "tag", hint=hint)
        self._problems.add(event.start_mark, self.tree.path(), problem)


def _short(name: str) -> str:
    return quoted(name)[1:-1]


STEPS: dict[type[yaml.Event], Callable[[_Composer, Any], None]] = {
    yaml.ScalarEvent: _Composer._scalar,  # noqa: SLF001 - its own steps
    yaml.MappingStartEvent: _Composer._mapping,  # noqa: SLF001
    yaml.MappingEndEvent: _Composer._end,  # noqa: SLF001
    yaml.SequenceStartEvent: _Composer._sequence,  # noqa: SLF001
    yaml.SequenceEndEvent: _Composer._end,  # noqa: SLF001
    yaml.AliasEvent: _Composer._alias,  # noqa: SLF001
    yaml.DocumentStartEvent: _Composer._document,  # noqa: SLF001
    yaml.DocumentEndEvent: _Composer._pass,  # noqa: SLF001
    yaml.StreamStartEvent: _Composer._pass,  # noqa: SLF001
    yaml.StreamEndEvent: _Composer._pass,  # noqa: SLF001
}
