"""`jobledger logs`: what a job or a task printed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click
from rich_click import RichCommand

from app.cli import follow, identify, options, screen
from app.cli.failure import Failure

if TYPE_CHECKING:
    from app.cli.client import Client
    from app.cli.identify import Printed


@click.command("logs", cls=RichCommand)
@options.identifier
@click.option("-f", "--follow", "following", is_flag=True, help="Go on until the job or the task has ended.")
@options.client
def command(identifier: str, client: Client, *, following: bool, as_json: bool) -> None:
    """Print what a job or a task printed, stdout and stderr as Docker delivered them, byte for byte.

    ID: a job's or a task's, or at least 4 of its first digits, or @latest for the newest job. With -o json: the pages
    of the API, one a line, the newest part first.
    """
    if following and as_json:
        msg = "-f prints what the tasks print, which is no JSON"
        raise Failure(msg, hint="leave -f or -o json out")
    printed = identify.printed(client, identifier)
    if as_json:
        for page in client.pages(printed.path, size=100):
            screen.write_json(page)
    elif following and printed.job:
        _follow(client, printed)
    else:
        for chunk in client.text(printed.path):
            screen.write(chunk)


def _follow(client: Client, printed: Printed) -> None:
    with follow.watching(printed.job, states=False) as watcher:
        follow.follow(client, printed, watcher)
