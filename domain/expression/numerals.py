"""Reads numbers, as literals and as data, with Go's bounds and Go's words for what is wrong."""

from __future__ import annotations

import math
import re

from domain.expression.errors import Fault
from domain.expression.values import HIGHEST, LOWEST

INTEGER = re.compile(r"[+-]?[0-9]+")
DIGITS = r"[0-9](?:_?[0-9])*"
DECIMAL = re.compile(rf"[+-]?(?:{DIGITS}(?:\.(?:{DIGITS})?)?|\.{DIGITS})(?:[eE][+-]?[0-9]+)?")
HEXADECIMAL = re.compile(r"[+-]?0[xX](?:[0-9a-fA-F]+\.?[0-9a-fA-F]*|\.[0-9a-fA-F]+)[pP][+-]?[0-9]{1,9}")
SPECIAL = re.compile(r"[+-]?inf(?:inity)?|nan", re.IGNORECASE)
LONGEST_NUMBER = 1000
"""Characters: more than a number can tell apart."""
BASES = {"0x": (16, "hex"), "0b": (2, "binary"), "0o": (8, "octal")}


def literal(text: str) -> int | float:
    """Return the value of a number in an expression."""
    digits = text.replace("_", "")
    lower = digits.lower()
    if not lower.startswith("0x") and ("." in lower or "e" in lower):
        return _float_literal(digits)
    return _integer_literal(digits, *BASES.get(lower[:2], (10, "integer")))


def _float_literal(digits: str) -> float:
    number = parse_float(digits)
    if number is None:
        wrong = "value out of range" if DECIMAL.fullmatch(digits) else "invalid syntax"
        raise Fault(f'invalid float literal: strconv.ParseFloat: parsing "{digits}": {wrong}')
    return number


def _integer_literal(digits: str, base: int, name: str) -> int:
    wrong = "value out of range"
    try:
        number = HIGHEST + 1 if len(digits) > LONGEST_NUMBER else int(digits, base)
    except ValueError:
        number, wrong = HIGHEST + 1, "invalid syntax"
    if number > HIGHEST:
        raise Fault(f'invalid {name} literal: strconv.ParseInt: parsing "{digits}": {wrong}')
    return number


def parse_int(text: str) -> int | None:
    """Read an integer as Go's Atoi does."""
    if len(text) > LONGEST_NUMBER or not INTEGER.fullmatch(text):
        return None
    number = int(text)
    return number if LOWEST <= number <= HIGHEST else None


def parse_float(text: str) -> float | None:
    """Read a number as Go's ParseFloat does."""
    if len(text) > LONGEST_NUMBER:
        return None
    if SPECIAL.fullmatch(text):
        return float(text)
    try:
        number = _finite(text)
    except OverflowError:
        return None
    return number if number is not None and math.isfinite(number) else None


def _finite(text: str) -> float | None:
    if DECIMAL.fullmatch(text):
        return float(text)
    return float.fromhex(text) if HEXADECIMAL.fullmatch(text) else None
