"""Talks to the REST API."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import msgspec
import urllib3
from urllib3.exceptions import HTTPError, LocationParseError, MaxRetryError

from app import __version__
from app.cli import exits
from app.cli.failure import Failure
from domain.errors import Problem

if TYPE_CHECKING:
    from collections.abc import Iterator

TIMEOUT = urllib3.Timeout(connect=5, read=30)
PATIENT = urllib3.Timeout(connect=5, read=3_660)
"""For a submission, which may ask for an answer at the job's end: within an hour."""
CHUNK = 65_536

Document = dict[str, Any]


class Unreachable(Failure):
    """No server answers, or none that can serve just now; later one may."""

    def __init__(self, message: str, hint: str = "") -> None:
        """Fail with the exit code for this."""
        super().__init__(message, hint=hint, exit_code=exits.UNREACHABLE)


class Rejected(Failure):
    """The server answered with an error."""

    def __init__(self, rejection: Rejection, status: int) -> None:
        """Fail with what the server said."""
        code = exits.FAILED if rejection.code == "state" else exits.USAGE
        super().__init__(rejection.message or f"the server answers with HTTP {status}", exit_code=code)
        self.problems = rejection.errors
        self._status = status

    @property
    def is_missing(self) -> bool:
        """Whether there is nothing under the id."""
        return self._status == HTTPStatus.NOT_FOUND


class Unawaited(Failure):
    """A job was submitted, and goes on, but the server would not wait for its end any longer."""

    def __init__(self, message: str, job_id: str) -> None:
        """Fail with what the server said; the job can be looked at."""
        hint = f"it was submitted and goes on; to look again: jobledger show {job_id}"
        super().__init__(message, hint=hint, exit_code=exits.UNREACHABLE)
        self.job_id = job_id


class Rejection(msgspec.Struct, frozen=True):
    """The body of an error, as far as it is shown."""

    message: str = ""
    code: str = ""
    errors: tuple[Problem, ...] = ()
    job_id: str = ""
    """The job that was submitted, though its end was not awaited."""


class Client:
    """One server, as commands see it."""

    def __init__(self, server: str) -> None:
        """Remember the address; nothing is sent yet."""
        self.server = server if "://" in server else f"http://{server}"
        self.server = self.server.rstrip("/")
        self._pool = urllib3.PoolManager(timeout=TIMEOUT, retries=False)

    def get(self, path: str, **query: str | int) -> bytes:
        """Return the body of an answer."""
        return self._ask("GET", path, fields={name: str(value) for name, value in query.items()}).data

    def document(self, path: str, **query: str | int) -> Document:
        """Return an answer taken apart."""
        return self.read(self.get(path, **query))

    def read(self, body: bytes) -> Document:
        """Take an answer apart."""
        try:
            return msgspec.json.decode(body, type=Document)
        except msgspec.MsgspecError as error:
            msg = f"what answers at {self.server} is not Jobledger"
            raise Unreachable(msg, "name its address with --server") from error

    def pages(self, path: str, **query: str | int) -> Iterator[bytes]:
        """Return every page of a list."""
        number = 1
        while True:
            body = self.get(path, page=number, **query)
            yield body
            number += 1
            if number > self.read(body).get("totalPages", 0):
                return

    def put(self, path: str) -> bytes:
        """Give a command."""
        return self._ask("PUT", path).data

    def post(self, path: str, body: bytes, content_type: str) -> bytes:
        """Hand something in."""
        headers = {"Content-Type": content_type}
        return self._ask("POST", path, body=body, headers=headers, timeout=PATIENT).data

    def text(self, path: str, start: int = 0) -> Iterator[bytes]:
        """Return a text from a byte on, in pieces as they come."""
        headers = {"Accept": "text/plain"}
        answer = self._ask("GET", path, fields={"from": str(start)}, headers=headers, preload_content=False)
        try:
            yield from answer.stream(CHUNK)
        except HTTPError as error:
            raise self._unreachable(error) from error
        finally:
            answer.release_conn()

    def _ask(self, method: str, path: str, **content: Any) -> urllib3.BaseHTTPResponse:
        headers = {"User-Agent": f"jobledger/{__version__}", **content.pop("headers", {})}
        try:
            answer = self._pool.request(method, self.server + path, headers=headers, **content)
        except LocationParseError as error:
            msg = f"not an address: {self.server}"
            raise Failure(msg, hint="write --server http://host:port") from error
        except HTTPError as error:
            raise self._unreachable(error) from error
        if answer.status != HTTPStatus.OK:
            raise self._rejected(answer)
        return answer

    def _unreachable(self, error: HTTPError) -> Unreachable:
        reason = error.reason if isinstance(error, MaxRetryError) else error
        cause = getattr(reason, "__cause__", None) or reason
        message = f"no server answers at {self.server}: {getattr(cause, 'strerror', None) or cause}"
        return Unreachable(message, "start one with `jobledger up`, or name another with --server or JOBLEDGER_SERVER")

    def _rejected(self, answer: urllib3.BaseHTTPResponse) -> Failure:
        try:
            rejection = msgspec.json.decode(answer.data, type=Rejection)
        except msgspec.MsgspecError:
            rejection = Rejection()
        if rejection.job_id:
            return Unawaited(rejection.message, rejection.job_id)
        if answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            reason = rejection.message or f"HTTP {answer.status}"
            return Unreachable(f"the server at {self.server} can not serve: {reason}")
        return Rejected(rejection, answer.status)
