"""`jobledger show`: one job."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING

import click
from rich_click import RichCommand

from app.cli import identify, options, screen, times

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from app.cli.client import Client, Document

HEAD = ("TASK", "ID", "STATE", "TOOK", "NAME", "RESULT")
MANY = 20
"""Attempts within one task that are shown each by itself; of more, only those that failed."""
INDENT = "  "


@click.command("show", cls=RichCommand)
@options.identifier
@options.client
def command(identifier: str, client: Client, *, as_json: bool) -> None:
    """Show a job and the attempts of its tasks, those within another task below that.

    ID: all of it, at least 4 of its first digits, or @latest. Where there are many, those that failed are shown, and
    how many others there are; -o json has all of them.
    """
    body = client.get(f"/jobs/{identify.job(client, identifier)}")
    if as_json:
        screen.write_json(body)
        return
    job = client.read(body)
    screen.fields(_fields(job))
    if job.get("execution"):
        screen.stdout().print()
        screen.rows(HEAD, rows(job["execution"]))


def _fields(job: Document) -> Iterator[tuple[str, str]]:
    for name in ("id", "name", "description", "state", "error", "result"):
        yield name, str(job.get(name, ""))
    yield "parent", _parent(job)
    yield "tags", ", ".join(job.get("tags", ()))
    yield "tasks", f"{max(0, min(job['position'] - 1, job['taskCount']))} of {job['taskCount']} done"
    yield "progress", f"{job['progress']:g} %" if job.get("progress") else ""
    for name in ("created", "started", "completed", "failed", "cancelled"):
        yield name, times.local(job.get(f"{name}At"))
    yield "took", times.took(job)
    yield "deleted", times.local(job.get("deleteAt"))


def _parent(job: Document) -> str:
    if not job.get("parentId"):
        return ""
    return f"task {job['parentId']} of job {job.get('parentJobId', 'unknown')}"


def rows(attempts: Sequence[Document]) -> Iterator[Sequence[str]]:
    """Tell of each attempt in a row, and below it of those within it."""
    inside: defaultdict[str, list[Document]] = defaultdict(list)
    for attempt in attempts:
        inside[attempt.get("parentId", "")].append(attempt)
    for siblings in inside.values():
        siblings.sort(key=_place)
    yield from _below(inside, "", 0)


def _below(inside: Mapping[str, Sequence[Document]], parent: str, depth: int) -> Iterator[Sequence[str]]:
    siblings = inside.get(parent, ())
    shown = siblings
    if len(siblings) > MANY:
        shown = [each for each in siblings if each["state"] == "FAILED"][:MANY]
    for attempt in shown:
        yield _row(attempt, depth)
        yield from _below(inside, attempt["id"], depth + 1)
    if len(shown) < len(siblings):
        yield _others(siblings, shown, depth)


def _place(attempt: Document) -> int:
    """Return the place of an attempt among its siblings; attempts of one task stay as they came."""
    return int(_path(attempt).rpartition(".")[2])


def _path(attempt: Document) -> str:
    return str(attempt.get("path", attempt["position"]))


def _others(siblings: Sequence[Document], shown: Sequence[Document], depth: int) -> Sequence[str]:
    counts = Counter(each["state"] for each in siblings)
    counts.subtract(each["state"] for each in shown)
    told = ", ".join(f"{count:,} {state}" for state, count in counts.most_common() if count)
    path = f"{_path(siblings[0]).rpartition('.')[0]}.*".lstrip(".")
    return (path, "", "", "", f"{INDENT * depth}{len(siblings) - len(shown):,} more", told)


def _row(attempt: Document, depth: int) -> Sequence[str]:
    name, identifier = f"{INDENT * depth}{attempt.get('name', '')}", screen.short(attempt["id"])
    return (_path(attempt), identifier, attempt["state"], times.took(attempt), name, _outcome(attempt))


def _outcome(attempt: Document) -> str:
    """Say what came of an attempt, or how far it is."""
    told = (_waits(attempt), _done(attempt), _job(attempt), str(attempt.get("error") or attempt.get("result", "")))
    return ": ".join(filter(None, told))


def _waits(attempt: Document) -> str:
    left = times.left(attempt.get("dueAt"))
    return f"not before {times.span(left)} from now" if attempt["state"] == "SCHEDULED" and left > 0 else ""


def _done(attempt: Document) -> str:
    inside: Document = attempt.get("each") or attempt.get("parallel") or {}
    if inside:
        size = inside.get("size", len(inside.get("tasks", ())))
        return f"{inside.get('completions', 0):,} of {size:,} done"
    return f"{attempt['progress']:g} %" if attempt["state"] == "RUNNING" and attempt.get("progress") else ""


def _job(attempt: Document) -> str:
    job = attempt.get("subjob", {}).get("id", "")
    return f"job {screen.short(job)}" if job else ""
