"""Shows what is wrong with an input: where, why, and how to mend it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.cells import cell_len
from rich.text import Text

from app.cli.screen import Screen, printable, stderr

if TYPE_CHECKING:
    from app.cli.failure import Failure, Source
    from domain.errors import Problem

WIDEST = 100
"""Characters of a source line that are shown."""
BEFORE = 40
"""Of these, characters before the problem where the line is longer."""
INDENT = "    "

_ERROR = Text("error: ", style="bold red")


def explain(failure: Failure) -> None:
    """Say why a command could not do its work."""
    console = stderr()
    if not failure.problems:
        console.print(_ERROR, Text(printable(failure.message)), sep="")
    for detail in failure.details:
        console.print(Text(printable(detail)))
    for problem in failure.problems:
        show(console, problem, failure.source)
    _show_hint(console, failure.hint, "")


def show(console: Screen, problem: Problem, source: Source | None) -> None:
    """Print one problem, with its line of the source if that is known."""
    start = Text(place(problem, source), style="bold") if source else _ERROR
    console.print(start, Text(_message(problem)), sep="")
    if source and problem.line:
        _show_line(console, problem, source)
    _show_hint(console, problem.hint, INDENT if source else "")


def place(problem: Problem, source: Source) -> str:
    """Write where a problem is, as editors and terminals understand it: `file:line:column: `."""
    numbers = [str(number) for number in (problem.line, problem.column) if number]
    return ":".join([printable(source.name), *numbers]) + ": "


def _show_hint(console: Screen, hint: str, indent: str) -> None:
    if hint:
        console.print(Text(f"{indent}hint: ", style="bold cyan"), Text(printable(hint)), sep="")


def _message(problem: Problem) -> str:
    path = f"{problem.path}: " if problem.path else ""
    return printable(path + problem.message)


def _show_line(console: Screen, problem: Problem, source: Source) -> None:
    """Print the line of the source, and a caret under the column."""
    lines = source.body.decode(errors="replace").split("\n", problem.line)
    if problem.line > len(lines):
        return
    column = max(problem.column, 1) - 1
    first = max(0, column - BEFORE) if column > WIDEST - 10 else 0
    line = lines[problem.line - 1].rstrip("\r")
    before, shown = _one_wide(line[first:column]), _one_wide(line[first : first + WIDEST])
    margin = " " * len(str(problem.line))
    console.print(Text(f"{INDENT}{problem.line} | ", style="cyan"), Text(shown), sep="")
    if problem.column:
        console.print(
            Text(f"{INDENT}{margin} | ", style="cyan"), " " * cell_len(before), Text("^", style="red"), sep=""
        )


def _one_wide(text: str) -> str:
    """Keep the columns of a line: a tab or a control character takes one place."""
    return "".join(c if c.isprintable() else " " for c in text)
