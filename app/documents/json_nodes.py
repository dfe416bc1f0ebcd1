"""Reads JSON into nodes that know their line and column; refuses what the usual readers let pass.

Duplicate keys, NaN, integers that other programs would round, and depth that would end in a recursion error.
"""

from __future__ import annotations

import math
import re
from json import JSONDecodeError, JSONDecoder
from typing import NoReturn

from app.documents.nodes import LARGEST_INTEGER, Mapping, Node, Scalar, Sequence, Value
from app.documents.problems import Problems
from app.documents.text import Place, place
from app.documents.tree import Tree
from domain.errors import Problem

SPACE = re.compile(r"[ \t\n\r]*")
NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?")
WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
WORDS: dict[str, Value] = {"true": True, "false": False, "null": None}
DECODER = JSONDecoder()
SURROGATE = re.compile("[\ud800-\udfff]")

MOST_DIGITS = 17


def parse(text: str, problems: Problems) -> Node | None:
    """Read a document; None when there is nothing in it."""
    return _Reader(text, problems).document()


class _Reader:
    """The way through one text."""

    def __init__(self, text: str, problems: Problems) -> None:
        self._text = text
        self._problems = problems
        self._tree = Tree(problems)
        self._at = 0
        self._line = 0
        self._start = 0
        """Where the line begins."""

    def document(self) -> Node | None:
        if self._next():
            self._value()
        if self._next():
            self._fail("there is more after the end of the document", "remove it")
        return self._tree.root

    def _next(self) -> str:
        """Pass over spaces; return the character that follows, or nothing at the end."""
        before, self._at = self._at, SPACE.match(self._text, self._at).end()  # type: ignore[union-attr] # it always matches
        if self._at > before:
            breaks = self._text.count("\n", before, self._at)
            if breaks:
                self._line += breaks
                self._start = self._text.rfind("\n", before, self._at) + 1
        return self._text[self._at : self._at + 1]

    def _value(self) -> None:
        match self._text[self._at]:
            case '"':
                self._string()
            case "{":
                self._object()
            case "[":
                self._array()
            case _:
                self._literal()

    def _object(self) -> None:
        self._tree.open(Mapping(self._line, self._at - self._start, {}))
        self._at += 1
        character = self._next()
        while character != "}":
            self._entry(character)
            character = self._comma_or("}")
        self._at += 1
        self._tree.close()

    def _entry(self, character: str) -> None:
        if character != '"':
            self._expected("a key in double quotes")
        self._string()
        if self._next() != ":":
            self._expected("a colon")
        self._at += 1
        if not self._next():
            self._expected("a value")
        self._value()

    def _array(self) -> None:
        self._tree.open(Sequence(self._line, self._at - self._start, []))
        self._at += 1
        character = self._next()
        while character != "]":
            if not character:
                self._expected("a value or ]")
            self._value()
            character = self._comma_or("]")
        self._at += 1
        self._tree.close()

    def _comma_or(self, end: str) -> str:
        """Return the end, or what follows a comma."""
        character = self._next()
        if character == end:
            return end
        if character != ",":
            self._expected(f"a comma or {end}")
        self._at += 1
        character = self._next()
        if character == end:
            self._fail(f"a comma before {end}", "remove the comma")
        return character

    def _string(self) -> None:
        column = self._at - self._start
        try:
            value, self._at = DECODER.raw_decode(self._text, self._at)
        except JSONDecodeError as error:
            self._fail_in_string(error)
        if not value.isascii() and SURROGATE.search(value):
            problem = Problem("half of a character: a lone surrogate", "encoding", hint="write the character itself")
            self._problems.add(Place(self._line, column), self._tree.path(), problem)
            value = SURROGATE.sub("\ufffd", value)
        self._tree.put(Scalar(self._line, column, value))

    def _literal(self) -> None:
        column = self._at - self._start
        number = NUMBER.match(self._text, self._at)
        if number:
            value = self._number(number)
            self._at = number.end()
        else:
            value = self._word()
        self._tree.put(Scalar(self._line, column, value))

    def _number(self, found: re.Match[str]) -> Value:
        if found[1] or found[2]:
            fraction = float(found[0])
            if not math.isinf(fraction):
                return fraction
            problem = Problem("a number that is too large", "syntax", hint="put it in quotes to keep it as text")
        else:
            # thousands of digits would take their time, and then be refused by Python itself
            whole = int(found[0]) if len(found[0]) <= MOST_DIGITS else LARGEST_INTEGER + 1
            if abs(whole) <= LARGEST_INTEGER:
                return whole
            problem = Problem("a whole number beyond ±2^53", "range", hint="put it in quotes to keep it as text")
        self._problems.add(Place(self._line, self._at - self._start), self._tree.path(), problem)
        return 0

    def _word(self) -> Value:
        found = WORD.match(self._text, self._at)
        word = found[0] if found else ""
        if word not in WORDS:
            self._expected("a value")
        self._at += len(word)
        return WORDS[word]

    def _expected(self, what: str) -> NoReturn:
        character = self._text[self._at : self._at + 1]
        word = WORD.match(self._text, self._at)
        hint = HINTS.get(word[0] if word else character, "put it in double quotes" if word else "")
        self._fail(f"expected {what}" if character else f"the text ends where there should be {what}", hint)

    def _fail(self, message: str, hint: str) -> NoReturn:
        where = Place(self._line, self._at - self._start)
        self._problems.fail(where, self._tree.path(), Problem(message, "syntax", hint=hint))

    def _fail_in_string(self, error: JSONDecodeError) -> NoReturn:
        problem = next((problem for said, problem in STRING_ERRORS.items() if error.msg.startswith(said)), None)
        where = place(self._text, error.pos)
        self._problems.fail(where, self._tree.path(), problem or Problem(error.msg, "syntax"))


HINTS = {
    "'": "use double quotes",
    "#": "JSON has no comments",
    "/": "JSON has no comments",
    "True": "write true",
    "False": "write false",
    "None": "write null",
    "NaN": "JSON has no such number",
    "Infinity": "JSON has no such number",
}
STRING_ERRORS = {
    "Unterminated": Problem("the quote is never closed", "syntax", hint="close it with a double quote"),
    "Invalid control": Problem(
        "a control character in a text", "control_character", hint="write a line break as \\n and a tab as \\t"
    ),
    "Invalid \\escape": Problem("no such escape", "syntax", hint="write \\\\ for a backslash"),
    "Invalid \\uXXXX": Problem("four hexadecimal digits are missing after \\u", "syntax"),
}
