"""`jobledger history`: all that happened to a job."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click
from rich.text import Text
from rich_click import RichCommand

from app.cli import identify, options, screen, times

if TYPE_CHECKING:
    from collections.abc import Iterator

    from app.cli.client import Client, Document

SIZE = 1000
"""Events on a page: as many as there may be."""
TOLD = frozenset({"type", "at", "items"})
"""What the line says elsewhere, or `show` does."""
IDS = frozenset({"attempt", "job", "parent", "runner", "container", "image", "engine"})
STYLES = {
    "Completed": "green",
    "Delivered": "green",
    "Failed": "red",
    "Rejected": "red",
    "Lost": "red",
    "GaveUp": "red",
    "Cancelled": "yellow",
    "Stopped": "yellow",
    "Deleted": "yellow",
}
INSIDE = {"each": "each", "parallel": "parallel", "subjob": "job"}
"""What a task is made of, in a word."""


@click.command("history", cls=RichCommand)
@options.identifier
@options.page(SIZE)
@options.client
def command(client: Client, identifier: str, page: int | None, size: int | None, *, as_json: bool) -> None:
    """Show all that happened to a job, the oldest first: number, time, event, who, and what matters of the rest.

    ID: all of it, at least 4 of its first digits, or @latest. With -o json: the pages of the API, one a line.
    """
    path = f"/jobs/{identify.job(client, identifier)}/events"
    one = options.given(page=page, size=size)
    pages = [client.get(path, **one)] if one else client.pages(path, size=SIZE)
    console = screen.stdout()
    for body in pages:
        if as_json:
            screen.write_json(body)
        else:
            for event in client.read(body)["items"]:
                console.print(line(event))


def line(event: Document) -> Text:
    """Tell an event in a line."""
    console = screen.stdout()
    when = times.local(event["time"]) if console.is_terminal else event["time"]
    style = next((style for word, style in STYLES.items() if event["type"].endswith(word)), "")
    return Text.assemble(
        (f"{event['number']:>4}  {when}  ", "dim"),
        (f"{event['type']:<17}  ", style),
        (f"{_actor(event['actor'])}  ", "dim"),
        screen.printable("  ".join(_telling(event))),
    )


def _actor(actor: dict[str, str]) -> str:
    return screen.printable(" ".join(filter(None, [actor["kind"], actor["id"], actor.get("address", "")])))


def _telling(event: Document) -> Iterator[str]:
    own = {"job"} if event["type"] == "JobSubmitted" else set()  # it is the job whose history this is
    for name, value in event["data"].items():
        if name not in TOLD | own:
            yield f"{name}={_told(name, value)}"


def _told(name: str, value: Any) -> str:
    """Write a value in few words."""
    if isinstance(value, dict):
        return _summary(value)
    if isinstance(value, float):
        return f"{value:g}"
    text = str(value)
    return text.removeprefix("sha256:")[: screen.SHORT] if name in IDS else text


def _summary(value: Document) -> str:
    """Write what a job, a task, the measure of an output or the task that started a job is told by."""
    if "length" in value:
        return f"{value['length']} bytes"
    if "attempt" in value:
        return f"{value['attempt'][: screen.SHORT]} of job {value['job'][: screen.SHORT]}"
    words = [str(value[name]) for name in ("name", "image") if value.get(name)]
    words += [f"({word})" for name, word in INSIDE.items() if value.get(name)]
    if "tasks" in value:
        words.append(f"({len(value['tasks'])} tasks)")
    return " ".join(words) or "..."
