"""A stand-in for the API, on a real socket: jobs that go on by a step each time someone looks at them."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

from click.testing import CliRunner, Result

from app.cli import cli

if TYPE_CHECKING:
    from collections.abc import Iterator

Command = Callable[..., Result]
Answer = tuple[int, bytes]
CREATED = "2026-11-24T01:02:03.000004Z"
FIRST = "aaaa1111" + "0" * 24
SECOND = "aaaa2222" + "0" * 24
THIRD = "bbbb3333" + "0" * 24
TASK = "cccc4444" + "0" * 24
ENDS = {"COMPLETED": "completedAt", "FAILED": "failedAt", "CANCELLED": "cancelledAt"}


def document(identifier: str, state: str = "COMPLETED", **more: Any) -> dict[str, Any]:
    """Make a job as the API shows it."""
    job = {"id": identifier, "name": "hello", "state": state, "createdAt": CREATED, "position": 1, "taskCount": 1}
    if state != "PENDING":
        job["startedAt"] = CREATED
    if state in ENDS:
        job[ENDS[state]] = "2026-11-24T01:02:05.500004Z"
    return job | {"tasks": [{"name": "greet", "image": "busybox"}]} | more


def _json(document: dict[str, Any], status: int = 200) -> Answer:
    return (status, json.dumps(document).encode())


class Api:
    """What the stand-in knows and what it was asked."""

    def __init__(self) -> None:
        """Know nothing yet."""
        self.url = ""
        self.jobs: list[dict[str, Any]] = []
        """The newest first."""
        self.steps: dict[str, list[tuple[str, bytes]]] = {}
        """By job, the states to come, each with what is printed until then."""
        self.output: dict[str, bytes] = {}
        """By path."""
        self.events: list[dict[str, Any]] = []
        self.fixed: dict[tuple[str, str], list[Answer]] = {}
        """Answers that come before all others, one after another."""
        self.requests: list[tuple[str, str, dict[str, str], bytes]] = []

    def answer(self, method: str, target: str, accept: str) -> Answer:
        """Answer a request."""
        url = urlsplit(target)
        query = {name: values[0] for name, values in parse_qs(url.query).items()}
        if self.fixed.get((method, url.path)):
            return self.fixed[method, url.path].pop(0)
        parts = url.path.strip("/").split("/")
        if parts == ["jobs"]:
            return self._page(self.jobs, query) if method == "GET" else _json(self.jobs[0])
        job = next((job for job in self.jobs if job["id"] == parts[1]), None)
        if url.path in self.output or (job and parts[-1] == "log"):
            return self._log(url.path, query, accept)
        if job is None:
            return _json({"message": f"{parts[0][:-1]} not found", "code": "not_found"}, 404)
        return self._of_job(job, method, parts[-1], query)

    def _of_job(self, job: dict[str, Any], method: str, what: str, query: dict[str, str]) -> Answer:
        if what == "events":
            return self._page(self.events, query)
        return _json({"status": "OK"} if method == "PUT" else self._step(job))

    def _page(self, items: list[dict[str, Any]], query: dict[str, str]) -> Answer:
        number, size = int(query.get("page", 1)), int(query.get("size", 10))
        shown = items[(number - 1) * size : number * size]
        pages = -(-len(items) // size)
        page = {"items": shown, "number": number, "size": len(shown), "totalPages": pages, "totalItems": len(items)}
        return _json(page)

    def _log(self, path: str, query: dict[str, str], accept: str) -> Answer:
        printed = self.output.get(path, b"")
        if accept == "text/plain":
            return (200, printed[int(query.get("from", 0)) :])
        return self._page([{"number": 1, "contents": printed.decode()}], query)

    def _step(self, job: dict[str, Any]) -> dict[str, Any]:
        steps = self.steps.get(job["id"])
        if steps:
            state, printed = steps.pop(0)
            job.update(document(job["id"], state))
            path = f"/jobs/{job['id']}/log"
            self.output[path] = self.output.get(path, b"") + printed
        return job


class Handler(BaseHTTPRequestHandler):
    """Speaks HTTP for the stand-in."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    api: Api

    def _serve(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.api.requests.append((self.command, self.path, dict(self.headers), body))
        status, answer = self.api.answer(self.command, self.path, self.headers.get("Accept", ""))
        self.send_response(status)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    do_GET = do_POST = do_PUT = _serve  # noqa: N815 - the names that http.server calls

    def log_message(self, *_: Any) -> None:
        """Keep quiet."""


def command_line(api: Api) -> Command:
    """Give the command line, which finds the stand-in through the environment."""

    def invoke(*arguments: str, stdin: bytes = b"") -> Result:
        return CliRunner().invoke(cli, arguments, input=stdin, env={"JOBLEDGER_SERVER": api.url})

    return invoke


@contextmanager
def running() -> Iterator[Api]:
    """Run the stand-in for as long as it is needed."""
    api = Api()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("OurHandler", (Handler,), {"api": api}))
    api.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=[0.01])
    thread.start()
    try:
        yield api
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
