"""The one place that wires: it makes the parts of a process and runs them."""

from __future__ import annotations

import socket
from contextlib import closing
from typing import TYPE_CHECKING

from app.log import Log

if TYPE_CHECKING:
    from app.settings import Settings

BACKLOG = 2_048
STOP_WITHIN = 5
"""Seconds that open requests have at the end."""


class CannotListen(Exception):
    """The address of the API is not to be had."""


def serve(settings: Settings) -> None:
    """Run the API and its views until a signal ends it."""
    import uvicorn  # noqa: PLC0415 - a runner needs no web server, and starts sooner without

    from app.api.application import application  # noqa: PLC0415 - as above
    from app.views import Views  # noqa: PLC0415 - as above

    settings.prepare()
    with _listen(settings.host, settings.port) as listener, _open(settings) as log, Views(log, settings.views) as views:
        config = uvicorn.Config(
            application(log, views, settings.output),
            loop="uvloop",
            http="httptools",
            log_config=None,
            access_log=False,
            lifespan="off",
            server_header=False,
            timeout_graceful_shutdown=STOP_WITHIN,
        )
        uvicorn.Server(config).run(sockets=[listener])


def run_runner(settings: Settings) -> None:
    """Run a runner until it has drained."""
    from app.runner import Runner  # noqa: PLC0415 - the API needs no Docker, and starts sooner without

    settings.prepare()
    with _open(settings) as log:
        Runner(log, settings).run()


def _open(settings: Settings) -> closing[Log]:
    return closing(Log(settings.log))


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=BACKLOG)
    except OSError as error:
        raise CannotListen(f"can not listen on {host}:{port}: {error.strerror or error}") from error
