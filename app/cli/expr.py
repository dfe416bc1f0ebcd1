"""`jobledger expr`: try an expression before a job depends on it."""

from __future__ import annotations

import json
import secrets
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click
from rich_click import RichCommand

from app.cli import exits, screen
from app.cli.failure import Failure, Source
from domain.errors import Problem
from domain.expression import ExpressionError, evaluate, format_value, has_expression, render

if TYPE_CHECKING:
    from collections.abc import Sequence


def _pairs(_context: click.Context, _option: click.Parameter, given: Sequence[str]) -> dict[str, str]:
    pairs = [pair.partition("=") for pair in given]
    if not all(equals and name for name, equals, _ in pairs):
        raise click.BadParameter("write NAME=VALUE")
    return {name: value for name, _, value in pairs}


def _json(_context: click.Context, _option: click.Parameter, given: str | None) -> Any:
    """Read JSON as expressions do: every number is a float."""
    try:
        return None if given is None else json.loads(given, parse_int=float)
    except ValueError as error:
        raise click.BadParameter(f"not JSON: {error}") from None
    except RecursionError:
        raise click.BadParameter("nested too deeply") from None


@click.command("expr", cls=RichCommand)
@click.argument("text", metavar="EXPRESSION")
@click.option("--inputs", multiple=True, metavar="NAME=VALUE", callback=_pairs, help="An input; may be repeated.")
@click.option("--tasks", multiple=True, metavar="NAME=VALUE", callback=_pairs, help="A task's result; may be repeated.")
@click.option("--item", metavar="JSON", callback=_json, help="The value of the item in a loop.")
def command(text: str, inputs: dict[str, str], tasks: dict[str, str], item: Any) -> int:
    """Evaluate an EXPRESSION as a job would, and print its value.

    It may also be a text with expressions in braces: 'chunk {{ item.index }}'. Exit code 2 when it has no value.
    """
    scope = {"inputs": inputs, "tasks": tasks, "secrets": {}, "job": {}, "item": {"index": "0", "value": item}}
    chance = {"$now": datetime.now(UTC), "$seed": secrets.randbits(63)}
    try:
        written = _written(text, scope | chance)
    except ExpressionError as error:
        raise _failure(error, text) from None
    screen.write(f"{written}\n".encode(errors="replace"))
    return exits.DONE


def _written(text: str, scope: dict[str, Any]) -> str:
    return render(text, scope) if has_expression(text) else format_value(evaluate(text, scope))


def _failure(error: ExpressionError, text: str) -> Failure:
    failure = Failure(error.message)
    failure.problems = [Problem(error.message, "expression", line=error.line, column=error.column)]
    failure.source = Source("expression", text.encode(errors="replace"))
    return failure
