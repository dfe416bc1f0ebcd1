"""Says in plain words what libyaml does not understand, and what is likely to be meant."""

from __future__ import annotations

from typing import NamedTuple

import yaml

from app.documents.text import Place, place
from domain.errors import Problem

QUOTE_VALUE = 'put the value in quotes: it must not begin with a special sign, or contain ": " or " #"'
ALIGN = "check the indentation: what belongs together begins in the same column"


class Slip(NamedTuple):
    """A common slip, known by what libyaml says of it."""

    said: str
    message: str
    hint: str
    at_start: bool = False
    """Point at where the thing began, not at where libyaml gave up."""


SLIPS = (
    Slip("found unexpected end of stream", "the quote is never closed", "close the quote that is opened here", True),  # noqa: FBT003 - at_start
    Slip("mapping values are not allowed", "a colon is not allowed here", f"{QUOTE_VALUE}; or {ALIGN}"),
    Slip("expected ',' or '}'", "the { is never closed", "close it with }, or put the text in quotes", True),  # noqa: FBT003
    Slip("expected ',' or ']'", "the [ is never closed", "close it with ], or put the text in quotes", True),  # noqa: FBT003
    Slip("did not find expected key", "this does not fit in here", f"{ALIGN}; or quote the value before it in full"),
    Slip("expected '-' indicator", "this does not belong in a list", f"begin it with '- ', or {ALIGN}"),
    Slip("could not find expected ':'", "a key without a colon", "write `key: value`; or indent a text that goes on"),
    Slip("block sequence entries are not allowed", "a list can not begin here", "put its first dash on the next line"),
    Slip("found unknown escape", "no such escape in double quotes", "use single quotes, or write \\\\ for a backslash"),
    Slip("invalid Unicode character escape", "the escape is not a character", "write the character itself"),
    Slip("incompatible YAML document", "this version of YAML is not supported", "remove the line that begins with %"),
    Slip("tag handle", "tags are not supported", "put a text that begins with ! in quotes"),
    Slip("block scalar", "this is not allowed after | or >", "begin the text on the next line, indented"),
    Slip("expected node content", "a value is missing here", "put a text that begins with a special sign in quotes"),
)
CODES = {"tag handle": "tag", "invalid Unicode character escape": "encoding"}


def explain(error: yaml.YAMLError, text: str) -> tuple[Place, None, Problem]:
    """Return where it is, the path, which is not known, and what."""
    if not isinstance(error, yaml.MarkedYAMLError) or error.problem_mark is None:
        return Place(0, 0), None, Problem("this is not YAML", "syntax")
    said = f"{error.problem} {error.context or ''}"
    where = Place(error.problem_mark.line, error.problem_mark.column)
    if "cannot start any token" in said:
        return where, None, _bad_start(text, where)
    slip = next((each for each in SLIPS if each.said in said), None)
    if not slip:
        return where, None, Problem(said.strip(), "syntax")
    if slip.at_start and error.context_mark:
        where = Place(error.context_mark.line, error.context_mark.column)
    return _inside(where, text), None, Problem(slip.message, CODES.get(slip.said, "syntax"), hint=slip.hint)


def _bad_start(text: str, where: Place) -> Problem:
    lines = text.splitlines()
    character = lines[where.line][where.column : where.column + 1] if where.line < len(lines) else ""
    if character == "\t":
        return Problem("a tab can not indent", "syntax", hint="indent with spaces")
    return Problem(f"a value can not begin with {character}", "syntax", hint="put the value in quotes")


def _inside(where: Place, text: str) -> Place:
    """Point at the end of the text and not behind it."""
    end = place(text, len(text.rstrip()))
    return min(where, end)
