"""Options that several commands have."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from app.settings import DEFAULT_DATA, DEFAULT_SERVER

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.cli.client import Client

DEFAULT_HOST = "127.0.0.1"
DEFAULT_PORT = 8000

Command = TypeVar("Command", bound="Callable[..., Any]")

identifier = click.argument("identifier", metavar="ID")


def client(command: Command) -> Command:
    """Give a command `client`, which talks to the server, and `as_json`."""
    server = click.option(
        "--server",
        "client",
        metavar="URL",
        envvar="JOBLEDGER_SERVER",
        default=DEFAULT_SERVER,
        show_default=True,
        show_envvar=True,
        callback=_client,
        help="Where the API is.",
    )
    return server(as_json(command))


def _client(_context: click.Context, _option: click.Parameter, server: str) -> Client:
    from app.cli.client import Client  # noqa: PLC0415 - `up` shares this module and needs no HTTP client

    return Client(server)


def as_json(command: Command) -> Command:
    """Give a command `as_json`: whether programs read what it writes."""
    return click.option(
        "-o",
        "--output",
        "as_json",
        type=click.Choice(["text", "json"]),
        default="text",
        show_default=True,
        callback=lambda _context, _option, value: value == "json",
        help="Text for people, or JSON exactly as the API has it.",
    )(command)


def page(most: int) -> Callable[[Command], Command]:
    """Give a command `page` and `size`."""
    number = click.option("--page", type=click.IntRange(1), help="Which page.")
    size = click.option("--size", type=click.IntRange(1, most), help="Items on a page.")
    return lambda command: number(size(command))


def given(**query: str | int | None) -> dict[str, str | int]:
    """Return what was given of a query."""
    return {name: value for name, value in query.items() if value is not None}


def data(command: Command) -> Command:
    """Give a command `data`: the folder that holds everything."""
    return click.option(
        "--data",
        type=click.Path(file_okay=False, path_type=Path),
        envvar="JOBLEDGER_DATA",
        default=DEFAULT_DATA,
        show_default=True,
        show_envvar=True,
        help="The folder that holds everything.",
    )(command)


def address(command: Command) -> Command:
    """Give a command `host`, `port` and `insecure`: where the API listens."""
    host = click.option("--host", default=DEFAULT_HOST, show_default=True, help="The address to listen on.")
    port = click.option(
        "--port", type=click.IntRange(1, 65535), default=DEFAULT_PORT, show_default=True, help="The port to listen on."
    )
    insecure = click.option(
        "--insecure", is_flag=True, help="Listen beyond this machine, though there is no authentication yet."
    )
    return host(port(insecure(command)))


class Duration(click.ParamType[float]):
    """Seconds, written as Go writes durations; 0 for none."""

    name = "duration"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Read it."""
        if isinstance(value, float):
            return value
        from domain.rules import parse_duration  # noqa: PLC0415 - without a duration to read, no rules are needed

        text = str(value)
        try:
            return 0.0 if text == "0" else parse_duration(text)
        except ValueError as error:
            self.fail(f"{text!r}: {error}", param, ctx)


def runtime(command: Command) -> Command:
    """Give a command `runtime`: what runs the tasks."""
    return click.option(
        "--runtime",
        type=click.Choice(["docker", "process"]),
        default="docker",
        show_default=True,
        help="What runs the tasks: containers, or processes of this machine, without any confinement.",
    )(command)


def reach(command: Command) -> Command:
    """Give a command `webhooks_allowed` and `secrets_kept`: what the policies of the API go by."""
    allowed = click.option(
        "--allow-webhook",
        "webhooks_allowed",
        multiple=True,
        metavar="NETWORK",
        help="A network (10.0.0.0/8) or host that webhooks may reach though it is not public; may be repeated.",
    )
    kept = click.option(
        "--keep-secrets",
        "secrets_kept",
        type=Duration(),
        default=24 * 3600.0,
        show_default="24h",
        help="How long after its end the secrets of a job are kept, so that it can be restarted.",
    )
    return allowed(kept(command))


def confinement(command: Command) -> Command:
    """Give a command `bind_roots` and `image_ttl`: what tasks may have of this machine."""
    roots = click.option(
        "--bind-root",
        "bind_roots",
        multiple=True,
        type=click.Path(file_okay=False, path_type=Path),
        metavar="DIR",
        help="A folder of this machine that tasks may mount, with all that is in it; may be repeated.",
    )
    ttl = click.option(
        "--image-ttl",
        type=Duration(),
        default=72 * 3600.0,
        show_default="72h",
        help="How long after its last use an image that Jobledger pulled is kept; 0 for ever.",
    )
    return roots(ttl(command))


def work(command: Command) -> Command:
    """Give a command `slots`, `queues` and `name`: what the runner takes."""
    slots = click.option(
        "--slots", type=click.IntRange(1), help="Containers at a time.  [default: twice the number of processors]"
    )
    queues = click.option(
        "--queue",
        "queues",
        multiple=True,
        default=["default"],
        show_default=True,
        help="A queue to take tasks from; may be repeated.",
    )
    name = click.option("--name", default="", help="The runner's name.  [default: the host's]")
    return slots(queues(name(command)))


lifeline = click.option("--lifeline", type=int, hidden=True, help="The pipe by which `up` is known to live.")
