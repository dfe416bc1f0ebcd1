"""The command `jobledger`. What a sub-command needs is imported when it is called, so that the others start fast."""

from __future__ import annotations

import os
import sys
from importlib import import_module

import click
from rich_click import RichCommand, RichGroup

from app import __version__
from app.cli import exits, interruption
from app.cli.failure import Failure

HOST = "Run Jobledger"
USE = "Use it"
COMMANDS = {
    "up": (HOST, "Run everything on this machine: the API and a runner."),
    "serve": (HOST, "Run the API alone."),
    "runner": (HOST, "Run a runner alone."),
    "submit": (USE, "Submit a job."),
    "jobs": (USE, "List jobs, the newest first."),
    "show": (USE, "Show a job and its tasks."),
    "logs": (USE, "Print what a job or a task printed."),
    "history": (USE, "Show all that happened to a job."),
    "cancel": (USE, "Call off a job that has not ended."),
    "restart": (USE, "Go on with a failed or cancelled job where it ended."),
    "validate": (USE, "Check job files, without a server."),
    "schema": (USE, "Print the JSON Schema of jobs, for editors."),
    "expr": (USE, "Evaluate an expression, as a job would."),
}
"""Each is a module of this package that holds the click command as `command`."""


class Commands(RichGroup):
    """Sub-commands of which only the one that is called is imported."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click passes it
        """List them in the order in which they are learnt."""
        return list(COMMANDS)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Put the real command in the place of its entry in the list."""
        name, found, rest = super().resolve_command(ctx, args)
        if name is None or found is None:
            return name, found, rest
        command: click.Command = import_module(f"app.cli.{found.name}").command
        return name, command, rest

    def invoke(self, ctx: click.Context) -> None:
        """Run the sub-command and exit with the code that it returns."""
        try:
            code = super().invoke(ctx) or exits.DONE
            sys.stdout.flush()
        except Failure as failure:
            import_module("app.cli.problems").explain(failure)
            code = failure.exit_code
        except BrokenPipeError:
            _give_up_stdout()
            code = exits.BROKEN_PIPE
        except OSError as error:
            _give_up_stdout()
            click.echo(f"error: {error.strerror or error}", err=True)
            code = exits.FAILED
        ctx.exit(code)


def _give_up_stdout() -> None:
    """Let the interpreter flush into nothing at its end: whoever read the output has gone."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@click.group(
    cls=Commands,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Wherever an ID is asked for, its first digits will do, or @latest for the newest job.",
)
@click.version_option(__version__, message="jobledger %(version)s")
def cli() -> None:
    """Run jobs of Docker tasks, and keep every step as an event in an append-only log."""


for _name, (_panel, _help) in COMMANDS.items():
    cli.add_command(RichCommand(name=_name, short_help=_help, panel=_panel))


def main() -> None:
    """Run the command line."""
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]  # a terminal may know less than UTF-8
    interruption.ends_at_once()
    cli(prog_name="jobledger")
