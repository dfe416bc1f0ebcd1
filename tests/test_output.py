"""What tasks print: stored whole, in order, and read in pages."""

from __future__ import annotations

import hashlib
import io
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from itertools import product
from pathlib import Path
from typing import cast
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app import output, wal
from app.output import RUNNER, STDERR, STDOUT
from app.redaction import Redactor
from app.runner import writer as module
from app.runner.client import Received
from app.runner.engine import Engine, EngineAway
from app.runner.signals import Signals
from app.runner.watch import Watch
from app.runner.writer import PART, Writer, whole_characters
from tests.waiting import PATIENCE, until

A, B = uuid4().hex, uuid4().hex
WORD = "hunter22"
BEFORE_PHASES = """
CREATE TABLE parts (
    attempt TEXT NOT NULL,
    number INTEGER NOT NULL,
    created_at TEXT NOT NULL,
    stream INTEGER NOT NULL CHECK (stream IN (0, 1, 2)),
    content BLOB NOT NULL,
    PRIMARY KEY (attempt, number)
) STRICT
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "output.db"


@pytest.fixture
def writer(path: Path) -> Iterator[Writer]:
    opened = Writer(path)
    yield opened
    opened.close()


def printed(path: Path, *attempts: str, start: int = 0) -> bytes:
    return b"".join(output.whole(path, attempts, start))


def stored(path: Path, attempt: str = A) -> list[tuple[int, bytes]]:
    connection = output.connect(path)
    rows = connection.execute("SELECT stream, content FROM parts WHERE attempt = ? ORDER BY number", (attempt,))
    found = rows.fetchall()
    connection.close()
    return found


def stored_by_phase(path: Path) -> Pieces:
    with closing(output.connect(path)) as connection:
        return connection.execute("SELECT phase, stream, content FROM parts ORDER BY number").fetchall()


def test_output_is_stored_soon_without_being_asked_for(writer: Writer, path: Path) -> None:
    writer.append(A, STDOUT, b"hello")
    until(lambda: printed(path, A) == b"hello")


def test_the_measure_is_of_all_bytes_in_their_order(writer: Writer, path: Path) -> None:
    writer.append(A, STDOUT, b"one\n")
    writer.append(A, STDERR, b"two\n")
    measured = writer.finish(A)
    assert (measured.length, measured.sha256) == (8, hashlib.sha256(b"one\ntwo\n").hexdigest())
    assert printed(path, A) == b"one\ntwo\n"


def test_a_secret_is_hidden_in_every_stream_however_it_is_cut(writer: Writer, path: Path) -> None:
    writer.conceal(A, [WORD])
    writer.append(A, RUNNER, b"pulling with hunter22\n")
    for piece in (b"my hun", b"ter", b"22\n"):
        writer.append(A, STDOUT, piece)
        writer.append(A, STDERR, piece.upper())
    writer.append(A, STDERR, b"hunter22\n")
    writer.finish(A)
    streams = {stream: b"".join(c for s, c in stored(path) if s == stream) for stream in (RUNNER, STDOUT, STDERR)}
    assert streams[RUNNER] == b"pulling with [REDACTED]\n"
    assert streams[STDOUT] == b"my [REDACTED]\n"
    assert streams[STDERR] == b"MY HUNTER22\n[REDACTED]\n"


def test_the_measure_is_of_what_is_stored(writer: Writer) -> None:
    writer.conceal(A, [WORD])
    writer.append(A, STDOUT, b"hunter22 hunt")
    measured = writer.finish(A)
    assert (measured.length, measured.sha256) == (15, hashlib.sha256(b"[REDACTED] hunt").hexdigest())


def test_the_secrets_of_one_attempt_are_not_sought_in_another(writer: Writer, path: Path) -> None:
    writer.conceal(A, [WORD])
    writer.append(B, STDOUT, b"hunter22")
    writer.finish(B)
    assert printed(path, B) == b"hunter22"


def test_to_be_told_the_same_secrets_again_lets_nothing_out(writer: Writer, path: Path) -> None:
    for piece in (b"hun", b"ter22"):
        writer.conceal(A, [WORD])
        writer.append(A, STDOUT, piece)
    writer.finish(A)
    assert printed(path, A) == b"[REDACTED]"


def test_a_container_that_ended_is_waited_for_no_longer(writer: Writer, path: Path) -> None:
    writer.conceal(A, [WORD])
    writer.append(A, STDOUT, b"one hun", "pre-1")
    writer.append(A, STDOUT, b"beside hun", "sidecar-1")
    writer.end(A, "pre-1")
    writer.append(A, STDOUT, b" two ")
    writer.append(A, STDOUT, b"ter22", "sidecar-1")
    writer.finish(A)
    assert printed(path, A) == b"one beside hun two [REDACTED]"


def test_the_last_words_of_a_container_are_its_own(writer: Writer) -> None:
    writer.append(A, STDERR, b"not to be had\n", "pre-1")
    writer.append(A, STDOUT, b"hello\n")
    assert writer.last(A, 100, "pre-1") == b"not to be had\n"
    assert writer.last(A, 100) == b"hello\n"
    assert writer.last(A, 100, "post-1") == b""


def test_silence_is_measured_too(writer: Writer) -> None:
    assert writer.finish(A).length == 0


def test_the_streams_keep_their_order_and_neighbours_are_one_part(writer: Writer, path: Path) -> None:
    for stream, data in ((STDOUT, b"a"), (STDOUT, b"b"), (STDERR, b"c"), (STDOUT, b"d")):
        writer.append(A, stream, data)
    writer.finish(A)
    assert stored(path) == [(STDOUT, b"ab"), (STDERR, b"c"), (STDOUT, b"d")]


def test_a_character_is_not_torn_between_parts(writer: Writer, path: Path) -> None:
    text = "é".encode() * PART
    writer.append(A, STDOUT, text[:1])
    writer.append(A, STDERR, b"!")
    writer.append(A, STDOUT, text[1:])
    writer.finish(A)
    for _, content in stored(path):
        content.decode()
    assert len(printed(path, A)) == len(text) + 1


def test_a_half_character_at_the_end_is_not_lost(writer: Writer, path: Path) -> None:
    writer.append(A, STDOUT, b"caf\xc3")
    writer.finish(A)
    assert printed(path, A) == b"caf\xc3"


def test_bytes_that_are_no_text_come_back_as_they_were(writer: Writer, path: Path) -> None:
    content = bytes(range(256)) * 700
    for start in range(0, len(content), 1_000):
        writer.append(A, STDOUT, content[start : start + 1_000])
    assert writer.finish(A).sha256 == hashlib.sha256(content).hexdigest()
    assert printed(path, A) == content


def test_parts_are_of_a_bounded_size(writer: Writer, path: Path) -> None:
    writer.append(A, STDOUT, b"x" * (PART * 3 + 1))
    writer.finish(A)
    assert [len(content) for _, content in stored(path)] == [PART, PART, PART, 1]


def test_a_printer_that_is_too_fast_has_to_wait(writer: Writer, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST", 2_000)
    piece = b"x" * 1_000
    writer.append(A, STDOUT, b"")
    with writer._writing:
        printer = threading.Thread(target=lambda: [writer.append(A, STDOUT, piece) for _ in range(10)])
        printer.start()
        printer.join(0.3)
        assert printer.is_alive()
    printer.join(10)
    assert writer.finish(A).length == 10_000
    assert len(printed(path, A)) == 10_000


def test_a_new_writer_goes_on_where_the_one_before_was_killed(path: Path) -> None:
    first = Writer(path)
    first.append(A, STDOUT, b"one\n")
    first.close()
    second = Writer(path)
    second.append(A, STDOUT, b"two\n")
    assert second.finish(A).sha256 == hashlib.sha256(b"one\ntwo\n").hexdigest()
    second.close()
    assert [content for _, content in stored(path)] == [b"one\n", b"two\n"]


PHASES = ("pre-1", "")
PIECES = st.tuples(
    st.sampled_from(PHASES),
    st.sampled_from((STDOUT, STDERR)),
    st.sampled_from((b"hun", b"ter22", b"\xc3", b"\xa9", b"\n")),
)


Pieces = list[tuple[str, int, bytes]]


def kept(pieces: Pieces, phase: str, stream: int) -> bytes:
    """Return what the Engine's own file has of a container's stream."""
    raw = b"".join(data for *origin, data in pieces if origin == [phase, stream])
    return raw.decode(errors="jobledger-each-byte").encode()


def print_and_crash(path: Path, stored: Pieces, lost: Pieces) -> None:
    """Store some output, and perhaps some of what follows it."""
    writer = Writer(path)
    writer.conceal(A, [WORD])
    for phase, stream, data in stored:
        writer.append(A, stream, data, phase)
    writer._insist([A])
    for phase, stream, data in lost:
        writer.append(A, stream, data, phase)
    writer.forget(A)
    writer.close()


def catch_up(path: Path, pieces: Pieces, cut: int) -> None:
    """Read the Engine's file of each container to its end, twice as a watch does."""
    writer = Writer(path)
    writer.conceal(A, [WORD])
    for phase in (*PHASES, *PHASES):
        writer.resume(A, phase)
        for stream in (STDOUT, STDERR):
            text = kept(pieces, phase, stream)
            for start in range(0, len(text), cut):
                writer.append(A, stream, text[start : start + cut], phase)
        writer.end(A, phase)
    writer.close()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50, deadline=None)
