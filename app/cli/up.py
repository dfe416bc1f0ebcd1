"""`jobledger up`: the API and a runner, each a process of its own, kept alive."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from time import sleep
from typing import Any

import click
from rich_click import RichCommand

from app import __version__
from app.cli import address, exits, options, processes
from app.cli.failure import Failure
from app.lock import Held, locked
from app.settings import DEFAULT_SERVER, Settings
from app.supervisor import Supervisor

FIRST_LOOK = 0.05
LONGEST_PAUSE = 1.0
"""Seconds between looks whether the API answers, while it starts."""
ROOT = Path(__file__).parents[2]
"""Where our packages lie."""

BANNER = """\
Jobledger {version} keeps its data in {data}

  API      {url}
  Docs     {url}/docs
  OpenAPI  {url}/openapi.json

Next, in another terminal:

  {jobledger} submit examples/hello.yaml --follow{server}

Ctrl-C ends it.
"""


@click.command("up", cls=RichCommand)
@options.data
@options.address
@options.work
@options.runtime
@options.confinement
@options.reach
def command(*, insecure: bool, slots: int | None, **given: Any) -> int:
    """Run everything on this machine: the API with its read models, and a runner.

    Ctrl-C: the runner takes no more work, and all ends when its tasks have. Once more: all ends at once, the containers
    run on, and the next start takes them up again.
    """
    settings = Settings(slots=slots or 0, **given)
    address.check(settings.host, settings.port, insecure=insecure)
    processes.prepare(settings)
    with _alone(settings.data):
        threading.Thread(target=_announce, args=[settings], daemon=True).start()
        started = commands(settings, insecure=insecure)
        return Supervisor(started, _say, final=[exits.USAGE], environment=environment()).run()


@contextmanager
def _alone(data: Path) -> Iterator[None]:
    """See that nobody else runs everything on the same folder."""
    try:
        with locked(data / "up.lock"):
            yield
    except Held as error:
        message = f"jobledger up is at work on {data} already (process {error.holder})"
        raise Failure(message, hint="choose another folder: --data DIR") from None


def commands(settings: Settings, *, insecure: bool) -> dict[str, list[str]]:
    """Return how the processes are started, by their names."""
    return {"API": _serve(settings, insecure=insecure), "runner": _runner(settings)}


def _serve(settings: Settings, *, insecure: bool) -> list[str]:
    where = ["--host", settings.host, "--port", str(settings.port), *(["--insecure"] if insecure else [])]
    reach = [*_each("--allow-webhook", settings.webhooks_allowed), "--keep-secrets", _seconds(settings.secrets_kept)]
    return [*_program("serve", settings), *where, *reach]


def _runner(settings: Settings) -> list[str]:
    slots = ["--slots", str(settings.slots)] if settings.slots else []
    confinement = [*_each("--bind-root", settings.bind_roots), "--image-ttl", _seconds(settings.image_ttl)]
    queues = _each("--queue", settings.queues)
    return [*_program("runner", settings), "--name", settings.name, *slots, *queues, *confinement]


def _each(option: str, values: Iterable[object]) -> list[str]:
    return [part for value in values for part in (option, str(value))]


def _seconds(duration: float) -> str:
    return f"{duration:f}s" if duration else "0"


def _program(name: str, settings: Settings) -> list[str]:
    """Start our own package and no other: `-P` keeps Python from a folder named `app` where the user stands."""
    common = ["--data", str(settings.data), "--runtime", settings.runtime]
    return [sys.executable, "-P", "-m", "app", name, *common]


def environment() -> dict[str, str]:
    """Let the processes find the package where it is not installed, as in a clone."""
    if ROOT.name in {"site-packages", "dist-packages"}:
        return dict(os.environ)
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))}


def _announce(settings: Settings) -> None:
    """Say where everything is as soon as the API answers."""
    pause = FIRST_LOOK
    while not address.answers(settings.host, settings.port):
        sleep(pause)
        pause = min(1.2 * pause, LONGEST_PAUSE)
    url = address.url(settings.host, settings.port)
    server = "" if url == DEFAULT_SERVER else f" --server {url}"
    with suppress(OSError):  # nobody reads it any more
        click.echo(BANNER.format(version=__version__, data=settings.data, url=url, jobledger=_typed(), server=server))


def _typed() -> str:
    """Return the command as it was typed."""
    typed = sys.argv[0]
    return typed if Path(typed).name == "jobledger" and not Path(typed).is_absolute() else "jobledger"


def _say(line: str) -> None:
    with suppress(OSError):  # the terminal may be gone, and we are not
        click.echo(f"jobledger: {line}", err=True)
