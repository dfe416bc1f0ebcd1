"""Texts with `{{ … }}` in them, and fields that are expressions by themselves."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import lru_cache
from typing import NamedTuple

from domain.expression.errors import ExpressionError, Fault
from domain.expression.limits import MOST_NODES, Evaluation, Value, bounded_text
from domain.expression.loops import Run
from domain.expression.patterns import spans
from domain.expression.printing import printed
from domain.expression.program import FEW, MANY, SEVERAL, SHORT, check_source, plain, program
from domain.expression.values import Sealed

Scope = Mapping[str, Value]
"""What expressions see. Of `inputs`, `secrets`, `tasks` and `job` each member is a text, and what is missing is the
empty one. `$now` is the time that `now()` returns, `$seed` a number from which chance comes; `$budget` bounds what many
evaluations do together."""

WEIGHT = 10
"""What each expression of a text takes, beside its nodes."""
TOO_MANY = "too many expressions in one text"


class Piece(NamedTuple):
    """An expression within a text."""

    before: str
    """The text in front of it, back to the expression before."""
    run: Run
    place: int
    """Where the expression begins."""


class Whole(NamedTuple):
    """An expression that is all that a text says."""

    source: str
    place: int


def evaluate(source: str, scope: Scope) -> Value:
    """Return the value of an expression: nil, a truth value, a number, a text, a list, a map, or a time."""
    return _value(Whole(source, 0), source, scope)


def _value(whole: Whole, text: str, scope: Scope) -> Value:
    evaluation = Evaluation(scope)
    try:
        return plain(program(whole.source, frozenset(scope)).run(evaluation), evaluation)
    except Fault as fault:
        raise _error(fault, text, whole.place) from None
    finally:
        evaluation.end()


def _error(fault: Fault, text: str, place: int) -> ExpressionError:
    return ExpressionError(fault.message, text, place + (fault.position or 0))


def format_value(value: Value) -> str:
    """Write a value as Go does with %v; a secret that is still sealed stays so."""
    try:
        return printed(value, Evaluation({}))
    except Fault as fault:
        raise ExpressionError(fault.message) from None


def has_expression(text: str) -> bool:
    """Tell whether a text has an expression in it."""
    return "{{" in text and _has_expression(text)


@lru_cache(SEVERAL)
def _has_expression(text: str) -> bool:
    return next(spans(text), None) is not None


def render(template: str, scope: Scope) -> str:
    """Put the values of expressions in their places; what they put in is not read again."""
    if "{{" not in template:
        return template
    names = frozenset(scope)
    pieces, after = _short(template, names) if len(template) <= SHORT else _long(template, names)
    evaluation = Evaluation(scope)
    written: list[str] = []
    try:
        for piece in pieces:
            written += piece.before, printed(piece.run(evaluation), evaluation)
        bounded_text(sum(map(len, written)), evaluation)
    except Fault as fault:
        place = pieces[min(len(written) // 2, len(pieces) - 1)].place
        raise _error(fault, template, place) from None
    finally:
        evaluation.end()
    return "".join((*written, after))


def _pieces(template: str, names: frozenset[str]) -> tuple[list[Piece], str]:
    """Cut a text into pieces, and what is behind the last one."""
    pieces: list[Piece] = []
    weight = end = 0
    for start, stop, first, last in spans(template):
        try:
            made = program(template[first:last], names)
            weight = _bounded(weight + made.weight)
        except Fault as fault:
            raise _error(fault, template, first) from None
        pieces.append(Piece(template[end:start], made.run, first))
        end = stop
    return pieces, template[end:]


_short = lru_cache(MANY)(_pieces)
_long = lru_cache(FEW)(_pieces)


def _bounded(weight: int) -> int:
    if weight > MOST_NODES:
        raise Fault(TOO_MANY, 0)
    return weight + WEIGHT


def check(source: str, names: Collection[str], *, secrets: bool) -> ExpressionError | None:
    """Say what is wrong with an expression, whatever the values: syntax, names, types, and where it has secrets."""
    try:
        check_source(source, frozenset(names), secrets=secrets)
    except Fault as fault:
        return _error(fault, source, 0)
    return None


def check_template(template: str, names: Collection[str], *, secrets: bool) -> list[ExpressionError]:
    """Say what is wrong with each expression of a text, with its place in the whole text."""
    if "{{" not in template:
        return []
    errors: list[ExpressionError] = []
    known, weight = frozenset(names), 0
    for _, _, first, last in spans(template):
        if weight > MOST_NODES:
            errors.append(ExpressionError(TOO_MANY, template, first))
            break
        try:
            weight += WEIGHT + check_source(template[first:last], known, secrets=secrets)
        except Fault as fault:
            errors.append(_error(fault, template, first))
            weight += WEIGHT + (last - first)
    return errors


@lru_cache(SEVERAL)
def _whole(text: str) -> Whole | None:
    """Return the one expression that a text is; there is none in a text around expressions."""
    if "{{" not in text:
        return Whole(text, 0)
    found = list(spans(text))
    if not found:
        return Whole(text, 0)
    start, stop, first, last = found[0]
    alone = not text[:start].strip() and not text[stop:].strip()
    return Whole(text[first:last], first) if alone else None


def expression_of(text: str) -> str:
    """Return the expression of a field that is one by itself: what is inside of `{{ … }}` if that is all there is.

    A text around expressions is no expression, and is returned as it is.
    """
    whole = _whole(text)
    return whole.source if whole else text


def evaluate_field(text: str, scope: Scope) -> Value:
    """Return the value of a field such as `each.list` or `output`: an expression, in braces or without.

    A text around expressions has the rendered text as its value.
    """
    whole = _whole(text)
    if whole:
        return _value(whole, text, scope)
    rendered = render(text, scope)
    return Sealed(rendered) if "\0" in rendered else rendered


def condition(text: str, scope: Scope) -> bool:
    """Tell whether a field such as `if` lets a task run: only false does not, as a truth value or as a text.

    Space around the text means nothing: what a task prints ends with a line break.
    """
    value = evaluate_field(text, scope)
    return value is not False and not (isinstance(value, str) and value.strip() == "false")


def check_field(text: str, names: Collection[str], *, secrets: bool) -> list[ExpressionError]:
    """Say what is wrong with a field that is an expression by itself."""
    whole = _whole(text)
    if whole is None:
        return check_template(text, names, secrets=secrets)
    try:
        check_source(whole.source, frozenset(names), secrets=secrets)
    except Fault as fault:
        return [_error(fault, text, whole.place)]
    return []
