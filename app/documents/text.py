"""Turns bytes into text, and refuses what is not plain text in UTF-8."""

from __future__ import annotations

import codecs
import re
from typing import NamedTuple

from app.documents.problems import Problems
from domain.errors import Problem

MARKS = (codecs.BOM_UTF8, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
NOT_IN_YAML = re.compile("[^\t\n\r\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]")
"""Control characters, odd line breaks, and what is no character at all."""
BREAKS = "\x85\u2028\u2029"


class Place(NamedTuple):
    """A place in a text, counted from 0."""

    line: int
    column: int


def place(text: str, offset: int) -> Place:
    """Tell the line and column of a character."""
    return Place(text.count("\n", 0, offset), offset - text.rfind("\n", 0, offset) - 1)


def decode(body: bytes, problems: Problems) -> str:
    """Read UTF-8, without a byte order mark."""
    hint = "save the file as UTF-8, without a byte order mark"
    if body.startswith(MARKS) or b"\0" in body[:2]:
        problems.fail(Place(0, 0), None, Problem("the text is not plain UTF-8", "encoding", hint=hint))
    try:
        return body.decode()
    except UnicodeDecodeError as error:
        before = body[: error.start].decode()
        message = f"the byte 0x{body[error.start]:02X} is not UTF-8 here"
        problems.fail(place(before, len(before)), None, Problem(message, "encoding", hint=hint))


def check_for_yaml(text: str, problems: Problems) -> None:
    """Refuse characters that YAML does not allow, or not every reader of it."""
    for found in NOT_IN_YAML.finditer(text):
        name = f"U+{ord(found[0]):04X}"
        hint = "use a plain line break" if found[0] in BREAKS else "remove it"
        problem = Problem(f"the character {name} is not allowed", "control_character", hint=hint)
        problems.add(place(text, found.start()), None, problem)
    problems.settle()
