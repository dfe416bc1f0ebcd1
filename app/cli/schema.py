"""`jobledger schema`: the JSON Schema of jobs, with which editors complete and check job files."""

from __future__ import annotations

import click
from rich_click import RichCommand

from app.schema import job_schema


@click.command("schema", cls=RichCommand)
def command() -> None:
    """Print the JSON Schema of jobs.

    An editor that knows it completes and checks job files as they are written: save it beside them, and let the first
    line of a file be `# yaml-language-server: $schema=job.schema.json`.
    """
    click.echo(job_schema())
