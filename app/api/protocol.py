"""HTTP connections that do not wait for ever for a client to say what it wants."""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

PATIENCE = 30.0
"""Seconds that a client has, from its first byte on, to send the head of a request."""


class PatientProtocol(HttpToolsProtocol):
    """uvicorn's protocol with a deadline for the head of each request."""

    def __init__(self, *given: Any, **named: Any) -> None:
        """Begin with no request under way."""
        super().__init__(*given, **named)
        self._deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # uvicorn's own type
        """Give the first request its time."""
        super().connection_made(transport)
        self._await_head()

    def on_message_begin(self) -> None:
        """Give a further request its time."""
        super().on_message_begin()
        self._await_head()

    def on_headers_complete(self) -> None:
        """Let the request take the time it takes: its body has a deadline of its own."""
        self._lift()
        super().on_headers_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the deadline with the connection."""
        self._lift()
        super().connection_lost(exc)

    def shutdown(self) -> None:
        """Tell a request under way that the service ends: it is woken as if there were more of its body."""
        super().shutdown()
        if self.cycle is not None:
            self.cycle.message_event.set()

    def _await_head(self) -> None:
        self._lift()
        self._deadline = self.loop.call_later(PATIENCE, self._give_up)

    def _give_up(self) -> None:
        self.transport.close()

    def _lift(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
