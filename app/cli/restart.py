"""`jobledger restart`: go on with a job."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click
from rich_click import RichCommand

from app.cli import identify, options, screen

if TYPE_CHECKING:
    from app.cli.client import Client


@click.command("restart", cls=RichCommand)
@options.identifier
@options.client
def command(identifier: str, client: Client, *, as_json: bool) -> None:
    """Go on with a failed or cancelled job, at the task where it ended; earlier attempts stay in its history.

    ID: all of it, at least 4 of its first digits, or @latest. Exit code 1 when the state of the job forbids it.
    """
    job_id = identify.job(client, identifier)
    body = client.put(f"/jobs/{job_id}/restart")
    if as_json:
        screen.write_json(body)
    else:
        screen.stdout().print(f"goes on: {job_id}")
