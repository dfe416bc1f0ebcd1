"""`jobledger show`: one job."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click
from rich_click import RichCommand

from app.cli import identify, options, screen, times

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from app.cli.client import Client, Document

HEAD = ("TASK", "ID", "STATE", "TOOK", "NAME", "RESULT")


@click.command("show", cls=RichCommand)
@options.identifier
@options.client
def command(identifier: str, client: Client, *, as_json: bool) -> None:
    """Show a job and every attempt of its tasks.

    ID: all of it, at least 4 of its first digits, or @latest.
    """
    body = client.get(f"/jobs/{identify.job(client, identifier)}")
    if as_json:
        screen.write_json(body)
        return
    job = client.read(body)
    screen.fields(_fields(job))
    if job.get("execution"):
        screen.stdout().print()
        screen.rows(HEAD, [_row(task) for task in job["execution"]])


def _fields(job: Document) -> Iterator[tuple[str, str]]:
    for name in ("id", "name", "description", "state", "error"):
        yield name, str(job.get(name, ""))
    yield "tags", ", ".join(job.get("tags", ()))
    yield "tasks", f"{max(0, min(job['position'] - 1, job['taskCount']))} of {job['taskCount']} done"
    for name in ("created", "started", "completed", "failed", "cancelled"):
        yield name, times.local(job.get(f"{name}At"))
    yield "took", times.took(job)


def _row(task: Document) -> Sequence[str]:
    outcome = task.get("error") or task.get("result", "")
    name = task.get("name", "")
    return (str(task["position"]), screen.short(task["id"]), task["state"], times.took(task), name, outcome)
