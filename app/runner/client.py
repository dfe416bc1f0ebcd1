"""The Docker SDK's client of the Engine API, with what it lacks: a deadline everywhere, and streams left in peace."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from selectors import EVENT_READ, DefaultSelector
from typing import Any

from docker import APIClient
from docker.errors import create_api_error_from_http_exception
from docker.utils.socket import read
from requests import Response
from requests.exceptions import HTTPError

from app.runner.answers import AWAY

DEADLINE = 30
"""Seconds that the Engine has for an answer."""
REMOVING = 600
"""Seconds that it has for the removal of an image."""
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


class Client(APIClient):
    """Speaks to one Engine, from any thread."""

    def request(self, *args: Any, **kwargs: Any) -> Response:
        """Send a request; it has the deadline when it has none of its own."""
        kwargs.setdefault("timeout", self.timeout)
        return super().request(*args, **kwargs)

    def attached(self, container: str) -> Received:
        """Be connected to a container, before it starts."""
        end = self.post(self._place(container, "wait"), params={"condition": "next-exit"}, stream=True)
        self._raise_for_status(end)  # type: ignore[attr-defined]  # no public way
        url = self._place(container, "attach")
        response = self.post(url, params=BOTH | {"stream": 1}, headers=UPGRADE, stream=True)
        connection = self._get_raw_response_socket(response)  # type: ignore[attr-defined]  # as above
        return Received(response, connection, end)

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

    def removed(self, image: str) -> None:
        """Take a name from an image; to remove a large one takes its time."""
        response = self.delete(self._url("/images/{0}", image), timeout=REMOVING)  # type: ignore[attr-defined]  # as above
        self._raise_for_status(response)  # type: ignore[attr-defined]  # as above

    def _place(self, container: str, what: str) -> str:
        return f"{self.base_url}/v{self.api_version}/containers/{container}/{what}"