@given(pieces=st.lists(PIECES, max_size=12), stored=st.integers(0, 12), lost=st.integers(0, 12), cut=st.integers(1, 9))
def test_after_a_crash_at_any_moment_a_container_goes_on_where_its_own_output_was_stored(
    tmp_path: Path, pieces: Pieces, stored: int, lost: int, cut: int
) -> None:
    path = tmp_path / f"{uuid4().hex}.db"
    print_and_crash(path, pieces[:stored], pieces[stored : stored + lost])
    catch_up(path, pieces, cut)
    for origin in product(PHASES, (STDOUT, STDERR)):
        redactor = Redactor([WORD])
        expected = redactor.feed(kept(pieces, *origin)) + redactor.flush()
        found = b"".join(data for *place, data in stored_by_phase(path) if tuple(place) == origin)
        assert found.decode(errors="jobledger-each-byte").encode() == expected


class Broken:
    """An Engine that loses the connection once, and has a file of what its container printed."""

    def __init__(self, came: bytes, kept: list[bytes]) -> None:
        self.is_there = threading.Event()
        self.is_there.set()
        self._came = came
        self._kept = kept
        self.asked = 0

    def read(self, _: object) -> Iterator[tuple[int, bytes]]:
        yield STDOUT, self._came
        raise EngineAway("broken")

    def logs(self, _: str) -> Iterator[tuple[int, bytes]]:
        self.asked += 1
        yield from ((STDOUT, data) for data in self._kept)

    def wait(self, *_: object) -> int | None:
        return None if self.asked == 1 else 7


