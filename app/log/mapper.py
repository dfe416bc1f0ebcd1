"""How an event is kept: under its tag, as JSON. No import path ever reaches the disk."""

from __future__ import annotations

from datetime import datetime
from typing import Any, NoReturn
from uuid import UUID

import msgspec
from eventsourcing.persistence import Mapper, StoredEvent, Transcoder

from domain.event import Context, Recorded
from domain.job import JobEvent
from domain.runner import RunnerEvent


class Envelope(msgspec.Struct, frozen=True, omit_defaults=True):
    """The body of a stored event; its stream, version and tag stand beside it in columns."""

    recorded_at: datetime
    context: Context
    event: JobEvent | RunnerEvent


_encoder = msgspec.json.Encoder(uuid_format="hex")
_decoder = msgspec.json.Decoder(Envelope)


class TagMapper(Mapper[UUID]):
    """Translates between recorded events and rows."""

    def to_stored_event(self, domain_event: Any) -> StoredEvent:
        """Seal an event for the disk."""
        recorded: Recorded = domain_event
        body = Envelope(recorded.recorded_at, recorded.context, recorded.event)
        tag = type(recorded.event).__struct_config__.tag
        return StoredEvent(recorded.originator_id, recorded.originator_version, tag, self._seal(_encoder.encode(body)))

    def to_domain_event(self, stored_event: StoredEvent) -> Any:
        """Open a row; a notification also tells its position in the log."""
        body = _decoder.decode(self._open(stored_event.state))
        return Recorded(
            stored_event.originator_id,  # type: ignore[arg-type]  # our streams are UUIDs
            stored_event.originator_version,
            body.event,
            body.recorded_at,
            body.context,
            getattr(stored_event, "id", 0),
        )

    def _seal(self, state: bytes) -> bytes:
        if self.compressor:
            state = self.compressor.compress(state)
        return self.cipher.encrypt(state) if self.cipher else state

    def _open(self, state: bytes) -> bytes:
        if self.cipher:
            state = self.cipher.decrypt(state)
        return self.compressor.decompress(state) if self.compressor else state


class NoTranscoder(Transcoder):
    """Refuses to work, so that nothing is ever stored by the library's own JSON, which user data can poison."""

    def encode(self, obj: Any) -> NoReturn:
        """Refuse."""
        raise TypeError(f"{type(obj).__name__} is stored by its tag, not by a transcoder")

    def decode(self, data: bytes) -> NoReturn:  # noqa: ARG002 - the library's signature
        """Refuse."""
        raise TypeError("events are read by their tag, not by a transcoder")
