"""Counts what the house style bounds: 20 lines a function, 300 a file. Fails where one is longer and says not why.

`# long: REASON` on the line of a `def`, or on the first line of a file, says why.
"""

from __future__ import annotations

import ast
import statistics
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

FUNCTION = 20
FILE = 300
EXCUSE = "# long: "


class Function(NamedTuple):
    """A function and the lines of its body, without its docstring."""

    where: str
    lines: int
    excused: bool


def main(folders: list[str]) -> int:
    """Print the median and what is too long; the exit code tells whether something is."""
    files = [path for folder in folders for path in sorted(Path(folder).rglob("*.py"))]
    functions = [function for path in files for function in _functions(path)]
    too_long = [*_long_files(files), *_long_functions(functions)]
    print("\n".join(too_long), end="\n" if too_long else "")
    median = statistics.median(function.lines for function in functions)
    print(f"{len(functions)} functions, median {median:g} lines; {len(too_long)} too long")
    return 1 if too_long else 0


def _long_files(files: list[Path]) -> Iterator[str]:
    for path in files:
        lines = path.read_text().splitlines()
        if len(lines) > FILE and EXCUSE not in lines[0]:
            yield f"{path}: {len(lines)} lines, more than {FILE}"


def _long_functions(functions: list[Function]) -> Iterator[str]:
    for where, lines, excused in functions:
        if lines > FUNCTION and not excused:
            yield f"{where}: {lines} lines, more than {FUNCTION}"


def _functions(path: Path) -> Iterator[Function]:
    text = path.read_text()
    lines = text.splitlines()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            where = f"{path}:{node.lineno} {node.name}"
            yield Function(where, _length(node), EXCUSE in lines[node.lineno - 1])


def _length(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Count from the signature's end to the last line, the docstring left out."""
    body = node.body[1:] if ast.get_docstring(node, clean=False) is not None else node.body
    return (body[-1].end_lineno or 0) - body[0].lineno + 1 if body else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
