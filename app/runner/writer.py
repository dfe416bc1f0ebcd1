"""Writing what tasks print: gathered for a moment, then stored for all attempts in one transaction."""

from __future__ import annotations

import hashlib
import logging
import sqlite3
from collections.abc import Collection, Iterator
from pathlib import Path
from threading import Condition, Lock, Thread

from app import output
from app.log.log import now
from app.output import RUNNER, STDERR, STDOUT
from app.runner.kept import Source, kept_length, whole_characters
from domain.job import Output
from projections.wire import timestamp

logger = logging.getLogger("jobledger.runner")

PERIOD = 0.2
"""Seconds that output is gathered before it is stored."""
PART = 64 * 1024
"""Bytes of a part at most; when as many are gathered, they are stored at once."""
MOST = 1024 * 1024
"""Bytes that an attempt may have waiting in memory; then its container has to wait."""
RETRY = 1.0
"""Seconds until output that could not be stored, on a full disk say, is tried again."""
UNFIT = (sqlite3.IntegrityError, sqlite3.DataError)
"""What is wrong with a part itself, and will be at the next try."""
FORGOTTEN = 10_000
"""Attempts of which it is known that they are over, the latest ones: a late word comes soon."""

INSERT = "INSERT INTO parts (attempt, number, created_at, phase, stream, content) VALUES (?, ?, ?, ?, ?, ?)"
STORED = "SELECT phase, stream, content FROM parts WHERE attempt = ? AND number > ? ORDER BY number LIMIT 16"
LAST = """
SELECT substr(content, -?) FROM parts WHERE attempt = ? AND phase = ? AND stream <> 0 ORDER BY number DESC LIMIT 32
"""

Origin = tuple[str, int]
"""The phase of an attempt, that is one of its containers, and a stream of it."""
Run = tuple[Origin, bytes]
"""What came from one origin without a break."""


class _Buffer:
    """What waits to be stored of one attempt, and the measure of what is stored."""

    def __init__(self, stored: Iterator[Run]) -> None:
        self.runs: list[tuple[Origin, bytearray]] = []
        self.size = 0
        self.secrets: tuple[str, ...] = ()
        self.sources: dict[Origin, Source] = {}
        self.number = self.length = 0
        self.hash = hashlib.sha256()
        for run in stored:
            self.count(run)

    def pass_through(self, origin: Origin, data: bytes) -> bytes:
        """Return what is to be stored of what came: the runner's own words at once, for they come as whole lines."""
        if origin[1] == RUNNER:
            words = Source(self.secrets)
            return words.feed(data) + words.flush()
        if origin not in self.sources:
            self.sources[origin] = Source(self.secrets)
        return self.sources[origin].feed(data)

    def complete(self, phase: str | None = None) -> None:
        """Take what the streams of one container, or of all, have held back: nothing follows."""
        for origin in [each for each in self.sources if phase in (None, each[0])]:
            self.add(origin, self.sources.pop(origin).flush())

    def add(self, origin: Origin, data: bytes) -> None:
        if not data:
            return
        if self.runs and self.runs[-1][0] == origin:
            self.runs[-1][1].extend(data)
        else:
            self.runs.append((origin, bytearray(data)))
        self.size += len(data)

    def take(self) -> list[Run]:
        runs, self.runs, self.size = self.runs, [], 0
        return [(origin, part) for origin, content in runs for part in parts(bytes(content))]

    def give_back(self, runs: list[Run]) -> None:
        self.runs[:0] = [(origin, bytearray(content)) for origin, content in runs]
        self.size += sum(len(content) for _, content in runs)

    def count(self, run: Run) -> None:
        self.number += 1
        self.length += len(run[1])
        self.hash.update(run[1])


