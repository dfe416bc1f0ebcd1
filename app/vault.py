"""The values of secrets: encrypted, in a file outside the log, and gone when their job is."""

from __future__ import annotations

import os
import secrets
import sqlite3
import stat
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from tempfile import NamedTemporaryFile
from threading import Lock
from typing import TYPE_CHECKING
from uuid import UUID

from app.wal import begin, clean

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

KEY = 32
"""Bytes of the key: AES-256."""
NONCE = 12
"""Bytes before each sealed value, never the same twice."""
ORPHANED = 3600.0
"""Seconds until values whose job does not exist are taken for those of a submission that failed."""
PATIENCE = 30
"""Seconds to wait for another process that writes."""

TABLE = """
CREATE TABLE IF NOT EXISTS secrets (
    job TEXT NOT NULL,
    name TEXT NOT NULL,
    sealed BLOB NOT NULL,
    put_at INTEGER NOT NULL,
    PRIMARY KEY (job, name)
) STRICT
"""
ANY = "SELECT EXISTS (SELECT 1 FROM secrets)"
PUT = """
INSERT INTO secrets (job, name, sealed, put_at) VALUES (?, ?, ?, ?)
ON CONFLICT DO UPDATE SET sealed = excluded.sealed, put_at = excluded.put_at
"""
VALUES = "SELECT name, sealed FROM secrets WHERE job = ?"
FORGET = "DELETE FROM secrets WHERE job = ?"
OLD = "SELECT DISTINCT job FROM secrets WHERE put_at < ?"
FORGET_OLD = "DELETE FROM secrets WHERE job = ? AND put_at < ?"


class VaultUnusable(Exception):
    """The key is not one that can be used, or not the one with which a value was encrypted."""


class Vault:
    """The secrets of all jobs, for all threads and processes of a host."""

    def __init__(self, path: Path) -> None:
        """Open the file, and make it and its key the first time; raises `VaultUnusable` when its key is not fit."""
        os.close(os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600))
        self._lock = Lock()
        self._connection = sqlite3.connect(path, timeout=PATIENCE, isolation_level=None, check_same_thread=False)
        begin(self._connection)
        self._connection.execute("PRAGMA synchronous=FULL")
        self._connection.execute("PRAGMA secure_delete=ON")
        self._connection.execute(TABLE)
        clean(self._connection)  # a crash may have come between a deletion and this
        has_values = self._connection.execute(ANY).fetchone()[0]  # asked before the key: who puts one in has a key
        try:
            self._key = _key(path.with_suffix(".key"), may_make=not has_values)
        except BaseException:
            self.close()
            raise

    def put(self, job: UUID, values: Mapping[str, str]) -> None:
        """Keep the secrets of a job, durably; to be done before the log refers to them."""
        at = int(time.time())
        rows = [(job.hex, name, self._seal(job, name, value), at) for name, value in values.items()]
        if rows:
            with self._lock, self._connection:
                self._connection.execute("BEGIN IMMEDIATE")
                self._connection.executemany(PUT, rows)

    def values(self, job: UUID) -> dict[str, str]:
        """Return the secrets of a job by their names; none when it has none, or they were forgotten."""
        with self._lock:
            rows = self._connection.execute(VALUES, (job.hex,)).fetchall()
        return {name: self._open(job, name, sealed) for name, sealed in rows}

    def forget(self, job: UUID) -> None:
        """Remove the secrets of a job from the disk."""
        with self._lock:
            self._connection.execute(FORGET, (job.hex,))
            clean(self._connection)

    def sweep(self, exists: Callable[[UUID], bool]) -> None:
        """Remove what was put for jobs that, an hour later, do not exist: they could not be submitted after all."""
        before = int(time.time() - ORPHANED)
        with self._lock:
            jobs = [job for (job,) in self._connection.execute(OLD, (before,))]
        for job in jobs:
            if not exists(UUID(job)):
                with self._lock:
                    self._connection.execute(FORGET_OLD, (job, before))
                    clean(self._connection)

    def close(self) -> None:
        """Let go of the file."""
        with self._lock:
            self._connection.close()

    @cached_property
    def _cipher(self) -> AESGCM:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415 - most processes seal nothing

        return AESGCM(self._key)

    def _seal(self, job: UUID, name: str, value: str) -> bytes:
        nonce = secrets.token_bytes(NONCE)
        return nonce + self._cipher.encrypt(nonce, value.encode(), _belongs_to(job, name))

    def _open(self, job: UUID, name: str, sealed: bytes) -> str:
        from cryptography.exceptions import InvalidTag  # noqa: PLC0415 - as above

        try:
            return self._cipher.decrypt(sealed[:NONCE], sealed[NONCE:], _belongs_to(job, name)).decode()
        except InvalidTag:
            msg = f"the secret {name} of job {job.hex} can not be decrypted: it was changed, or the key is another one"
            raise VaultUnusable(msg) from None


def _belongs_to(job: UUID, name: str) -> bytes:
    """Return what is sealed together with a value, so that it can not be moved to another place."""
    return f"{job.hex} {name}".encode()


def _key(path: Path, *, may_make: bool) -> bytes:
    """Read the key, or make it if there never was one; of processes that do so at once one wins."""
    try:
        return _read(path)
    except FileNotFoundError:
        if not may_make:
            msg = f"{path} is missing: without this key the secrets in {path.with_suffix('.db')} can not be read"
            raise VaultUnusable(msg) from None
    _make(path)
    return _read(path)


def _make(path: Path) -> None:
    with NamedTemporaryFile(dir=path.parent, prefix=f"{path.name}.") as file:  # for its owner alone
        file.write(secrets.token_bytes(KEY))
        file.flush()
        os.fsync(file.fileno())
        with suppress(FileExistsError):  # another process was first
            path.hardlink_to(file.name)
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _read(path: Path) -> bytes:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as file:
        if stat.S_IMODE(os.fstat(descriptor).st_mode) & 0o077:
            raise VaultUnusable(f"{path} can be read by others: run chmod 600 {path}")
        key = file.read(KEY + 1)
    if len(key) != KEY:
        raise VaultUnusable(f"{path} does not hold a key of {KEY} bytes: restore it from a backup")
    return key
