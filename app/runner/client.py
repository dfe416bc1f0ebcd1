"""The Docker SDK's client of the Engine API, with what it lacks: a deadline everywhere, and streams left in peace."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import Any

from docker import APIClient
from docker.errors import create_api_error_from_http_exception
from docker.utils.socket import read
from requests import Response
from requests.exceptions import HTTPError

DEADLINE = 30
"""Seconds that the Engine has for an answer."""
REMOVING = 600
"""Seconds that it has for the removal of an image."""
CHUNK = 64 * 1024
UPGRADE = {"Connection": "Upgrade", "Upgrade": "tcp"}
BOTH = {"stdout": 1, "stderr": 1}


class Received:
    """What comes on a connection until its other end closes it."""

    def __init__(self, response: Response, connection: Any) -> None:
        """Hold the answer that became a connection."""
        self._response = response
        self._connection = connection

    def __iter__(self) -> Iterator[bytes]:
        """Yield what comes, as it comes."""
        while data := read(self._connection, CHUNK):
            yield data

    def close(self) -> None:
        """Listen no longer."""
        self._response.close()


class Client(APIClient):
    """Speaks to one Engine, from any thread."""

    def request(self, *args: Any, **kwargs: Any) -> Response:
        """Send a request; it has the deadline when it has none of its own."""
        kwargs.setdefault("timeout", self.timeout)
        return super().request(*args, **kwargs)

    def attached(self, container: str) -> Received:
        """Be connected to a container, before it starts."""
        url = self._place(container, "attach")
        response = self.post(url, params=BOTH | {"stream": 1}, headers=UPGRADE, stream=True)
        return Received(response, self._get_raw_response_socket(response))  # type: ignore[attr-defined]  # no public way

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
