"""What a single text, number or list must be like, wherever in a job it stands.

A check finds one problem or none; a rule finds all of a value.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from domain.amounts import LEAST_MEMORY, Gpus, parse_cpus, parse_duration, parse_gpus, parse_memory
from domain.errors import Problem
from domain.expression import has_expression

__all__ = ["Gpus", "parse_cpus", "parse_duration", "parse_gpus", "parse_memory"]

Check = Callable[[str], Problem | None]
Rule = Callable[[str], Iterable[Problem]]
NumberRule = Callable[[float], Iterable[Problem]]
Count = Callable[[int], Iterable[Problem]]
"""What is wrong with a list or a mapping of so many."""

LONGEST_TEXT = 64 * 1024
"""Bytes of a text in UTF-8."""
CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f]")
CONTROL_OR_BREAK = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
BREAKS = "\n\r\u2028\u2029"


def given(text: str) -> Problem | None:
    """Ask for at least a character."""
    return None if text else Problem("must not be empty", "required", hint="give a value")


def at_most_characters(most: int) -> Check:
    """Make the check of a length."""

    def check(text: str) -> Problem | None:
        if len(text) <= most:
            return None
        return Problem(f"{len(text):,} characters are too many", "too_long", hint=f"use at most {most:,}")

    return check


def at_most_bytes(most: int, hint: str = "") -> Check:
    """Make the check of a size in UTF-8."""

    def check(text: str) -> Problem | None:
        # a character takes four bytes at most: short texts need no encoding to be measured
        if len(text) * 4 <= most or len(text.encode()) <= most:
            return None
        return Problem(f"{len(text.encode()):,} bytes are too many", "too_long", hint=hint or f"use at most {most:,}")

    return check


def printable(text: str) -> Problem | None:
    """Refuse control characters but tabs and line breaks."""
    found = None if text.isprintable() else CONTROL.search(text)
    return _control_character(found[0]) if found else None


def one_line(text: str) -> Problem | None:
    """Refuse control characters and line breaks."""
    found = None if text.isprintable() else CONTROL_OR_BREAK.search(text)
    if not found:
        return None
    if found[0] in BREAKS:
        return Problem("must be a single line", "control_character", hint="remove the line break")
    return _control_character(found[0])


def in_one_line(text: str) -> str:
    """Make one line of what may be several, with single spaces and no control characters."""
    return " ".join(CONTROL_OR_BREAK.sub(" ", text).split())


def _control_character(character: str) -> Problem:
    return Problem(f"contains the control character U+{ord(character):04X}", "control_character", hint="remove it")


def matching(pattern: re.Pattern[str], problem: Problem) -> Check:
    """Make the check of a text that has to look like something."""
    return lambda text: None if pattern.fullmatch(text) else problem


def parsed(parse: Callable[[str], object], code: str, hint: str) -> Check:
    """Make a check of what reads a text and raises ValueError with the reason if it can not."""

    def check(text: str) -> Problem | None:
        try:
            parse(text)
        except ValueError as error:
            return Problem(str(error), code, hint=hint)
        return None

    return check


def lasting(least: float = 0.0, most: float | None = None, limits: str = "") -> Check:
    """Make the check of a duration; the limits are told in words."""

    def parse(text: str) -> None:
        seconds = parse_duration(text)
        if seconds < least or (most and seconds > most):
            raise ValueError(f"must last {limits}")

    return parsed(parse, "duration", "write it like 5s, 1h30m or 300ms")


def one_of(words: Iterable[str], code: str) -> Check:
    """Make the check of a choice."""
    known = frozenset(words)
    problem = Problem("not one of the words that are known here", code, hint=f"known are {', '.join(sorted(known))}")
    return lambda text: None if text in known else problem


def few(most: int, what: str, fewest: int = 0) -> Count:
    """Make the rule of how many there may be."""

    def rule(count: int) -> Iterable[Problem]:
        if count < fewest:
            yield Problem(f"must hold at least {fewest}", "min", hint=f"add a {what}")
        if count > most:
            yield Problem(f"{count:,} {what}s are too many", "too_many", hint=f"use at most {most:,}")

    return rule


def within(least: float, most: float) -> NumberRule:
    """Make the rule of a number."""

    def rule(number: float) -> Iterable[Problem]:
        if not least <= number <= most:
            yield Problem("out of range", "range", hint=f"use {least:g} to {most:,.0f}")

    return rule


def first(*checks: Check) -> Check:
    """Make one check of several, of which each makes sense only when those before it are kept."""

    def check(text: str) -> Problem | None:
        return next((problem for each in checks if (problem := each(text))), None)

    return check


def optional(*checks: Check) -> Check:
    """Ask only of a text that is not empty."""
    check = first(*checks)
    return lambda text: check(text) if text else None


def every(*checks: Check) -> Rule:
    """Make a rule of checks that can all be broken at once."""

    def rule(text: str) -> Iterable[Problem]:
        return [problem for check in checks if (problem := check(text))]

    return rule


TEXT = every(at_most_bytes(LONGEST_TEXT), printable)


def evaluated(*checks: Check) -> Rule:
    """Make the rule of a text that may hold expressions: what comes of these is judged when it is known."""
    rule = every(*checks)
    return lambda text: TEXT(text) if "{{" in text and has_expression(text) else rule(text)


MEMORY = parsed(lambda text: parse_memory(text, LEAST_MEMORY), "range", "write it like 512m or 2g; at least 6m")
CPUS = parsed(parse_cpus, "range", "write it like 2, 1.5 or .5")
GPUS = parsed(parse_gpus, "gpus", "write it like all, 2 or device=0,1")
DURATION = lasting()
