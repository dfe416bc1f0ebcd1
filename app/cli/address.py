"""Where the API listens: whether it may, whether it can, and what to type into a browser."""

from __future__ import annotations

import errno
import socket
from ipaddress import ip_address
from time import monotonic, sleep

from app.cli.failure import Failure

PATIENCE = 2.0
"""Seconds for an answer of the API."""
LETTING_GO = 0.5
"""Seconds for a port to become free."""

EXPOSED = (
    "will not listen on {host}: there is no authentication yet, so everyone who can reach port {port}"
    " could run containers on this machine"
)
EXPOSED_HINT = (
    "leave --host out, and put a proxy that asks for a password before 127.0.0.1;"
    " or add --insecure if you trust everyone on that network"
)
REASONS = {
    errno.EADDRINUSE: (
        "port {port} of {host} is taken, perhaps by another `jobledger up`",
        "stop what listens there, or choose another port: --port {other}",
    ),
    errno.EACCES: ("port {port} may not be used by this account", "choose a port from 1024 on: --port 8000"),
    errno.EADDRNOTAVAIL: ("{host} is not an address of this machine", "choose another: --host 127.0.0.1"),
}
UNKNOWN = ("can not listen on {host}:{port}: {error}", "choose other ones with --host and --port")


def check(host: str, port: int, *, insecure: bool) -> None:
    """Fail, with what to do, if the API may not or can not listen here."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        if not insecure and not all(ip_address(address[4][0]).is_loopback for address in found):
            raise Failure(EXPOSED.format(host=host, port=port), hint=EXPOSED_HINT)
        _try(host, port)
    except OSError as error:
        message, hint = REASONS.get(error.errno or 0, UNKNOWN)
        values = {"host": host, "port": port, "other": port + 1, "error": error.strerror or error}
        raise Failure(message.format(**values), hint=hint.format(**values)) from error


def url(host: str, port: int) -> str:
    """Return the address for clients on this machine."""
    near = reachable(host)
    return f"http://[{near}]:{port}" if ":" in near else f"http://{near}:{port}"


def reachable(host: str) -> str:
    """Return where a server that listens on a host, or on all, is reached from this machine."""
    return {"0.0.0.0": "127.0.0.1", "": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - to translate it


def answers(host: str, port: int) -> bool:
    """Tell whether the API answers; with no more than a socket, for an HTTP client takes memory."""
    try:
        with socket.create_connection((reachable(host), port), timeout=PATIENCE) as connection:
            connection.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            return connection.recv(5) == b"HTTP/"
    except OSError:
        return False


def _try(host: str, port: int) -> None:
    """Listen and stop again; a server that was killed a moment ago may take another one to let go of its port."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    deadline = monotonic() + LETTING_GO
    while True:
        try:
            return socket.create_server((host, port), family=family).close()
        except OSError as error:
            if error.errno != errno.EADDRINUSE or monotonic() > deadline:
                raise
        sleep(LETTING_GO / 10)
