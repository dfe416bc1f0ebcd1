"""Cuts an expression into words, numbers, texts and signs."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import msgspec

from domain.expression.errors import Fault
from domain.expression.values import SPACES, whole

IDENTIFIER, NUMBER, STRING, OPERATOR, BRACKET, EOF = "Identifier", "Number", "String", "Operator", "Bracket", "EOF"
RAW, OTHER = "Raw", "Other"
"""What becomes a string, and what can not be read."""

WORDS = frozenset({"not", "in", "or", "and", "matches", "contains", "startsWith", "endsWith", "let", "if", "else"})
"""Operators that are written in letters."""
TOKEN = re.compile(
    rf"""
    (?> (?: [{SPACES}]+ | //[^\n]* | /\*(?s:.*?)\*/ )* )
    (?: (?P<Number>     (?: (?:0[xX][0-9a-fA-F_]*|0[oO][0-7_]*|0[bB][01_]*|[0-9][0-9_]*) (?:\.(?!\.)[0-9_]*)?
                          | \.[0-9][0-9_]* ) (?:[eE][+-]?[0-9_]*)? )
      | (?P<Identifier> [\w$]+ )
      | (?P<Operator>   [,;%+^-] | [&!=*<>][&=*]? | \.\.? | \?[.?]? | \|\|? | ::? | \#\#? | /(?!\*) )
      | (?P<Bracket>    [\[({{}})\]] )
      | (?P<String>     "(?>[^"\\\n]+|\\.)*" | '(?>[^'\\\n]+|\\.)*' )
      | (?P<Raw>        `(?>[^`]+|``)*` )
      | (?P<EOF>        \Z )
      | (?P<Other>      (?s:.) ) )
    """,
    re.VERBOSE,
)
KINDS = ("", NUMBER, IDENTIFIER, OPERATOR, BRACKET, STRING, RAW, EOF, OTHER)
"""Of the groups above, from 1."""
ESCAPE = re.compile(
    r"""
    \\(?: (?P<letter> [abfnrtv\\"'] ) | (?P<octal> [0-3][0-7]{2} )
        | x(?P<two> [0-9a-fA-F]{2} ) | u(?P<four> [0-9a-fA-F]{4} ) | U(?P<eight> [0-9a-fA-F]{8} )
        | u\{(?P<braced> [0-9a-fA-F]{1,6} )\} | (?P<wrong>) )
    """,
    re.VERBOSE,
)
LETTERS = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}
LAST_CHARACTER = 0x10FFFF


class Token(msgspec.Struct, frozen=True, gc=False):
    """A word, number, text or sign, and where it begins."""

    kind: str
    value: str
    position: int

    def __str__(self) -> str:
        """Name it as Go's expr does."""
        return f"{self.kind}({json.dumps(self.value, ensure_ascii=False)})" if self.value else self.kind


def tokenize(source: str) -> Iterator[Token]:
    """Cut an expression into tokens, of which the last one is EOF."""
    for found in TOKEN.finditer(source):  # pragma: no branch - it always finds EOF
        group = found.lastindex or 0
        kind, value, start = KINDS[group], found[group], found.start(group)
        if kind is OPERATOR or kind is BRACKET:
            yield Token(kind, value, start)
        elif kind is IDENTIFIER:
            _see_letters(value, start)
            yield Token(OPERATOR if value in WORDS else kind, value, start)
        elif kind is EOF:
            yield Token(kind, "", max(start - 1, 0))
            return
        else:
            yield _literal(kind, value, start, source)


def _literal(kind: str, value: str, start: int, source: str) -> Token:
    if kind is STRING:
        return Token(STRING, _unescaped(value, start), start)
    if kind is NUMBER:
        _see_end(value, start, source)
        return Token(NUMBER, value, start)
    if kind is RAW:
        return Token(STRING, whole(value[1:-1].replace("``", "`")), start)
    raise _unreadable(value, start, source)


def is_letter(character: str) -> bool:
    """Tell whether a character may stand in a word."""
    return character.isalpha() or character.isdecimal() or character in "_$"


def _see_letters(word: str, start: int) -> None:
    """Refuse what is a letter or digit to Python but not to Go, such as ²."""
    if word.isascii():
        return
    for index, character in enumerate(word):
        if not is_letter(character) or (index == 0 and character.isdecimal()):
            raise _unrecognized(character, start + index)


def _see_end(number: str, start: int, source: str) -> None:
    end = start + len(number)
    after = source[end : end + 1]
    if after and is_letter(after):
        raise Fault(f"bad number syntax: {json.dumps(number + after, ensure_ascii=False)}", end)


def _unescaped(quoted: str, start: int) -> str:
    """Return what a text in quotes stands for."""
    text = quoted[1:-1]
    if "\r" in text:
        text = text.replace("\r", "\n")
    if "\\" not in text:
        return whole(text)
    return whole(ESCAPE.sub(lambda escape: _character(escape, quoted[0], start), text))


def _character(escape: re.Match[str], quote: str, start: int) -> str:
    kind, value = str(escape.lastgroup), escape[str(escape.lastgroup)]
    if kind == "wrong" or value in {"'", '"'} - {quote}:
        raise Fault("invalid char escape", start + escape.start() + 2)
    if kind == "letter":
        return LETTERS.get(value, value)
    code = int(value, 8 if kind == "octal" else 16)
    if code > LAST_CHARACTER:
        raise Fault("unable to unescape string", start + escape.start() + 1)
    return chr(code)


def _unreadable(character: str, start: int, source: str) -> Fault:
    """Say why a token can not be read that begins with a character."""
    if character == "/":
        return Fault("unclosed comment", len(source))
    if character == "`":
        return Fault("literal not terminated", len(source))
    if character in "\"'":
        end = source.find("\n", start)
        return Fault("literal not terminated", end if end >= 0 else len(source))
    return _unrecognized(character, start)


def _unrecognized(character: str, position: int) -> Fault:
    shown = f" '{character}'" if character.isprintable() else ""
    return Fault(f"unrecognized character: U+{ord(character):04X}{shown}", position)
