"""What commands write: tables and colours in a terminal, plain lines elsewhere, bytes as they come."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

STYLES = {
    "PENDING": "dim",
    "CREATED": "dim",
    "SKIPPED": "dim",
    "SCHEDULED": "blue",
    "RUNNING": "cyan",
    "COMPLETED": "green",
    "FAILED": "red",
    "CANCELLED": "yellow",
}
MARGIN = 12
"""Columns for the names of fields."""
SHORT = 12
"""Digits of an id in a terminal's table."""


class Screen(Console):
    """A console that lets a broken pipe be known, so that the command ends quietly."""

    def on_broken_pipe(self) -> None:
        """Hand the error on."""
        raise BrokenPipeError


def stdout() -> Screen:
    """Return the console for results."""
    return Screen(highlight=False, markup=False, emoji=False, soft_wrap=True)


def stderr() -> Screen:
    """Return the console for everything that is not a result."""
    return Screen(stderr=True, highlight=False, markup=False, emoji=False, soft_wrap=True)


def write(chunk: bytes) -> None:
    """Write bytes as they are, at once."""
    sys.stdout.buffer.write(chunk)
    sys.stdout.buffer.flush()


def write_json(document: bytes) -> None:
    """Write what the API answered, to the letter."""
    write(document.rstrip(b"\n") + b"\n")


def printable(text: str) -> str:
    """Show control characters instead of obeying them: names and messages come from strangers."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def cell(text: str) -> Text:
    """Return a value for eyes: a state in its colour, lines as lines, and nothing else that could act on a terminal."""
    return Text("\n".join(printable(line) for line in text.splitlines()), style=STYLES.get(text, ""))


def short(identifier: str) -> str:
    """Shorten an id for eyes; in a pipe it stays whole, for other programs."""
    return identifier[:SHORT] if stdout().is_terminal else identifier


def rows(head: Sequence[str], lines: Iterable[Sequence[str]]) -> None:
    """Print a table in a terminal, and elsewhere lines with tabs; the last column takes what room there is."""
    console = stdout()
    if not console.is_terminal:
        for line in lines:
            click.echo("\t".join(printable(value) for value in line))
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in head[:-1]:
        table.add_column(name, no_wrap=True)
    table.add_column(head[-1], overflow="fold")
    for line in lines:
        table.add_row(*map(cell, line))
    console.print(table, soft_wrap=False)


def fields(pairs: Iterable[tuple[str, str]]) -> None:
    """Print names and values, one pair a line, without those that have no value."""
    console = stdout()
    for name, value in pairs:
        if value:
            first, *more = cell(value).split("\n", allow_blank=True)
            console.print(Text(f"{name:<{MARGIN}}", style="bold"), first, sep="")
            for line in more:
                console.print(Text(" " * MARGIN), line, sep="")
