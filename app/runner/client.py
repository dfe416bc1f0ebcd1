"""The Docker SDK's client of the Engine API, with what it lacks: a deadline everywhere, and streams left in peace."""

from __future__ import annotations

import socket
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, suppress
from selectors import EVENT_READ, DefaultSelector
from threading import Lock
from typing import Any

from docker import APIClient
from docker.auth import encode_header
from docker.errors import create_api_error_from_http_exception
from docker.utils import parse_repository_tag
from docker.utils.socket import read
from requests import Response
from requests.exceptions import HTTPError

from app.runner.answers import AWAY

DEADLINE = 30
"""Seconds that the Engine has for an answer."""
REMOVING = 600
"""Seconds that it has for the removal of an image."""
STARTING = 300
"""Seconds that it has for the start of a container: large volumes and busy disks take their time, and to give up too
early is to have the Engine give up as well, and then to try again for ever.
"""
SILENCE = 900
"""Seconds that it has for its next word about an image on its way: some layers take long to unpack."""
CHUNK = 64 * 1024
UPGRADE = {"Connection": "Upgrade", "Upgrade": "tcp"}
BOTH = {"stdout": 1, "stderr": 1}


class Received:
    """What a container prints, on a connection until its other end closes it, and then its exit code, on another.

    Nothing on the first tells an end from a break. The second was made no later and has brought nothing: if it is whole
    when the first ends, the container has ended its output.
    """

    def __init__(self, response: Response, connection: Any, end: Response) -> None:
        """Hold the answer that became a connection, and the one that comes at the container's end."""
        self._response = response
        self._connection = connection
        self._end = end

    def __iter__(self) -> Iterator[bytes]:
        """Yield what comes, as it comes."""
        while data := read(self._connection, CHUNK):
            yield data

    def exit_code(self, seconds: float) -> int | None:
        """Wait for the container's end; nothing when it takes longer, or can not be heard of here any more."""
        with DefaultSelector() as selector:
            selector.register(self._end.raw, EVENT_READ)
            if not selector.select(seconds):
                return None
        try:
            code: int = self._end.json()["StatusCode"]
        except AWAY:
            return None
        return code

    def close(self) -> None:
        """Listen no longer."""
        self._response.close()
        self._end.close()


class Line:
    """A connection on which the Engine speaks; who does not want to hear more hangs up, from any thread."""

    def __init__(self) -> None:
        """Begin without a connection: one is made when the Engine answers."""
        self._lock = Lock()
        self._connection: Any = None
        self.is_hung_up = False

    def connect(self, connection: Any) -> None:
        """Take the connection, unless nobody wants it any more."""
        with self._lock:
            self._connection = connection
            if self.is_hung_up:
                self._cut()

    def hang_up(self) -> None:
        """Break the connection, now or as soon as there is one: whoever listens finds its end."""
        with self._lock:
            self.is_hung_up = True
            if self._connection is not None:
                self._cut()

    def _cut(self) -> None:
        connection = getattr(self._connection, "_sock", self._connection)
        if connection is not None:  # which it is when all was said
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


class Client(APIClient):
    """Speaks to one Engine, from any thread."""

    def request(self, *args: Any, **kwargs: Any) -> Response:
        """Send a request; it has the deadline when it has none of its own."""
        kwargs.setdefault("timeout", self.timeout)
        return super().request(*args, **kwargs)

    def attached(self, container: str) -> Received:
        """Be connected to a container, before it starts."""
        with ExitStack() as opened:
            url = self._place(container, "wait")
            end = opened.enter_context(closing(self.post(url, params={"condition": "next-exit"}, stream=True)))
            self._raise_for_status(end)  # type: ignore[attr-defined]  # no public way
            url, params = self._place(container, "attach"), BOTH | {"stream": 1}
            response = opened.enter_context(closing(self.post(url, params=params, headers=UPGRADE, stream=True)))
            connection = self._get_raw_response_socket(response)  # type: ignore[attr-defined]  # as above
            opened.pop_all()  # they are open from here on
            return Received(response, connection, end)

    def started(self, container: str) -> None:
        """Start a container, which may take long."""
        response = self.post(self._place(container, "start"), timeout=(DEADLINE, STARTING))
        self._raise_for_status(response)  # type: ignore[attr-defined]  # as above

    def followed(self, container: str) -> Iterator[bytes]:
        """Yield what a container printed and prints; its first word may be long in coming."""
        url = self._place(container, "logs")
        response = self.get(url, params=BOTH | {"follow": 1}, stream=True, timeout=(DEADLINE, None))
        with closing(response):
            try:
                response.raise_for_status()
            except HTTPError as error:
                raise create_api_error_from_http_exception(error) from error
            yield from response.iter_content(None)

    def pulled(self, image: str, credentials: Mapping[str, str], line: Line) -> Iterator[dict[str, Any]]:
        """Fetch an image, and yield what is said about it on a line on which one can hang up."""
        name, tag = parse_repository_tag(image)
        params = {"fromImage": name, "tag": tag or "latest"}
        # a connection that may be broken at any moment must not serve another request after this one
        headers: dict[str, str | bytes] = {"X-Registry-Auth": encode_header(dict(credentials)), "Connection": "close"}
        url = self._url("/images/create")  # type: ignore[attr-defined]  # as above
        response = self.post(url, params=params, headers=headers, stream=True, timeout=(DEADLINE, SILENCE))
        with closing(response):
            line.connect(self._get_raw_response_socket(response))  # type: ignore[attr-defined]  # as above
            yield from self._stream_helper(response, decode=True)  # type: ignore[attr-defined]  # as above

    def removed(self, image: str) -> None:
        """Take a name from an image; to remove a large one takes its time."""
        response = self.delete(self._url("/images/{0}", image), timeout=REMOVING)  # type: ignore[attr-defined]  # as above
        self._raise_for_status(response)  # type: ignore[attr-defined]  # as above

    def _place(self, container: str, what: str) -> str:
        return f"{self.base_url}/v{self.api_version}/containers/{container}/{what}"
