"""Says in plain words what libyaml does not understand, and what is likely to be meant."""

from __future__ import annotations

from typing import NamedTuple

import yaml

from app.documents.text import Place, place
from domain.errors import Problem

ALIGN = "check the indentation: what belongs together begins in the same column"
QUOTE = "put the value in quotes, all of it"


class Slip(NamedTuple):
    """A common slip, known by what libyaml says of it."""

    said: str
    message: str
    hint: str
    hint_in_value: str = ""
    """Where the line holds the beginning of a value before."""
    at_start: bool = False
    """Point at where the thing began, not at where libyaml gave up."""
    code: str = "syntax"


SLIPS = (
    Slip("document indicator", "the quote is never closed", "close the quote that is opened here", at_start=True),
    Slip("mapping keys are not", "a value can not begin with ?", QUOTE),
    Slip("hexdecimal number", "digits of the escape are missing", "write it like \\x41 or \\u0041"),
    Slip("unexpected end of stream", "the quote is never closed", "close the quote that is opened here", at_start=True),
    Slip(
        "mapping values are not", "a colon is not allowed here", f"put a colon after the key before; or {ALIGN}", QUOTE
    ),
    Slip("found unexpected ':'", "a colon is not allowed here", QUOTE),
    Slip("expected ',' or '}'", "the { is never closed", "close it with }, or put the text in quotes", at_start=True),
    Slip("expected ',' or ']'", "the [ is never closed", "close it with ], or put the text in quotes", at_start=True),
    Slip("expected key", "this does not fit in here", ALIGN, f"{QUOTE}; a quote in single quotes is written twice"),
    Slip("expected '-' indicator", "this does not belong in a list", f"begin it with '- '; or {ALIGN}"),
    Slip("expected ':'", "a key without a colon", "write key: value; or indent a text that goes on", at_start=True),
    Slip("block sequence entries", "a list can not begin here", "put its first dash on the next line"),
    Slip("scanning an alias", "a value can not begin with *", QUOTE, at_start=True),
    Slip("scanning an anchor", "a value can not begin with &", QUOTE, at_start=True),
    Slip("tab character", "a tab can not indent", "indent with spaces"),
    Slip("unknown escape", "no such escape in double quotes", "use single quotes, or write \\\\ for a backslash"),
    Slip("Unicode character escape", "the escape is no character", "write the character itself", code="encoding"),
    Slip("incompatible YAML document", "this version of YAML is not supported", "remove the line that begins with %"),
    Slip("directive", "this line tells YAML what it does not know", "remove the line that begins with %"),
    Slip("a tag", "tags are not supported", "put a text that begins with ! in quotes", at_start=True, code="tag"),
    Slip("tag handle", "tags are not supported", "put a text that begins with ! in quotes", code="tag"),
    Slip("block scalar", "this is not allowed after | or >", "begin the text on the next line, indented"),
    Slip("node content", "a value is missing here", "put a text that begins with a special sign in quotes"),
    Slip("document start", "there is more after the end of the document", "put the text in quotes, all of it"),
)


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
    in_value = ": " in _line(text, where)[: where.column]
    hint = slip.hint_in_value if in_value and slip.hint_in_value else slip.hint
    return _inside(where, text), None, Problem(slip.message, slip.code, hint=hint)


def _line(text: str, where: Place) -> str:
    lines = text.splitlines()
    return lines[where.line] if where.line < len(lines) else ""


def _bad_start(text: str, where: Place) -> Problem:
    character = _line(text, where)[where.column : where.column + 1]
    if character == "\t":
        return Problem("a tab can not indent", "syntax", hint="indent with spaces")
    return Problem(f"a value can not begin with {character}", "syntax", hint="put the value in quotes")


def _inside(where: Place, text: str) -> Place:
    """Point at the end of the text and not behind it."""
    end = place(text, len(text.rstrip()))
    return min(where, end)
