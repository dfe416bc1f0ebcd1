"""Reads numbers and truth values as YAML means them to Go, and as JSON writes them."""

from __future__ import annotations

import math
import re
from typing import Any

from app.documents.mismatch import mismatch
from app.documents.nodes import LARGEST_INTEGER, Node, Scalar
from app.documents.problems import Path, Problems
from domain.errors import Problem

TRUE = frozenset({"true", "True", "TRUE", "yes", "Yes", "YES", "on", "On", "ON", "y", "Y"})
FALSE = frozenset({"false", "False", "FALSE", "no", "No", "NO", "off", "Off", "OFF", "n", "N"})
TRUTHS = TRUE | FALSE
WHOLE = re.compile(r"[-+]?(?:0[xX][0-9a-fA-F_]+|0[bB][01_]+|0[oO]?[0-7_]*|[1-9][0-9_]*)")
OCTAL = re.compile(r"^([-+]?)0(?=[0-7])")
"""Go reads a number that begins with 0 as octal, as YAML 1.1 does."""
FRACTION = re.compile(r"[-+]?(?:\.[0-9]+|[0-9][0-9_]*(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
NOT_FINITE = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")
LONGEST_NUMBER = 64

WHOLE_NUMBER = ("a whole number", "write it like 3")
HAS_FRACTION = Problem("expected a whole number, got a number with a fraction", "type", hint="write it like 3")
NUMBER = ("a number", "write it like 1.5")
TRUTH = ("true or false", "write true or false")


def whole_number(node: Node, path: Path, problems: Problems) -> Any:
    """Return a whole number, or note why there is none."""
    value = node.value if isinstance(node, Scalar) else None
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, float) or (isinstance(node, Scalar) and node.plain and _has_fraction(str(value))):
        return problems.add(node, path, HAS_FRACTION)
    return _written(node, path, problems, WHOLE_NUMBER)


def _has_fraction(text: str) -> bool:
    return FRACTION.fullmatch(text) is not None and WHOLE.fullmatch(text) is None


def number(node: Node, path: Path, problems: Problems) -> Any:
    """Return a number, whole or not, or note why there is none."""
    value = node.value if isinstance(node, Scalar) else None
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    found = _written(node, path, problems, NUMBER)
    return found if found is None else float(found)


def _written(node: Node, path: Path, problems: Problems, expected: tuple[str, str]) -> Any:
    """Read a number that YAML has as text."""
    value = node.value if isinstance(node, Scalar) else None
    if not (isinstance(node, Scalar) and node.plain and isinstance(value, str)):
        is_number = isinstance(value, str) and (WHOLE.fullmatch(value) or FRACTION.fullmatch(value))
        return mismatch(node, path, problems, (expected[0], "remove the quotes") if is_number else expected)
    if NOT_FINITE.fullmatch(value):
        return problems.add(node, path, Problem("not a number that can be kept", "range", hint="write a finite number"))
    if WHOLE.fullmatch(value):
        return _whole(node, path, problems, expected)
    if expected is NUMBER and FRACTION.fullmatch(value):
        return _fraction(node, path, problems, value)
    return mismatch(node, path, problems, expected)


def _whole(node: Scalar, path: Path, problems: Problems, expected: tuple[str, str]) -> Any:
    text = str(node.value)
    if len(text) <= LONGEST_NUMBER:
        try:
            found = int(OCTAL.sub(r"\g<1>0o", text), 0)
        except ValueError:
            return mismatch(node, path, problems, expected)
        if abs(found) <= LARGEST_INTEGER:
            return found
    return problems.add(node, path, Problem("a whole number beyond ±2^53", "range", hint="write a smaller one"))


def _fraction(node: Scalar, path: Path, problems: Problems, text: str) -> Any:
    found = float(text.replace("_", "")) if len(text) <= LONGEST_NUMBER else math.inf
    return (
        found
        if math.isfinite(found)
        else problems.add(node, path, Problem("a number that is too large", "range", hint="write a smaller one"))
    )


def truth(node: Node, path: Path, problems: Problems) -> Any:
    """Return true or false, or note why there is none."""
    value = node.value if isinstance(node, Scalar) else None
    if isinstance(value, bool):
        return value
    if isinstance(node, Scalar) and node.plain and value in TRUTHS:
        return value in TRUE
    return mismatch(node, path, problems, (TRUTH[0], "remove the quotes") if value in TRUTHS else TRUTH)
