"""`jobledger serve`: the API alone."""

from __future__ import annotations

from typing import Any

import click
from rich_click import RichCommand

from app import bootstrap
from app.cli import address, options, processes
from app.settings import Settings
from domain.errors import Refused


@click.command("serve", cls=RichCommand)
@options.data
@options.address
@options.runtime
@options.reach
@options.lifeline
def command(lifeline: int | None, *, insecure: bool, **given: Any) -> None:
    """Run the API alone; jobs wait until a runner comes that follows the same log."""
    processes.begin("api", lifeline)
    settings = Settings(**given)
    address.check(settings.host, settings.port, insecure=insecure)
    processes.prepare(settings)
    with processes.explained(bootstrap.CannotServe, Refused):
        bootstrap.serve(settings)
