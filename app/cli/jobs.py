"""`jobledger jobs`: the list."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click
from rich_click import RichCommand

from app.cli import identify, options, screen, times

if TYPE_CHECKING:
    from collections.abc import Sequence

    from app.cli.client import Client, Document

HEAD = ("ID", "STATE", "TASKS", "CREATED", "TOOK", "NAME")


@click.command("jobs", cls=RichCommand)
@click.option("-q", "--query", metavar="TEXT", help="Words that must all be found, in names, tags, states ...; tag:x")
@options.page(identify.MOST_JOBS)
@options.client
def command(client: Client, query: str | None, page: int | None, size: int | None, *, as_json: bool) -> None:
    """List jobs, the newest first.

    In a pipe: a job a line, with tabs between id, state, tasks done and in all, time of creation, duration and name.
    """
    body = client.get("/jobs", **options.given(q=query, page=page, size=size))
    if as_json:
        screen.write_json(body)
        return
    listed = client.read(body)
    screen.rows(HEAD, [_row(job) for job in listed["items"]])
    _tell_place(listed)


def _row(job: Document) -> Sequence[str]:
    created = job["createdAt"]
    when = f"{times.age(created)} ago" if screen.stdout().is_terminal else created
    return (screen.short(job["id"]), job["state"], _done(job), when, times.took(job), job["name"])


def _done(job: Document) -> str:
    done = max(0, min(job["position"] - 1, job["taskCount"]))
    return f"{done}/{job['taskCount']}"


def _tell_place(listed: Document) -> None:
    """Say, beside the result, which part of the list this is."""
    total = listed["totalItems"]
    jobs = "1 job" if total == 1 else f"{total} jobs"
    place = f", page {listed['number']} of {listed['totalPages']}" if listed["totalPages"] > 1 else ""
    screen.stderr().print(f"{jobs}{place}", style="dim")