class Damaged(Broken):
    """An Engine whose file can not be read to its end."""

    def __init__(self) -> None:
        super().__init__(b"", [])

    def logs(self, _: str) -> Iterator[tuple[int, bytes]]:
        self.asked += 1
        yield from [(STDOUT, b"one\n"), (3, b"Error grabbing logs: invalid character")]


def test_a_watch_goes_on_with_the_engines_file_and_lets_nothing_out(writer: Writer, path: Path) -> None:
    writer.conceal(A, [WORD])
    writer.append(A, STDOUT, b"hunter22 of another container\n", "pre-1")
    engine = Broken(b"the hunter22 is hun", [b"the hunter", b"22 is hunter22, and hun"])
    watch = Watch(cast("Engine", engine), "c" * 64, (writer, A), Signals(), "post-1")
    watch.attached = cast("Received", io.BytesIO())
    watch.run()
    assert (watch.error, watch.exit_code, watch.ended, engine.asked) == (None, 7, True, 3)
    writer.finish(A)
    assert printed(path, A) == b"[REDACTED] of another container\nthe [REDACTED] is [REDACTED], and hun"


def test_a_file_from_before_there_were_phases_is_read_and_gone_on_with(path: Path) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as old:
        old.execute(BEFORE_PHASES)
        old.execute("INSERT INTO parts VALUES (?, 1, '2026-01-01T00:00:00Z', 1, ?)", (A, b"one\n"))
    assert printed(path, A) == b"one\n"
    with ThreadPoolExecutor(4) as threads:
        first, *others = threads.map(Writer, [path] * 4)
    for other in others:
        other.close()
    first.resume(A)
    first.append(A, STDOUT, b"one\ntwo\n")
    assert first.finish(A).length == 8
    first.close()
    assert printed(path, A) == b"one\ntwo\n"


