"""One request of HTTP, with an end to how long it takes in all."""

from __future__ import annotations

import io
import socket
import ssl
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import cached_property
from http.client import HTTPConnection, HTTPException, HTTPResponse
from pathlib import Path
from threading import Lock
from time import monotonic
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

    from app.policies.address import Address, Target

LONGEST_ANSWER = 64 * 1024
"""Bytes of an answer that are read before it is left."""


class Closed(Exception):
    """The process ends, and what was sent last may or may not have arrived."""


class Message(NamedTuple):
    """What is posted."""

    headers: Mapping[str, str]
    body: bytes


class Post:
    """Sends messages, from any thread, until it is closed."""

    def __init__(self, trusted: Path | None = None) -> None:
        """Trust whom the system trusts, or the certificates in a file."""
        self._trusted = trusted
        self._lock = Lock()
        self._open: set[socket.socket] = set()
        self._is_closed = False

    def close(self) -> None:
        """Break off all that is under way."""
        with self._lock:
            self._is_closed = True
            for each in self._open:
                with suppress(OSError):
                    socket.socket.shutdown(each, socket.SHUT_RDWR)  # not TLS's own, which waits for the other side

    def send(self, to: Target, addresses: Sequence[Address], message: Message, end: float) -> int:
        """Post a message to the first address that lets itself be reached; return the status.

        Raises `OSError` or `HTTPException` when there is none, as when the clock shows `end` before, and `Closed` when
        nobody will know any more.
        """
        try:
            with self._connected(to, addresses, end) as connection:
                return _exchange(connection, to, message, end)
        except (OSError, HTTPException):
            if self._is_closed:
                raise Closed from None
            raise

    @contextmanager
    def _connected(self, to: Target, addresses: Sequence[Address], end: float) -> Iterator[socket.socket]:
        connection = _connect(to, addresses, end)
        try:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if to.is_secure:
                connection = self._context.wrap_socket(
                    connection, server_hostname=to.host, do_handshake_on_connect=False
                )
            self._register(connection)
            connection.settimeout(_left(end))
            if isinstance(connection, ssl.SSLSocket):
                connection.do_handshake()
            yield connection
        finally:
            with self._lock:
                self._open.discard(connection)
            connection.close()

    def _register(self, connection: socket.socket) -> None:
        with self._lock:
            if self._is_closed:
                raise Closed
            self._open.add(connection)

    @cached_property
    def _context(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=self._trusted)


def _exchange(connection: socket.socket, to: Target, message: Message, end: float) -> int:
    writer = HTTPConnection(to.host, to.port)
    writer.sock = connection
    connection.settimeout(_left(end))
    writer.request("POST", to.path, message.body, {"host": to.named, "connection": "close", **message.headers})
    with HTTPResponse(_Reader(connection, end), method="POST") as answer:  # type: ignore[arg-type]  # all it needs
        answer.begin()
        with suppress(OSError, HTTPException):  # the message was taken, whatever comes of the rest
            answer.read(LONGEST_ANSWER)
        return answer.status


class _Reader(io.RawIOBase):
    """What comes from a connection, until the clock shows `end`: however slowly it drips."""

    def __init__(self, connection: socket.socket, end: float) -> None:
        self._connection = connection
        self._end = end

    def makefile(self, _: str) -> io.BufferedReader:
        return io.BufferedReader(self)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        self._connection.settimeout(_left(self._end))
        return self._connection.recv_into(buffer)


def _connect(to: Target, addresses: Sequence[Address], end: float) -> socket.socket:
    failure: OSError = ConnectionError("the host has no address")
    for address in addresses:
        try:
            return socket.create_connection((str(address), to.port), _left(end))
        except OSError as error:
            failure = error
    raise failure


def _left(end: float) -> float:
    left = end - monotonic()
    if left <= 0:
        raise TimeoutError
    return left
