"""Writing what tasks print: gathered for a moment, then stored for all attempts in one transaction."""

from __future__ import annotations

import hashlib
import logging
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from threading import Condition, Lock, Thread

from app import output
from app.log.log import now
from app.output import RUNNER, STDERR, STDOUT
from app.runner.kept import kept_length
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

INSERT = "INSERT INTO parts (attempt, number, created_at, stream, content) VALUES (?, ?, ?, ?, ?)"
STORED = "SELECT stream, content FROM parts WHERE attempt = ? AND number > ? ORDER BY number LIMIT 16"
LAST = "SELECT substr(content, -?) FROM parts WHERE attempt = ? AND stream <> 0 ORDER BY number DESC LIMIT 32"

Run = tuple[int, bytes]
"""A stream, and what came on it without a break."""


class _Buffer:
    """What waits to be stored of one attempt, and the measure of what is stored."""

    def __init__(self, stored: Iterator[Run]) -> None:
        self.runs: list[tuple[int, bytearray]] = []
        self.size = 0
        self.halves = {RUNNER: b"", STDOUT: b"", STDERR: b""}
        """The begun characters of each stream."""
        self.number = self.length = 0
        self.hash = hashlib.sha256()
        for run in stored:
            self.count(run)

    def add(self, stream: int, data: bytes) -> None:
        data = self.halves[stream] + data
        end = whole_characters(data)
        self.halves[stream] = data[end:]
        self._add_run(stream, data[:end])

    def complete(self) -> None:
        """Take begun characters as they are: nothing follows."""
        for stream, half in self.halves.items():
            self._add_run(stream, half)
            self.halves[stream] = b""

    def _add_run(self, stream: int, data: bytes) -> None:
        if not data:
            return
        if self.runs and self.runs[-1][0] == stream:
            self.runs[-1][1].extend(data)
        else:
            self.runs.append((stream, bytearray(data)))
        self.size += len(data)

    def take(self) -> list[Run]:
        runs, self.runs, self.size = self.runs, [], 0
        return [(stream, part) for stream, content in runs for part in parts(bytes(content))]

    def give_back(self, runs: list[Run]) -> None:
        self.runs[:0] = [(stream, bytearray(content)) for stream, content in runs]
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
        self._closed = False
        self._thread = Thread(target=self._run, name="output", daemon=True)
        self._thread.start()

    def append(self, attempt: str, stream: int, data: bytes) -> None:
        """Take what was printed; wait when more is printed than can be stored."""
        buffer = self._buffer(attempt)
        with self._changed:
            self._changed.wait_for(lambda: buffer.size < MOST or self._closed)
            was_full, was_empty = buffer.size >= PART, not buffer.size
            buffer.add(stream, data)
            if was_empty or (buffer.size >= PART and not was_full):
                self._changed.notify_all()

    def finish(self, attempt: str) -> Output:
        """Store all that an attempt printed, and measure it."""
        buffer = self._buffer(attempt)
        with self._changed:
            buffer.complete()
        self._insist([attempt])
        return Output(length=buffer.length, sha256=buffer.hash.hexdigest())

    def forget(self, attempt: str) -> None:
        """Let go of an attempt that prints no more."""
        with self._changed:
            self._buffers.pop(attempt, None)

    def resume(self, attempt: str) -> dict[int, int]:
        """Tell how many bytes the Engine's own file has, of each stream, of what is stored here already."""
        buffer = self._buffer(attempt)
        with self._changed:
            buffer.halves = dict.fromkeys(buffer.halves, b"")  # the file will bring them again
        self._insist([attempt])
        return {wanted: kept_length(self._stored_of(attempt, wanted)) for wanted in (STDOUT, STDERR)}

    def last(self, attempt: str, size: int) -> bytes:
        """Return the end of what was stored of an attempt's printing."""
        with self._writing:
            rows = self._connection.execute(LAST, (size, attempt)).fetchall()
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
        if attempt not in self._buffers:
            buffer = _Buffer(self._stored(attempt))
            with self._changed:
                self._buffers.setdefault(attempt, buffer)
        return self._buffers[attempt]

    def _stored_of(self, attempt: str, wanted: int) -> Iterator[bytes]:
        return (content for stream, content in self._stored(attempt) if stream == wanted)

    def _stored(self, attempt: str) -> Iterator[Run]:
        number = 0
        while rows := self._some(attempt, number):
            yield from rows
            number += len(rows)

    def _some(self, attempt: str, after: int) -> list[Run]:
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
        at = timestamp(now())
        rows = [
            (attempt, buffer.number + place, at, stream, content)
            for attempt, buffer, runs in taken
            for place, (stream, content) in enumerate(runs, 1)
        ]
        if rows:
            self._connection.execute("BEGIN IMMEDIATE")
            with self._connection:
                self._connection.executemany(INSERT, rows)
        for _, buffer, runs in taken:
            for run in runs:
                buffer.count(run)


def parts(content: bytes) -> Iterator[bytes]:
    """Cut a text into parts of a good size, between characters."""
    while len(content) > PART:
        end = whole_characters(content[:PART]) or PART
        yield content[:end]
        content = content[end:]
    yield content


def whole_characters(data: bytes) -> int:
    """Measure a text without the character at its end of which more bytes must follow."""
    for back in range(1, min(4, len(data) + 1)):
        width = _WIDTHS[data[-back] >> 3]
        if width:
            return len(data) - back if width > back else len(data)
    return len(data)


_WIDTHS = [1] * 16 + [0] * 8 + [2] * 4 + [3] * 2 + [4, 1]
"""Bytes of a character, by the five highest bits of its first; 0 for a byte that can not be the first."""
