"""What tasks print: stored whole, in order, and read in pages."""

from __future__ import annotations

import hashlib
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app import output
from app.output import RUNNER, STDERR, STDOUT
from app.runner import writer as module
from app.runner.writer import PART, Writer, whole_characters
from tests.waiting import until

A, B = uuid4().hex, uuid4().hex


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


def test_output_is_stored_soon_without_being_asked_for(writer: Writer, path: Path) -> None:
    writer.append(A, STDOUT, b"hello")
    until(lambda: printed(path, A) == b"hello", seconds=1)


def test_the_measure_is_of_all_bytes_in_their_order(writer: Writer, path: Path) -> None:
    writer.append(A, STDOUT, b"one\n")
    writer.append(A, STDERR, b"two\n")
    measured = writer.finish(A)
    assert (measured.length, measured.sha256) == (8, hashlib.sha256(b"one\ntwo\n").hexdigest())
    assert printed(path, A) == b"one\ntwo\n"


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
