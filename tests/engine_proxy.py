"""A socket between a runner and its Docker Engine that can fail, as machines and daemons do."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Literal

Fault = Literal["lose the request", "lose the answer", "hang"]


class Proxy:
    """Passes everything on, but for the faults that it is told."""

    def __init__(self, path: Path, engine: Path) -> None:
        self.address = f"unix://{path}"
        self.requests: list[str] = []
        self._path = path
        self._engine = engine
        self._faults: list[tuple[str, Fault]] = []
        self._connections: set[socket.socket] = set()
        self._listener = socket.socket(socket.AF_UNIX)
        self._released = threading.Event()

    def fail(self, request: str, fault: Fault) -> None:
        """Fail once, at the next request whose first line holds a text."""
        self._faults.append((request, fault))

    def cut(self) -> None:
        """Break all connections."""
        for connection in tuple(self._connections):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    @contextmanager
    def open(self) -> Iterator[None]:
        """Listen."""
        self._listener.bind(str(self._path))
        self._listener.listen(64)
        threading.Thread(target=self._accept, daemon=True).start()
        try:
            yield
        finally:
            self._released.set()
            self._path.unlink()
            self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
            self.cut()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with client, socket.socket(socket.AF_UNIX) as engine, suppress(OSError):
            engine.connect(str(self._engine))
            self._connections |= {client, engine}
            deaf = threading.Event()
            threading.Thread(target=self._answer, args=(engine, client, deaf), daemon=True).start()
            while data := client.recv(65536):
                fault = self._fault(data)
                if fault == "hang":
                    self._released.wait()
                if fault in ("hang", "lose the request"):
                    break
                if fault == "lose the answer":
                    deaf.set()
                engine.sendall(data)
            self._connections -= {client, engine}
            for end in (client, engine):
                end.shutdown(socket.SHUT_RDWR)

    def _answer(self, engine: socket.socket, client: socket.socket, deaf: threading.Event) -> None:
        with suppress(OSError):
            while (data := engine.recv(65536)) and not deaf.is_set():
                client.sendall(data)
            client.shutdown(socket.SHUT_RDWR if deaf.is_set() else socket.SHUT_WR)

    def _fault(self, data: bytes) -> Fault | None:
        line = data.split(b"\r\n", 1)[0].decode(errors="replace")
        if not line.endswith("HTTP/1.1"):
            return None
        self.requests.append(line)
        for expected in self._faults:
            if expected[0] in line:
                self._faults.remove(expected)
                return expected[1]
        return None
