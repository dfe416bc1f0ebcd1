"""A client that sends too slowly is told so, or let go of: it does not hold a connection for ever."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from time import monotonic, sleep

import pytest
import uvicorn

from app.api import body, protocol
from app.api.application import application
from app.log import Log
from app.settings import Settings
from app.vault import Vault
from app.views import Views

HEAD = b"POST /jobs HTTP/1.1\r\nHost: x\r\nContent-Type: text/yaml\r\nContent-Length: 100\r\n"


@pytest.fixture
def port(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """Give the port of an API that has little patience."""
    monkeypatch.setattr(protocol, "PATIENCE", 1.0)
    monkeypatch.setattr(body, "PATIENCE", 1.0)
    with (
        closing(Log(tmp_path / "log.db")) as log,
        Views(log, tmp_path / "views") as views,
        closing(Vault(tmp_path / "secrets.db")) as vault,
        socket.create_server(("127.0.0.1", 0)) as listener,
    ):
        app = application(log, views, vault, Settings(data=tmp_path))
        server = uvicorn.Server(uvicorn.Config(app, http=protocol.PatientProtocol, lifespan="off", log_config=None))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        yield listener.getsockname()[1]
        server.should_exit = True
        thread.join()


def answer(port: int, *pieces: bytes) -> bytes:
    """Send pieces, and return all that comes until the connection is closed."""
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        for piece in pieces:
            connection.sendall(piece)
        received = b""
        while piece := connection.recv(4096):
            received += piece
        return received


@pytest.mark.parametrize("pieces", [(), (HEAD,)], ids=["nothing", "half a head"])
def test_who_does_not_finish_the_head_of_a_request_is_let_go_of(port: int, pieces: tuple[bytes, ...]) -> None:
    began = monotonic()
    assert answer(port, *pieces) == b""
    assert monotonic() - began < 10


def test_who_does_not_finish_a_body_is_told_so(port: int) -> None:
    received = answer(port, HEAD + b"\r\n", b"name")
    assert received.startswith(b"HTTP/1.1 408 ")
    assert b"connection: close" in received.lower()
    assert b"did not come within" in received


def test_who_takes_time_between_requests_but_not_within_is_served(port: int) -> None:
    request = b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n"
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        for _ in range(2):
            connection.sendall(request)
            assert connection.recv(4096).startswith(b"HTTP/1.1 200")
            sleep(1.2)  # longer than the patience with a head: it is the pause itself that is tested
