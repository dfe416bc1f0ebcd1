"""Hides what is secret by its name in what is shown of a job, as Tork does: whatever it is, in clear or computed."""

from __future__ import annotations

from typing import Any

import msgspec

from domain.secrets import REDACTED

GIVEN = frozenset({"env", "inputs", "headers", "opts"})
"""Fields with values under names that a user gives: those of which the name says so are secret."""
FIELDS = {"registry": "password", "webhooks": "secret"}
"""Fields that are secret, by those in which they stand."""

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode


def veil(document: bytes, name: str = "") -> bytes:
    """Return a document of JSON without what is secret by its name; it may be the value of the field of that name."""
    if not _may_be_secret(document):
        return document  # most are not even read
    return _encode(_veiled(_decode(document), name))


def _may_be_secret(text: bytes) -> bool:
    lower = text.lower()
    return b"secret" in lower or b"password" in lower or b"access_key" in lower


def _veiled(part: Any, name: str) -> Any:
    if isinstance(part, list):
        return [_veiled(each, name) for each in part]
    if not isinstance(part, dict):
        return part
    if name == "secrets":
        return dict.fromkeys(part, REDACTED)
    if name in GIVEN:
        return {key: REDACTED if _may_be_secret(key.encode()) else value for key, value in part.items()}
    secret = FIELDS.get(name)
    return {key: REDACTED if key == secret else _veiled(value, key) for key, value in part.items()}
