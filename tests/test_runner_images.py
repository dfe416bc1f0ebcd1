"""Fetching images: once for all that wait, with words for each, and no longer than someone waits."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from app import output
from app.output import RUNNER
from app.runner import client, images
from app.runner.client import Client, Line
from app.runner.credentials import Credentials
from app.runner.engine import NOBODY, Engine, EngineAway, EngineRefusal
from app.runner.image_keeper import ImageKeeper
from app.runner.images import Audience, Images
from app.runner.signals import Cancelled, Signals
from app.runner.writer import Writer
from tests.waiting import until

A, B = "a" * 32, "b" * 32
ALPINE = ("alpine:3.18", frozenset[tuple[str, str]]())


class Registry(Engine):
    """An Engine that says what it is told to, when it is told to."""

    def __init__(self) -> None:
        super().__init__("unix:///nowhere.sock")
        self.pulls = 0
        self.names: list[str] = []
        self.lines: list[Line] = []
        self.words: list[dict[str, Any]] = []
        self.go_on = threading.Semaphore(0)
        self.given_up = threading.Event()

    def pull(
        self, image: str, credentials: Mapping[str, str] = NOBODY, line: Line | None = None
    ) -> Iterator[dict[str, Any]]:
        assert line
        self.lines.append(line)
        self.pulls += 1
        self.names.append(credentials.get("username", ""))
        try:
            yield {"status": f"Pulling from {image}"}
            for words in self.words:
                self.go_on.acquire()
                yield words
        finally:
            self.given_up.set()


@pytest.fixture
def registry() -> Registry:
    return Registry()


@pytest.fixture
def fetching(registry: Registry, tmp_path: Path) -> Images:
    return Images(registry, ImageKeeper(registry, tmp_path / "images.json", 0))


@pytest.fixture
def writer(tmp_path: Path) -> Iterator[Writer]:
    opened = Writer(tmp_path / "output.db")
    yield opened
    opened.close()


class Fetch(threading.Thread):
    """An attempt that waits for an image."""

    def __init__(self, fetching: Images, writer: Writer, attempt: str, user: str = "") -> None:
        super().__init__()
        self.signals = Signals()
        self.error: Exception | None = None
        self._fetching = fetching
        self._audience = Audience(
            attempt, lambda line: writer.append(attempt, RUNNER, f"{line}\n".encode()), self.signals
        )
        self._credentials: Credentials = {"username": user} if user else {}
        self.start()

    def run(self) -> None:
        try:
            self._fetching.fetch("alpine:3.18", self._credentials, self._audience)
        except Exception as error:  # noqa: BLE001 - the test looks at it
            self.error = error

    def ends(self) -> None:
        self.join(10)
        assert not self.is_alive()


def words(percent: int) -> dict[str, Any]:
    return {"status": "Downloading", "id": "layer", "progressDetail": {"current": percent, "total": 100}}


def said(writer: Writer, path: Path, attempt: str) -> list[str]:
    writer.finish(attempt)
    return b"".join(output.whole(path / "output.db", [attempt])).decode().splitlines()


def test_an_image_is_fetched_once_for_all_and_each_hears_of_it(
    registry: Registry, fetching: Images, writer: Writer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(images, "PACE", 0.0)
    registry.words = [words(45), words(45), {"status": "Pull complete", "id": "layer"}]
    first = Fetch(fetching, writer, A)
    until(lambda: registry.pulls == 1)
    second = Fetch(fetching, writer, B)
    until(lambda: len(fetching._pulls[ALPINE].waiting) == 2)
    registry.go_on.release(3)
    first.ends()
    second.ends()
    assert (first.error, second.error, registry.pulls) == (None, None, 1)
    story = ["pulling alpine:3.18", "pulling alpine:3.18: downloading 45 %", "pulled alpine:3.18"]
    assert said(writer, tmp_path, A) == said(writer, tmp_path, B) == story


def test_what_the_registry_says_is_told_to_all(registry: Registry, fetching: Images, writer: Writer) -> None:
    registry.words = [{"error": "manifest unknown"}]
    waiting = [Fetch(fetching, writer, A)]
    until(lambda: registry.pulls == 1)
    waiting.append(Fetch(fetching, writer, B))
    until(lambda: len(fetching._pulls[ALPINE].waiting) == 2)
    registry.go_on.release()
    for fetch in waiting:
        fetch.ends()
        assert isinstance(fetch.error, EngineRefusal)
        assert str(fetch.error) == "manifest unknown"


def test_nobody_waits_for_an_image_after_a_cancel_and_it_is_fetched_no_further(
    registry: Registry, fetching: Images, writer: Writer
) -> None:
    registry.words = [words(1), words(2)]
    fetch = Fetch(fetching, writer, A)
    until(lambda: registry.pulls == 1)
    fetch.signals.cancel(7)
    fetch.ends()
    assert isinstance(fetch.error, Cancelled)
    registry.go_on.release()
    assert registry.given_up.wait(10)
    again = Fetch(fetching, writer, B)
    registry.go_on.release(2)
    again.ends()
    assert (again.error, registry.pulls) == (None, 2)


def test_a_pull_that_stalls_and_that_nobody_waits_for_is_not_joined_and_its_line_is_hung_up(
    registry: Registry, fetching: Images, writer: Writer
) -> None:
    registry.words = [words(1)]
    waiting = [Fetch(fetching, writer, A), Fetch(fetching, writer, B)]
    until(lambda: fetching._pulls and len(fetching._pulls[ALPINE].waiting) == 2)
    until(lambda: registry.lines)
    waiting[0].signals.cancel(7)
    waiting[0].ends()
    assert not registry.lines[0].is_hung_up
    waiting[1].signals.cancel(8)
    waiting[1].ends()
    assert registry.lines[0].is_hung_up
    again = Fetch(fetching, writer, B)
    until(lambda: registry.pulls == 2)
    registry.go_on.release(2)
    again.ends()
    assert (again.error, registry.lines[1:]) == (None, [registry.lines[1]])


class Stalling(threading.Thread):
    """An Engine that says one word about a pull, and then nothing."""

    def __init__(self, path: Path) -> None:
        super().__init__(daemon=True)
        self.address = f"unix://{path}"
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen()
        self.was_left = threading.Event()
        self.may_answer = threading.Event()
        self.start()

    def run(self) -> None:
        connection, _ = self._listener.accept()
        with self._listener, connection:
            connection.recv(65536)
            self.may_answer.wait(10)
            word = b'{"status": "Pulling"}\r\n'
            head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
            connection.sendall(head + b"%x\r\n%s\r\n" % (len(word), word))
            while connection.recv(65536):
                pass
            self.was_left.set()


@pytest.fixture
def stalling(tmp_path: Path) -> Stalling:
    return Stalling(tmp_path / "engine.sock")


@pytest.fixture
def connected(stalling: Stalling) -> Iterator[Engine]:
    engine = Engine(stalling.address)
    engine._client = Client(stalling.address, version="1.43")
    engine.is_there.set()
    yield engine
    engine.close()


@pytest.mark.parametrize("has_answered", [True, False], ids=["after a word", "before the first word"])
def test_who_hangs_up_lets_the_engine_know_and_does_not_take_it_for_lost(
    stalling: Stalling, connected: Engine, *, has_answered: bool
) -> None:
    line, said = Line(), list[dict[str, Any]]()
    first = threading.Event()

    def listen() -> None:
        for word in connected.pull("alpine:3.18", NOBODY, line):
            said.append(word)
            first.set()

    listener = threading.Thread(target=listen)
    listener.start()
    if has_answered:
        stalling.may_answer.set()
        assert first.wait(10)
    line.hang_up()
    stalling.may_answer.set()
    assert stalling.was_left.wait(10)
    listener.join(10)
    assert not listener.is_alive()
    assert connected.is_there.is_set()
    line.hang_up()  # a second time is no error


def test_an_engine_that_says_nothing_for_very_long_is_away(
    stalling: Stalling, connected: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "SILENCE", 0.2)
    stalling.may_answer.set()
    with pytest.raises(EngineAway):
        list(connected.pull("alpine:3.18"))
    assert stalling.was_left.wait(10)


def test_what_one_may_have_another_one_has_to_ask_for_in_its_own_name(
    registry: Registry, fetching: Images, writer: Writer
) -> None:
    registry.words = [words(1)]
    both = [Fetch(fetching, writer, A, "anna"), Fetch(fetching, writer, B, "bert")]
    until(lambda: registry.pulls == 2)
    registry.go_on.release(2)
    for fetch in both:
        fetch.ends()
    assert sorted(registry.names) == ["anna", "bert"]