def test_who_opens_a_file_while_another_makes_it_ready_waits_for_that(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    late = sqlite3.connect(path, timeout=0, isolation_level=None, check_same_thread=False)
    with closing(late), ThreadPoolExecutor(1) as threads:
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN EXCLUSIVE")
            asked = threading.Event()
            monkeypatch.setattr(wal, "sleep", lambda _: asked.set())
            begun = threads.submit(output.create, late)
            assert asked.wait(PATIENCE)
            other.execute("COMMIT")
        begun.result(PATIENCE)
        assert late.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def many_parts(writer: Writer, attempt: str, content: bytes) -> None:
    for number in range(100):
        writer.append(attempt, STDOUT + number % 2, content)
    writer.finish(attempt)


def test_output_that_is_dropped_is_gone_and_other_output_stays(writer: Writer, path: Path) -> None:
    many_parts(writer, A, b"dropped" * 1_000)
    many_parts(writer, B, b"kept")
    output.drop(path, [A])
    assert (printed(path, A), output.page(path, [A], (1, 10))) == (b"", ([], 0))
    assert printed(path, B) == b"kept" * 100
    assert b"dropped" not in b"".join(each.read_bytes() for each in path.parent.iterdir())


def test_a_reader_of_what_is_being_dropped_finds_an_end(writer: Writer, path: Path) -> None:
    many_parts(writer, A, b"dropped\n")
    read = output.whole(path, [A])
    beginning = next(read)
    output.drop(path, [A])
    assert set(read) <= {b"dropped\n"}
    assert beginning == b"dropped\n"


def test_output_is_dropped_from_its_end_so_that_no_page_has_gaps(
    writer: Writer, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    many_parts(writer, A, b"dropped\n")
    seen: list[tuple[int, int]] = []

    class Watched(sqlite3.Connection):
        def execute(self, sql: str, *given: object) -> sqlite3.Cursor:
            if sql == output.DROP:
                parts, total = output.page(path, [A], (1, 1_000))
                seen.append((len(parts), total))
            return super().execute(sql, *given)

    connect = sqlite3.connect
    monkeypatch.setattr(sqlite3, "connect", lambda *place, **how: connect(*place, **{"factory": Watched} | how))
    output.drop(path, [A])
    assert seen == [(100, 100), (36, 36), (0, 0)]


HOLD = """
import fcntl, sys
with open(sys.argv[1], "r+b") as file:
    fcntl.lockf(file, fcntl.LOCK_EX, 1, 121)
    print(flush=True)
    sys.stdin.read()
"""
"""Holds the lock that SQLite takes to bring a write-ahead log to its file."""


def test_who_does_the_same_at_the_same_moment_is_waited_for(writer: Writer, path: Path) -> None:
    many_parts(writer, A, b"dropped")
    shared = path.with_name(f"{path.name}-shm")
    with (
        subprocess.Popen([sys.executable, "-c", HOLD, shared], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other,
        ThreadPoolExecutor(1) as thread,
    ):
        assert other.stdout
        other.stdout.readline()
        dropped = thread.submit(output.drop, path, [A])
        until(lambda: printed(path, A) == b"")
        assert not dropped.done()
        other.communicate()
        dropped.result(10)
    assert b"dropped" not in b"".join(each.read_bytes() for each in path.parent.iterdir())


def test_who_reads_for_ever_is_not_waited_for(writer: Writer, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wal, "PATIENCE", 0.1)
    monkeypatch.setattr(output, "PATIENCE", 0.1)
    writer._connection.execute("PRAGMA busy_timeout = 100")
    many_parts(writer, A, b"dropped")
    with closing(sqlite3.connect(path, isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT * FROM parts").fetchall()
        output.drop(path, [A])
        assert wal.clean(writer._connection) is False
        reader.execute("COMMIT")
    assert wal.clean(writer._connection) is True


def test_dropping_what_was_never_printed_is_no_error(path: Path) -> None:
    output.drop(path, [A])
    assert printed(path, A) == b""


def test_what_could_not_be_stored_waits_until_it_can(writer: Writer, path: Path) -> None:
    other = sqlite3.connect(path, isolation_level=None)
    writer._connection.execute("PRAGMA busy_timeout = 0")
    other.execute("BEGIN IMMEDIATE")
    writer.append(A, STDOUT, b"kept")
    with pytest.raises(sqlite3.OperationalError, match="locked"):
        writer._store([A])
    other.execute("COMMIT")
    other.close()
    until(lambda: printed(path, A) == b"kept")


def test_what_can_never_be_stored_is_left_out_and_nobody_waits_for_it(writer: Writer, path: Path) -> None:
    writer.append(A, STDOUT, b"one\n")
    writer.append(A, 3, b"of no known stream\n")
    writer.append(A, STDOUT, b"two\n")
    writer.append(B, STDOUT, b"other\n")
    until(lambda: (printed(path, A), printed(path, B)) == (b"one\ntwo\n", b"other\n"))
    measured = writer.finish(A)
    assert (measured.length, measured.sha256) == (8, hashlib.sha256(b"one\ntwo\n").hexdigest())


def test_words_of_the_engine_about_a_damaged_file_are_the_runners_own_and_said_once(writer: Writer, path: Path) -> None:
    engine = Damaged()
    watch = Watch(cast("Engine", engine), "c" * 64, (writer, A), Signals())
    watch.start()
    until(lambda: watch.ended)
    writer.finish(A)
    assert (watch.error, watch.exit_code, engine.asked) == (None, 7, 3)
    assert stored(path) == [(STDOUT, b"one\n"), (RUNNER, b"Error grabbing logs: invalid character\n")]


def test_a_late_word_of_an_attempt_that_was_forgotten_is_not_stored(writer: Writer, path: Path) -> None:
    writer.conceal(A, [WORD])
    writer.append(A, STDOUT, b"one\n")
    measured = writer.finish(A)
    writer.forget(A)
    writer.append(A, RUNNER, b"it was hunter22\n")
    writer.end(A)
    writer.append(B, STDOUT, b"other\n")
    writer.finish(B)
    assert (printed(path, A), printed(path, B)) == (b"one\n", b"other\n")
    assert writer.finish(A) == measured


def test_of_attempts_that_are_over_only_the_latest_are_remembered(
    writer: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "FORGOTTEN", 2)
    for number in range(5):
        writer.forget(str(number))
    assert list(writer._forgotten) == ["3", "4"]


def test_an_attempt_that_was_forgotten_may_be_begun_again(writer: Writer, path: Path) -> None:
    writer.append(A, STDOUT, b"one\n")
    writer.finish(A)
    writer.forget(A)
    writer.conceal(A, [WORD])
    writer.append(A, STDOUT, b"hunter22\n")
    writer.finish(A)
    assert printed(path, A) == b"one\n[REDACTED]\n"


def test_the_last_words_are_those_of_the_task(writer: Writer) -> None:
    writer.append(A, RUNNER, b"pulling busybox\n")
    writer.append(A, STDOUT, b"one\n")
    writer.append(A, STDERR, b"two\n")
    writer.finish(A)
    assert writer.last(A, 100) == b"one\ntwo\n"
    assert writer.last(A, 3) == b"wo\n"


def test_nothing_is_read_before_a_runner_wrote_anything(path: Path) -> None:
    assert output.page(path, [A], (1, 10), "") == ([], 0)
    assert printed(path, A) == b""


def test_nothing_is_read_in_the_moment_between_the_file_and_its_table(path: Path) -> None:
    path.touch()
    assert printed(path, A) == b""


def three_parts(writer: Writer, attempt: str, word: str) -> None:
    for number in range(3):
        writer.append(attempt, STDOUT, f"{word} {number}".encode())
        writer.append(attempt, STDERR, b"")
        writer.finish(attempt)


def test_pages_are_newest_first_over_all_attempts(writer: Writer, path: Path) -> None:
    three_parts(writer, A, "old")
    three_parts(writer, B, "new")
    pages = [output.page(path, [A, B], (number, 2), "") for number in (1, 2, 3, 4)]
    assert [total for _, total in pages] == [6] * 4
    texts = [[part.contents for part in parts] for parts, _ in pages]
    assert texts == [["new 2", "new 1"], ["new 0", "old 2"], ["old 1", "old 0"], []]


def test_a_part_tells_whose_it_is(writer: Writer, path: Path) -> None:
    writer.append(A, STDOUT, b"hello\xff")
    writer.finish(A)
    (part,), _ = output.page(path, [A], (1, 10), "")
    assert (part.task_id, part.number, part.contents) == (A, 1, "hello\N{REPLACEMENT CHARACTER}")
    assert len(part.id) == 32
    assert part.created_at.endswith("Z")
    assert output.page(path, [A], (1, 10), "")[0] == [part]


def test_a_query_finds_parts_with_every_word_and_counts_them(writer: Writer, path: Path) -> None:
    three_parts(writer, A, "Old")
    three_parts(writer, B, "ÜBER old")
    parts, total = output.page(path, [A, B], (1, 2), "OLD über")
    assert ([part.contents for part in parts], total) == (["ÜBER old 2", "ÜBER old 1"], 3)
    assert output.page(path, [A, B], (2, 2), "old 1")[1] == 2
    assert output.page(path, [A, B], (1, 10), "nowhere") == ([], 0)


def test_the_whole_can_be_read_from_any_byte(writer: Writer, path: Path) -> None:
    three_parts(writer, A, "a")
    three_parts(writer, B, "b")
    full = printed(path, A, B)
    for start in range(len(full) + 2):
        assert printed(path, A, B, start=start) == full[start:]


@given(data=st.binary(max_size=40), cut=st.integers(0, 40))
def test_a_cut_keeps_characters_whole_and_loses_nothing(data: bytes, cut: int) -> None:
    beginning = data[:cut]
    end = whole_characters(beginning)
    assert len(beginning) - 3 <= end <= len(beginning)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50, deadline=None)
@given(text=st.text(min_size=1, max_size=60), pieces=st.integers(1, 5))
def test_text_in_pieces_is_stored_in_whole_characters(writer: Writer, path: Path, text: str, pieces: int) -> None:
    attempt, data = uuid4().hex, text.encode()
    for start in range(0, len(data), pieces):
        writer.append(attempt, STDOUT, data[start : start + pieces])
    writer.finish(attempt)
    parts = [content for _, content in stored(path, attempt)]
    assert "".join(part.decode() for part in parts) == text
