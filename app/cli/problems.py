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


def explain(failure: Failure) -> None:
    """Say why a command could not do its work."""
    console = stderr()
    located = [problem for problem in failure.problems if problem.line or problem.path]
    if failure.message and not (located and failure.source):
        console.print(Text("error: ", style="bold red"), Text(printable(failure.message)), sep="")
    for detail in failure.details:
        console.print(Text(printable(detail)))
    for problem in located:
        show(console, problem, failure.source)
    hints = [failure.hint, *(problem.hint for problem in failure.problems if problem not in located)]
    for hint in filter(None, hints):
        console.print(Text("hint: ", style="bold cyan"), Text(printable(hint)), sep="")


def show(console: Screen, problem: Problem, source: Source | None) -> None:
    """Print one problem, with its line of the source if that is known."""
    console.print(Text(place(problem, source), style="bold"), Text(_message(problem)), sep="")
    if source and problem.line:
        _show_line(console, problem, source)
    if problem.hint:
        console.print(Text("    hint: ", style="bold cyan"), Text(printable(problem.hint)), sep="")


def place(problem: Problem, source: Source | None) -> str:
    """Write where a problem is, as editors and terminals understand it: `file:line:column: `."""
    name = f"{printable(source.name)}:" if source else ""
    if not problem.line:
        return f"{name} " if name else ""
    if not name:
        return f"line {problem.line}, column {problem.column}: "
    return f"{name}{problem.line}:{problem.column}: " if problem.column else f"{name}{problem.line}: "


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
    console.print(Text(f"    {problem.line} | ", style="cyan"), Text(shown), sep="")
    if problem.column:
        console.print(Text(f"    {margin} | ", style="cyan"), " " * cell_len(before), Text("^", style="red"), sep="")


def _one_wide(text: str) -> str:
    """Keep the columns of a line: a tab or a control character takes one place."""
    return "".join(c if c.isprintable() else " " for c in text)
