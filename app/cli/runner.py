"""`jobledger runner`: a runner alone."""

from __future__ import annotations

from typing import Any

import click
from rich_click import RichCommand

from app import bootstrap
from app.cli import options, processes
from app.settings import Settings
from domain.errors import Refused


@click.command("runner", cls=RichCommand)
@options.data
@options.work
@options.runtime
@options.confinement
@options.lifeline
def command(lifeline: int | None, *, slots: int | None, **given: Any) -> None:
    """Run a runner alone: it follows the log in the data folder and runs what waits there.

    SIGTERM or Ctrl-C: it takes no more work and ends when its tasks have. Once more: it ends at once, its containers
    run on, and its next start takes them up again.
    """
    processes.begin("runner", lifeline)
    settings = Settings(slots=slots or 0, **given)
    processes.prepare(settings)
    with processes.explained(Refused):
        bootstrap.run_runner(settings)
