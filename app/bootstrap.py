"""The one place that wires: it makes the parts of a process and runs them."""

from __future__ import annotations

import logging
import signal
import socket
import sys
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any

from app.lock import Held, locked
from app.log import Log
from app.vault import Vault, VaultUnusable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from app.settings import Settings

BACKLOG = 2_048
SERVER: dict[str, Any] = {
    "loop": "uvloop",
    "lifespan": "off",
    "log_config": None,
    "access_log": False,
    "server_header": False,
    "timeout_graceful_shutdown": 5,  # seconds that open requests have at the end
}

ENDS = (signal.SIGTERM, signal.SIGINT)

logger = logging.getLogger("jobledger.api")


class CannotServe(Exception):
    """The address of the API, or its data folder, is not to be had."""


def serve(settings: Settings) -> None:
    """Run the API, its views and the policies until a signal ends it."""
    import uvicorn  # noqa: PLC0415 - a runner needs no web server, and starts sooner without

    from app.api.application import application  # noqa: PLC0415 - as above
    from app.api.protocol import PatientProtocol  # noqa: PLC0415 - as above
    from app.policies import Policies  # noqa: PLC0415 - as above
    from app.views import Views  # noqa: PLC0415 - as above

    settings.prepare()
    with (
        _listen(settings.host, settings.port) as listener,
        _alone(settings.data),
        _open(settings) as log,
        _vault(settings) as vault,
        Views(log, settings.views) as views,
        Policies(log, settings, vault),
    ):
        config = uvicorn.Config(application(log, views, vault, settings), http=PatientProtocol, **SERVER)
        _ends_in_order()
        logger.info("listens on %s, port %d, over %s", settings.host, settings.port, settings.data)
        uvicorn.Server(config).run(sockets=[listener])


def run_runner(settings: Settings) -> None:
    """Run a runner until it has drained."""
    from app.runner import Runner  # noqa: PLC0415 - the API needs no Docker, and starts sooner without

    settings.prepare()
    with _open(settings) as log:
        Runner(log, settings).run()


def _open(settings: Settings) -> closing[Log]:
    return closing(Log(settings.log))


def _vault(settings: Settings) -> closing[Vault]:
    try:
        return closing(Vault(settings.secrets))
    except VaultUnusable as error:
        raise CannotServe(str(error)) from error


def _ends_in_order() -> None:
    """Leave the API's `with` blocks when uvicorn, after its own end, raises again the signal that it was ended by."""

    def leave(*_: object) -> None:
        for number in ENDS:
            signal.signal(number, signal.SIG_IGN)  # another one would break off in the midst of leaving
        sys.exit()

    for number in ENDS:
        signal.signal(number, leave)


@contextmanager
def _alone(data: Path) -> Iterator[None]:
    """See that no other API writes the same read models."""
    try:
        with locked(data / "serve.lock"):
            yield
    except Held as error:
        message = f"an API is at work on {data} already (process {error.holder}): choose another folder with --data"
        raise CannotServe(message) from None


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=BACKLOG)
    except OSError as error:
        raise CannotServe(f"can not listen on {host}:{port}: {error.strerror or error}") from error
