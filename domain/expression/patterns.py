"""Regular expressions that can not hang: RE2, whose time grows with the text and never explodes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

import msgspec
import re2  # type: ignore[import-untyped]

from domain.expression.errors import Fault
from domain.expression.limits import LONGEST_PATTERN, Evaluation, Value

MOST_MEMORY = 1 << 18
"""Bytes that one program may take, and its automaton as much again."""
SMALL = 33
"""Instructions of a program whose automaton surely fits there; of a larger one each may take its turn at each byte."""
SEARCH = 20
"""Steps that each search takes."""
UNICODE_CLASS = re.compile(r"\\[pP]")
EXPRESSION = re2.compile(r"\{\{\s*(.+?)\s*\}\}")
"""What stands in a text for the value of an expression."""
GO_WORDS = {
    b"missing ]": "missing closing ]",
    b"missing )": "missing closing )",
    b"trailing \\": "trailing backslash at end of expression",
    b"bad repetition operator": "invalid nested repetition operator",
    b"invalid repetition size": "invalid repeat count",
    b"no argument for repetition operator": "missing argument to repetition operator",
    b"invalid perl operator": "invalid or unsupported Perl syntax",
    b"invalid named capture group": "invalid named capture",
}
"""Go's words for what RE2 says."""


class Pattern(msgspec.Struct, frozen=True):
    """A regular expression ready for use."""

    regex: Value
    size: int
    """Instructions of its program."""


def spans(text: str) -> Iterator[tuple[int, int, int, int]]:
    """Yield where each `{{ … }}` of a text begins and ends, and where the expression inside does."""
    readable = text if text.isascii() else text.encode(errors="replace").decode()
    for found in EXPRESSION.finditer(readable):
        yield (*found.span(), *found.span(1))


def pattern_cost(text: str) -> int:
    """Return the steps that it may take to read a regular expression; a class of Unicode's is a long list."""
    return 20 * len(text) + 1000 * len(UNICODE_CLASS.findall(text))


def program_cost(pattern: Pattern) -> int:
    """Return the steps that it took to make a program of a regular expression."""
    return 4 * pattern.size


@lru_cache(128)
def read_pattern(text: str) -> Pattern:
    """Read a regular expression."""
    if len(text) > LONGEST_PATTERN:
        raise Fault(f"error parsing regexp: longer than {LONGEST_PATTERN:,} characters")
    options = re2.Options()
    options.max_mem = MOST_MEMORY
    options.log_errors = False
    try:
        regex = re2.compile(text.encode(errors="replace"), options)
    except re2.error as error:
        raise Fault(f"error parsing regexp: {_in_go_words(error.args[0])}") from None
    return Pattern(regex, regex.programsize)


def _in_go_words(said: bytes) -> str:
    what, _, where = said.partition(b": ")
    shown = f": `{where.decode(errors='replace')}`" if where or what == b"trailing \\" else ""
    return GO_WORDS.get(what, what.decode()) + shown


def matches(pattern: Pattern, text: str, evaluation: Evaluation) -> bool:
    """Tell whether a text has a part that matches."""
    each = pattern.size >> 3 if pattern.size > SMALL else 0
    evaluation.spend(SEARCH + (len(text) >> 2) + len(text) * each)
    return pattern.regex.search(text.encode(errors="replace")) is not None


def matches_text(pattern: str, text: str, evaluation: Evaluation) -> bool:
    """Tell the same of a regular expression that has not been read."""
    evaluation.spend(pattern_cost(pattern))
    read = read_pattern(pattern)
    evaluation.spend(program_cost(read))
    return matches(read, text, evaluation)
