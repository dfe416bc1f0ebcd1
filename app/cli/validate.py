"""`jobledger validate`: check job files before anyone else sees them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click
import msgspec
from rich.text import Text
from rich_click import RichCommand

from app.cli import exits, files, options, problems, screen
from app.documents import read_job
from domain.errors import Invalid, Problem

if TYPE_CHECKING:
    from collections.abc import Sequence

    from app.cli.failure import Source


class Checked(msgspec.Struct, frozen=True):
    """What was found in a file."""

    file: str
    errors: Sequence[Problem]


@click.command("validate", cls=RichCommand)
@click.argument("names", metavar="FILE...", nargs=-1, required=True)
@click.option(
    "--runtime",
    type=click.Choice(["docker", "process"]),
    default="docker",
    show_default=True,
    help="What will run the tasks; processes need no image.",
)
@options.as_json
def command(names: tuple[str, ...], runtime: str, *, as_json: bool) -> int:
    """Check job FILEs (YAML or JSON; - for stdin), without a server.

    Every problem is shown at once, with its place and a hint. Exit code 2 when a file has any.
    """
    checked = [_check(files.read(name), images=runtime == "docker", quiet=as_json) for name in names]
    if as_json:
        screen.write_json(msgspec.json.encode(checked))
    return exits.USAGE if any(each.errors for each in checked) else exits.DONE


def _check(source: Source, *, images: bool, quiet: bool) -> Checked:
    try:
        read_job(source.body, files.form(source), images=images)
    except Invalid as invalid:
        if not quiet:
            _show(source, invalid.problems)
        return Checked(source.name, invalid.problems)
    if not quiet:
        screen.stdout().print(Text(f"{screen.printable(source.name)}: "), Text("ok", style="green"), sep="")
    return Checked(source.name, ())


def _show(source: Source, found: Sequence[Problem]) -> None:
    console = screen.stdout()
    for problem in found:
        problems.show(console, problem, source)
