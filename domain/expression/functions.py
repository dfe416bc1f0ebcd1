"""All built-in functions, by name."""

from __future__ import annotations

from collections.abc import Callable

from domain.expression.dates import DATES
from domain.expression.encodings import ENCODINGS
from domain.expression.limits import Value
from domain.expression.lists import LISTS
from domain.expression.numeric import NUMERIC
from domain.expression.texts import TEXTS

FUNCTIONS: dict[str, Callable[..., Value]] = {**TEXTS, **NUMERIC, **LISTS, **ENCODINGS, **DATES}
"""Each takes the evaluation and its arguments; those with predicates, and chance, are made by the compiler."""
FREE = frozenset({"len", "type", "get", "first", "last"})
"""Functions that take no longer for what is long."""
