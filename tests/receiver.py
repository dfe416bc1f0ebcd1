"""A receiver of webhooks over real HTTP, which answers as it is told to, and one installation that sends to it."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple, Self
from uuid import UUID, uuid4

import pytest

from app.log import Log
from app.log.log import now
from app.policies import Policies
from app.settings import Settings
from app.vault import Vault
from domain import job
from domain.definition import JobDefinition, TaskDefinition
from domain.event import Recorded
from domain.job import Attempt, Job
from domain.secrets import conceal
from tests import controls as c
from tests.waiting import until


class Received(NamedTuple):
    """One request."""

    path: str
    headers: dict[str, str]
    body: bytes
    at: float

    @property
    def json(self) -> Any:
        return json.loads(self.body)


Answer = int | Callable[["Handler"], None]
"""A status, or what to do with the connection."""


class Receiver:
    """Answers the first requests as it is told to, and all others by 200. Use it with `with`."""

    def __init__(self, *answers: Answer, always: Answer = 200) -> None:
        self.received: list[Received] = []
        self.answers = list(answers)
        self.always = always
        self.gone = threading.Event()
        """Set at the end, for those who hang."""
        self._server = Server(("127.0.0.1", 0), Handler)
        self._server.receiver = self
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self.port: int = self._server.server_port
        self.url = f"http://127.0.0.1:{self.port}/hook"

    def __enter__(self) -> Self:  # noqa: D105 - see the class
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:  # noqa: D105 - see the class
        self.gone.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def has(self, count: int) -> list[Received]:
        """Wait until so many requests have come."""
        until(lambda: len(self.received) >= count)
        return self.received

    def states(self) -> list[str]:
        return [each.json["state"] for each in self.received]

    def secure(self, context: Any) -> None:
        """Speak TLS."""
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)


class Server(ThreadingHTTPServer):
    """Knows for whom it takes requests."""

    receiver: Receiver
    daemon_threads = False
    request_queue_size = 64

    def handle_error(self, *_: object) -> None:
        """Be silent about clients that go away."""


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    server: Server
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        receiver = self.server.receiver
        body = self.rfile.read(int(self.headers["content-length"]))
        headers = {name.lower(): value for name, value in self.headers.items()}
        receiver.received.append(Received(self.path, headers, body, time.monotonic()))
        answer = receiver.answers.pop(0) if receiver.answers else receiver.always
        if isinstance(answer, int):
            self.send_response(answer)
            self.send_header("Content-Length", "0")
            self.end_headers()
        else:
            answer(self)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def hangs(handler: Handler) -> None:
    """Never answer."""
    handler.server.receiver.gone.wait(30)
    handler.close_connection = True


def drips(handler: Handler) -> None:
    """Answer so slowly that each byte comes in time and the whole never."""
    for byte in b"HTTP/1.1 200 OK\r\nX-Slow: " + b"x" * 1000:
        if handler.server.receiver.gone.wait(0.2):
            break
        handler.connection.sendall(bytes([byte]))
    handler.close_connection = True


def breaks(handler: Handler) -> None:
    """Close the connection without an answer."""
    handler.close_connection = True
    handler.connection.shutdown(socket.SHUT_RDWR)


def babbles(handler: Handler) -> None:
    """Answer something that is not HTTP."""
    handler.connection.sendall(b"220 mail.example.com ESMTP\r\n\r\n")
    handler.close_connection = True


def redirects(to: str) -> Callable[[Handler], None]:
    """Send the client elsewhere."""

    def answer(handler: Handler) -> None:
        handler.send_response(307)
        handler.send_header("Location", to)
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    return answer


class Office:
    """A data folder whose policies can be run, and whose tasks are run by hand."""

    def __init__(self, data: Path, **settings: Any) -> None:
        self.settings = Settings(data=data, **settings)
        self.settings.prepare()
        self.log = Log(self.settings.log)
        self.vault = Vault(self.settings.secrets)

    def close(self) -> None:
        self.log.close()
        self.vault.close()

    @contextmanager
    def policies(self) -> Iterator[Policies]:
        with Policies(self.log, self.settings, self.vault) as policies:
            yield policies

    def submit(self, *tasks: TaskDefinition, **given: Any) -> UUID:
        """Hand in a job as the API does."""
        job_id = uuid4()
        definition, values = conceal(JobDefinition(**{"name": "job", "tasks": tasks} | given))
        self.vault.put(job_id, values)
        self.execute(job_id, job.Submit(at=now(), job=job_id, definition=definition))
        return job_id

    def execute(self, job_id: UUID, command: Any) -> Job:
        state: Job = self.log.execute(job, job_id, command, c.CLIENT).state
        return state

    def cancel(self, job_id: UUID) -> None:
        self.execute(job_id, job.Cancel(at=now()))

    def restart(self, job_id: UUID) -> None:
        self.execute(job_id, job.Restart(at=now()))

    def start(self, job_id: UUID, path: str = "1") -> None:
        """Begin a task that waits, as a runner does."""
        self.report(job_id, path, job.Claim, engine="e")
        self.report(job_id, path, job.IntendStart, container="c")
        self.report(job_id, path, job.Start)

    def complete(self, job_id: UUID, path: str = "1", result: str = "") -> None:
        """Run a task that waits to a good end."""
        self.start(job_id, path)
        self.report(job_id, path, job.Complete, result=result)

    def fail(self, job_id: UUID, path: str = "1", error: str = "exit code 1") -> None:
        """Run a task that waits to a bad end."""
        self.start(job_id, path)
        self.report(job_id, path, job.Fail, error=error, cause="exit")

    def report(self, job_id: UUID, path: str, kind: Any, **facts: Any) -> None:
        attempt = self.attempt(job_id, path).id
        self.execute(job_id, kind(at=now(), attempt=attempt, runner=c.RUNNER, epoch=c.EPOCH, **facts))

    def state(self, job_id: UUID) -> Job:
        state: Job = self.log.load(job, job_id)
        return state

    def attempt(self, job_id: UUID, path: str) -> Attempt:
        """Return the latest attempt of a task."""
        return next(each for each in reversed(self.state(job_id).attempts.values()) if each.path == path)

    def recorded(self, job_id: UUID) -> list[Recorded]:
        return list(self.log.read(job_id))

    def events(self, job_id: UUID, kind: type[Any] | tuple[type[Any], ...] = object) -> list[Any]:
        return [each.event for each in self.recorded(job_id) if isinstance(each.event, kind)]

    def ends(self, job_id: UUID) -> str:
        """Wait until a job has ended."""
        until(lambda: self.state(job_id).definition and not self.state(job_id).status.is_active)
        return self.state(job_id).status.value


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    """Give an installation in a folder of the test's own."""
    opened = Office(tmp_path)
    yield opened
    opened.close()


def task(**given: Any) -> TaskDefinition:
    """Make a task that runs a container, unless something else is given."""
    composite = {"each", "parallel", "subjob"} & given.keys()
    return TaskDefinition(**({"name": "t"} | ({} if composite else {"image": "busybox:stable"}) | given))
