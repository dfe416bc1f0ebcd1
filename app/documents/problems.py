"""Gathers what is wrong with a document, so that all of it can be told at once."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import NoReturn, Protocol

import msgspec

from domain.errors import Invalid, Problem

MOST = 100
"""Problems that are told: a bound for the answer, and for the work of looking for more."""
LONGEST_SHOWN = 40
"""Characters of a name from the document that are repeated in a message."""

SECONDARY = frozenset({"type", "required"})
"""Codes that say nothing new of a value with which something else is wrong."""

SIMPLE = re.compile(r"[\w-]+")

Path = tuple["Path", str | int] | None
"""The way from the root to a node: the way to its parent, and its key or index there."""


class Placed(Protocol):
    """Something with a place in the document, counted from 0."""

    @property
    def line(self) -> int:
        """The line."""

    @property
    def column(self) -> int:
        """The character in it."""


class Problems:
    """The problems of one document."""

    def __init__(self) -> None:
        """Begin with none."""
        self._found: list[Problem] = []
        self.incomplete = False
        """Whether so much could not be read that what was can not be judged as a whole."""

    def add(self, place: Placed, path: Path, problem: Problem) -> None:
        """Note a problem at its place; there is an end to it."""
        if len(self._found) >= MOST:
            raise self._all(Problem(f"there is more: these are the first {MOST} problems", "too_many_problems"))
        located = msgspec.structs.replace(problem, path=written(path), line=place.line + 1, column=place.column + 1)
        if problem.code not in SECONDARY or not any(_same_place(located, each) for each in self._found):
            self._found.append(located)

    def paths(self) -> frozenset[str]:
        """Return the ways to everything with which something is wrong so far."""
        return frozenset(each.path for each in self._found)

    def fail(self, place: Placed, path: Path, problem: Problem) -> NoReturn:
        """Note a problem after which there is no reading on."""
        self.add(place, path, problem)
        raise self._all()

    def settle(self) -> None:
        """Refuse the document if anything is wrong with it."""
        if self._found:
            raise self._all()

    def _all(self, *more: Problem) -> Invalid:
        # what is wrong comes before what is missing, for it may be the reason: a name written wrongly is a missing name
        found = sorted(self._found, key=lambda each: (each.code == "required", each.line, each.column))
        return Invalid([*found, *more])


def _same_place(one: Problem, other: Problem) -> bool:
    return (one.line, one.column, one.path) == (other.line, other.column, other.path)


def written(path: Path) -> str:
    """Write a path as `tasks[0].image`."""
    steps: list[str] = []
    while path is not None:
        path, step = path
        steps.append(_step(step))
    return "".join(reversed(steps)).removeprefix(".")


def _step(step: str | int) -> str:
    if isinstance(step, int):
        return f"[{step}]"
    return f".{step}" if len(step) <= LONGEST_SHOWN and SIMPLE.fullmatch(step) else f"[{quoted(step)}]"


def quoted(text: str) -> str:
    """Repeat a word of the document in a message, safely and not at length."""
    short = text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}…"
    return json.dumps(short, ensure_ascii=not short.isprintable())


def listed(words: Iterable[str]) -> str:
    """Write words one after another."""
    return ", ".join(sorted(words))