class Writer:
    """Stores the output of a runner's attempts; nothing moves while none is printed."""

    def __init__(self, path: Path) -> None:
        """Open the file, and create it the first time."""
        self._connection = sqlite3.connect(path, timeout=30, isolation_level=None, check_same_thread=False)
        output.create(self._connection)
        self._writing = Lock()
        self._changed = Condition()
        self._buffers: dict[str, _Buffer] = {}
        self._forgotten: dict[str, None] = {}
        """In their order."""
        self._closed = False
        self._thread = Thread(target=self._run, name="output", daemon=True)
        self._thread.start()

    def conceal(self, attempt: str, values: Collection[str]) -> None:
        """Hide the values of secrets in all that is appended from now on; to be called before there is anything."""
        with self._changed:
            self._forgotten.pop(attempt, None)
        buffer, secrets = self._buffer(attempt), tuple(values)
        with self._changed:
            if buffer.secrets != secrets:
                buffer.complete()
                buffer.secrets = secrets

    def append(self, attempt: str, stream: int, data: bytes, phase: str = "") -> None:
        """Take what one of an attempt's containers printed; wait when more is printed than can be stored."""
        buffer, origin = self._buffer(attempt), (phase, stream)
        data = buffer.pass_through(origin, data)
        with self._changed:
            self._changed.wait_for(lambda: buffer.size < MOST or self._closed)
            was_full, was_empty = buffer.size >= PART, not buffer.size
            buffer.add(origin, data)
            if was_empty or (buffer.size >= PART and not was_full):
                self._changed.notify_all()

    def end(self, attempt: str, phase: str = "") -> None:
        """Take what one of an attempt's containers printed last: it has ended."""
        buffer = self._buffer(attempt)
        with self._changed:
            buffer.complete(phase)
            self._changed.notify_all()

    def finish(self, attempt: str) -> Output:
        """Store all that an attempt printed, and measure it; to be called when all its containers have ended."""
        buffer = self._buffer(attempt)
        with self._changed:
            buffer.complete()
        self._insist([attempt])
        return Output(length=buffer.length, sha256=buffer.hash.hexdigest())

    def forget(self, attempt: str) -> None:
        """Let go of an attempt that prints no more: what comes all the same is not stored, for it is measured."""
        with self._changed:
            self._buffers.pop(attempt, None)
            self._forgotten[attempt] = None
            if len(self._forgotten) > FORGOTTEN:
                del self._forgotten[next(iter(self._forgotten))]

    def resume(self, attempt: str, phase: str = "", *, is_exact: bool = False) -> None:
        """Expect what a container printed once more, from its beginning: exactly, or as the Engine's own file has it.

        What is stored of it is left out. What was held back is not: it comes again.
        """
        buffer = self._buffer(attempt)
        self._insist([attempt])
        for origin in ((phase, STDOUT), (phase, STDERR)):
            stored = (content for each, content in self._stored(attempt) if each == origin)
            length = sum(map(len, stored)) if is_exact else kept_length(stored)
            buffer.sources[origin] = Source(buffer.secrets, length)

    def last(self, attempt: str, size: int, phase: str = "") -> bytes:
        """Return the end of what one of an attempt's containers printed."""
        self._insist([attempt])
        with self._writing:
            rows = self._connection.execute(LAST, (size, attempt, phase)).fetchall()
        return b"".join(content for (content,) in reversed(rows))[-size:]

    def close(self) -> None:
        """Store what was gathered, then let go of the file."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._thread.join()
        with self._writing:
            self._connection.close()

    def _buffer(self, attempt: str) -> _Buffer:
        if buffer := self._buffers.get(attempt):
            return buffer
        buffer = _Buffer(self._stored(attempt))
        with self._changed:
            return buffer if attempt in self._forgotten else self._buffers.setdefault(attempt, buffer)

    def _stored(self, attempt: str) -> Iterator[Run]:
        number = 0
        while rows := self._some(attempt, number):
            yield from (((phase, stream), content) for phase, stream, content in rows)
            number += len(rows)

    def _some(self, attempt: str, after: int) -> list[tuple[str, int, bytes]]:
        with self._writing:
            return self._connection.execute(STORED, (attempt, after)).fetchall()

    def _run(self) -> None:
        while not self._closed:
            with self._changed:
                self._changed.wait_for(lambda: self._dirty() or self._closed)
                self._changed.wait_for(lambda: self._is_urgent() or self._closed, PERIOD)
                dirty = self._dirty()
            self._insist(dirty)

    def _insist(self, attempts: list[str]) -> None:
        """Store what is waiting, however long it takes to be possible."""
        while True:
            try:
                return self._store(attempts)
            except sqlite3.Error as error:
                if self._closed:
                    raise
                logger.error("output can not be stored, and waits: %s", error)  # noqa: TRY400 - the disk's, not ours
                with self._changed:
                    self._changed.wait_for(lambda: self._closed, RETRY)

    def _dirty(self) -> list[str]:
        return [attempt for attempt, buffer in self._buffers.items() if buffer.size]

    def _is_urgent(self) -> bool:
        return any(buffer.size >= PART for buffer in self._buffers.values())

    def _store(self, attempts: list[str]) -> None:
        """Store what these attempts have waiting, in one transaction; when that fails it goes on waiting."""
        with self._writing:
            with self._changed:
                buffers = [(attempt, self._buffers[attempt]) for attempt in attempts if attempt in self._buffers]
                taken = [(attempt, buffer, buffer.take()) for attempt, buffer in buffers]
            try:
                self._insert(taken)
            except BaseException:
                with self._changed:
                    for _, buffer, runs in taken:
                        buffer.give_back(runs)
                    self._changed.notify_all()  # who looked meanwhile has seen nothing to store
                raise
            with self._changed:
                self._changed.notify_all()

    def _insert(self, taken: list[tuple[str, _Buffer, list[Run]]]) -> None:
        if not any(runs for _, _, runs in taken):
            return
        self._connection.execute("BEGIN IMMEDIATE")
        with self._connection:
            fit = [(buffer, self._fit(attempt, buffer.number, runs)) for attempt, buffer, runs in taken if runs]
        for buffer, runs in fit:
            for run in runs:
                buffer.count(run)

    def _fit(self, attempt: str, number: int, runs: list[Run]) -> list[Run]:
        """Insert what follows a part of an attempt; leave out and return not what never can be: others would wait."""
        at, fit = timestamp(now()), list[Run]()
        for (phase, stream), content in runs:
            row = (attempt, number + len(fit) + 1, at, phase, stream, content)
            try:
                self._connection.execute(INSERT, row)
            except UNFIT as error:
                logger.error("%d bytes of attempt %s are lost: %s", len(content), attempt, error)  # noqa: TRY400 - as above
            else:
                fit.append(((phase, stream), content))
        return fit


def parts(content: bytes) -> Iterator[bytes]:
    """Cut a text into parts of a good size, between characters."""
    while len(content) > PART:
        end = whole_characters(content[:PART]) or PART
        yield content[:end]
        content = content[end:]
    yield content
