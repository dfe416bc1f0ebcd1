"""The runner's smaller parts, each by itself."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.lock import Held, locked
from app.output import STDERR, STDOUT
from app.runner import images, phases, spec
from app.runner.client import DEADLINE, STARTING, Client
from app.runner.container import OwnContainer
from app.runner.engine import Container, Engine, Gone, NameTaken
from app.runner.exchange import LARGEST_RESULT, BadResult, Exchange
from app.runner.frames import frames
from app.runner.kept import LONGEST, Source, kept_length
from app.runner.processes.home import Home, Plate, homes
from app.runner.runtime import Work
from app.runner.signals import Cancelled, Left, Signals, TimedOut
from app.runner.verdict import LINES, Failure, NeverRan, exited
from domain.definition import TaskDefinition
from projections.queue import Claim, Place
from tests import controls as c

LOG = UUID(int=7)


def work(task: TaskDefinition = c.QUEUED_FIRST, **scheduled: Any) -> Work:
    event = msgspec.structs.replace(c.SCHEDULED_1, task=task, **scheduled)
    return Work(LOG, c.RUNNER, Place(2, event.attempt, c.JOB, 2), Claim(c.EPOCH, 3, c.NOON), event, task)


def body(task: TaskDefinition = c.QUEUED_FIRST, phase: str = "", **surroundings: Any) -> Any:
    (found,) = (each for each in phases.each(task) if each.name == phase)
    return spec.body(found, work(task), Path("/data/a"), surroundings)


def framed(stream: int, data: bytes) -> bytes:
    return bytes([stream, 0, 0, 0]) + len(data).to_bytes(4) + data


@given(cut=st.integers(1, 60))
def test_frames_are_told_apart_however_they_arrive(cut: int) -> None:
    sent = framed(STDOUT, b"one\n") + framed(STDOUT, b"two\n") + framed(STDERR, b"three\n") + framed(STDOUT, b"")
    chunks = [sent[start : start + cut] for start in range(0, len(sent), cut)]
    received = list(frames(chunks))
    assert b"".join(data for stream, data in received if stream == STDOUT) == b"one\ntwo\n"
    assert b"".join(data for stream, data in received if stream == STDERR) == b"three\n"


def test_many_lines_that_came_together_are_one_piece() -> None:
    sent = b"".join(framed(STDOUT, b"line\n") for _ in range(100))
    assert list(frames([sent])) == [(STDOUT, b"line\n" * 100)]


@pytest.mark.parametrize(
    ("printed", "length"),
    [
        (b"", 0),
        (b"plain\n", 6),
        ("naïve\n".encode(), 7),
        (b"\xff\n", 4),
        (b"\xe2\x82x", 7),
        (b"\xed\xa0\x80", 9),
        (b"a" * LONGEST + b"\n", LONGEST + 1),
        (b"a" * (LONGEST - 1) + "é\n".encode(), LONGEST - 1 + 6 + 1),
        (b"a" * LONGEST + "é\n".encode(), LONGEST + 3),
    ],
)
def test_the_engine_keeps_text_by_the_line_and_mends_the_rest(printed: bytes, length: int) -> None:
    assert kept_length([printed]) == length


@given(st.lists(st.sampled_from([b"a", b"\n", b"\xff", "é".encode(), b"x" * 5_000, b"\xc3"]), max_size=30))
def test_how_much_is_kept_does_not_depend_on_how_it_is_cut(pieces: list[bytes]) -> None:
    assert kept_length(pieces) == kept_length([b"".join(pieces)])


def test_what_is_stored_is_left_out_when_it_comes_again() -> None:
    source = Source((), stored=4)
    assert [source.feed(b"abc"), source.feed(b"def"), source.feed(b"g")] == [b"", b"ef", b"g"]


@pytest.fixture
def exchange(tmp_path: Path) -> Exchange:
    made = Exchange(tmp_path / "attempts" / "a")
    made.create("echo hello")
    return made


def test_the_script_can_be_run_and_the_result_written_by_anybody(exchange: Exchange) -> None:
    modes = {path.name: path.stat().st_mode & 0o777 for path in exchange.folder.iterdir()}
    assert modes == {"entrypoint": 0o555, "stdout": 0o666, "progress": 0o666}
    assert (exchange.folder / "entrypoint").read_text() == "echo hello"


def test_a_folder_can_be_made_again(exchange: Exchange) -> None:
    (exchange.folder / "stdout").write_text("half")
    exchange.create("echo again")
    assert (exchange.folder / "entrypoint").read_text() == "echo again"
    assert exchange.result() == ""


def test_a_result_is_text_without_nul(exchange: Exchange) -> None:
    (exchange.folder / "stdout").write_bytes(b"a\0b\xffc\n")
    assert exchange.result() == "ab\N{REPLACEMENT CHARACTER}c\n"


def test_a_result_may_be_large_but_not_too_large(exchange: Exchange) -> None:
    (exchange.folder / "stdout").write_bytes(b"x" * LARGEST_RESULT)
    assert len(exchange.result()) == LARGEST_RESULT
    (exchange.folder / "stdout").write_bytes(b"x" * (LARGEST_RESULT + 1))
    with pytest.raises(BadResult, match="larger than 1048576 bytes"):
        exchange.result()


def test_a_result_that_was_removed_is_none(exchange: Exchange) -> None:
    (exchange.folder / "stdout").unlink()
    assert exchange.result() == ""


def test_a_link_is_not_followed_out_of_the_folder(exchange: Exchange, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    (exchange.folder / "stdout").unlink()
    (exchange.folder / "stdout").symlink_to(tmp_path / "secret")
    with pytest.raises(BadResult, match="can not be read"):
        exchange.result()


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir], ids=["pipe", "folder"])
def test_a_result_that_is_no_file_is_neither_waited_for_nor_taken(exchange: Exchange, make: object) -> None:
    assert callable(make)
    (exchange.folder / "stdout").unlink()
    make(exchange.folder / "stdout")
    with pytest.raises(BadResult, match="not a plain file"):
        exchange.result()


DEPTH = 3_000


def dig(top: Path, depth: int = DEPTH) -> None:
    """Make folders, each in the one before, with a file in each."""
    here = os.open(top, os.O_RDONLY)
    for _ in range(depth):
        os.mkdir("folder", dir_fd=here)
        below = os.open("folder", os.O_RDONLY, dir_fd=here)
        os.close(os.open("file", os.O_CREAT | os.O_WRONLY, dir_fd=below))
        os.close(here)
        here = below
    os.close(here)


def test_a_folder_is_removed_however_deep_it_is(exchange: Exchange) -> None:
    dig(exchange.folder)
    (exchange.folder / "beside" / "empty").mkdir(parents=True)
    exchange.remove()
    assert not exchange.folder.exists()


def test_the_home_of_an_attempt_is_removed_however_deep_it_is(tmp_path: Path) -> None:
    home = Home(tmp_path / "homes" / "a")
    plate = Plate(LOG, c.JOB, c.ATTEMPT_1, "1", "boot")
    home.create(plate)
    dig(home.folder)
    home.create(plate)
    assert [path.name for path in home.folder.iterdir()] == ["attempt"]
    dig(home.folder)
    home.folder.rename(home.folder.with_name("a.gone"))
    assert list(homes(home.folder.parent)) == []
    assert list(home.folder.parent.iterdir()) == []


def test_what_a_link_leads_to_is_not_removed(exchange: Exchange, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "file").touch()
    (exchange.folder / "folder").mkdir()
    (exchange.folder / "folder" / "link").symlink_to(tmp_path / "other")
    exchange.remove()
    assert not exchange.folder.exists()
    assert (tmp_path / "other" / "file").exists()
    (tmp_path / "link").symlink_to(tmp_path / "other")
    Exchange(tmp_path / "link").remove()
    assert (tmp_path / "other" / "file").exists()


def test_what_can_not_be_removed_stays_and_what_is_not_there_is_no_error(
    exchange: Exchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError

    dig(exchange.folder, 3)
    for change in ("unlink", "rmdir", "rename"):
        monkeypatch.setattr(os, change, refuse)
    exchange.remove()
    assert (exchange.folder / "folder" / "folder" / "folder" / "file").exists()
    Exchange(exchange.folder / "absent").remove()
    Exchange(exchange.folder / "stdout").remove()


class Answer:
    """What an Engine answers, from which no connection can be made."""

    def __init__(self) -> None:
        self.is_closed = False

    def raise_for_status(self) -> None:
        pass

    def close(self) -> None:
        self.is_closed = True


def test_no_connection_is_left_open_when_a_second_one_can_not_be_made() -> None:
    client, wait = Client("unix:///nowhere.sock", version="1.43"), Answer()
    asked = iter([wait, ConnectionError("broken")])

    def post(*_: object, **__: object) -> Answer:
        answer = next(asked)
        if isinstance(answer, ConnectionError):
            raise answer
        return answer

    client.post = post  # type: ignore[assignment,method-assign]
    with pytest.raises(ConnectionError, match="broken"):
        client.attached("c" * 64)
    assert wait.is_closed


def test_a_start_may_take_longer_than_other_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[Any] = []
    client = Client("unix:///nowhere.sock", version="1.43")
    monkeypatch.setattr(client, "post", lambda _, **options: given.append(options["timeout"]) or Answer())
    engine = Engine("unix:///nowhere.sock")
    engine._client = client
    engine.start("c" * 64)
    assert given == [(DEADLINE, STARTING)]
    assert STARTING > 4 * DEADLINE


class Found(Engine):
    """An Engine that has a container of the name already, made in another way."""

    def __init__(self, started_at: str) -> None:
        super().__init__("unix:///nowhere.sock")
        self.is_there.set()
        self._started_at = started_at
        self.removed: list[str] = []

    def create(self, *_: object) -> None:
        raise NameTaken

    def inspect(self, _: str) -> Container:
        if self.removed:
            raise Gone
        labels = spec.labels(work()) | {spec.SPEC: "of another claim"}
        ended = "2026-01-02T00:00:00Z"
        return Container("c" * 64, "image", labels, False, self._started_at, ended, 0, False, 0, "", {})  # noqa: FBT003

    def remove(self, container: str) -> None:
        self.removed.append(container)


def test_w19_what_was_started_though_the_log_does_not_tell_is_neither_removed_nor_run_again() -> None:
    engine = Found(started_at="2026-01-01T00:00:00Z")
    with pytest.raises(Failure, match="outcome unknown: its container was started before") as raised:
        OwnContainer(engine, work(), "", Signals()).create(body())
    assert raised.value.cause == "unknown"
    assert engine.removed == []


def test_what_was_made_in_another_way_and_never_started_is_removed() -> None:
    engine = Found(started_at="0001-01-01T00:00:00Z")
    with pytest.raises(NeverRan, match="created in another way"):
        OwnContainer(engine, work(), "", Signals()).create(body())
    assert engine.removed == ["c" * 64]


def program(task: TaskDefinition) -> tuple[object, object]:
    made = body(task)
    return made.get("Entrypoint"), made.get("Cmd")


IMAGE = {"name": "t", "image": "busybox"}


@pytest.mark.parametrize(
    ("task", "expected"),
    [
        (TaskDefinition(**IMAGE, run="echo"), (["sh", "-c"], ["/tork/entrypoint"])),
        (TaskDefinition(**IMAGE, run="echo", entrypoint=("bash", "-e")), (["bash", "-e"], ["/tork/entrypoint"])),
        (TaskDefinition(**IMAGE, cmd=("ls", "/")), (None, ["ls", "/"])),
        (TaskDefinition(**IMAGE, run="echo", cmd=("ls",)), (["sh", "-c"], ["ls"])),
        (TaskDefinition(**IMAGE, entrypoint=("top",)), (["top"], None)),
        (TaskDefinition(**IMAGE), (None, None)),
    ],
    ids=["run", "run in bash", "cmd", "run and cmd", "entrypoint", "the image's own"],
)
def test_the_program_is_what_job_files_mean_by_it(task: TaskDefinition, expected: tuple[object, object]) -> None:
    assert program(task) == expected


def test_a_container_tells_whose_it_is_and_how_it_was_made() -> None:
    made = body()
    assert made == body()
    assert spec.place(made["Labels"]) == Place(0, c.ATTEMPT_1, c.JOB, 0)
    assert made["Labels"] | {"jobledger.claim": "3", "jobledger.path": "1", "jobledger.phase": ""} == made["Labels"]
    other = body(msgspec.structs.replace(c.QUEUED_FIRST, env={"A": "1"}))
    assert other["Labels"]["jobledger.spec"] != made["Labels"]["jobledger.spec"]


def test_labels_of_others_are_nobodys() -> None:
    assert spec.place({}) is None
    assert spec.place({"jobledger.attempt": "x", "jobledger.job": "y"}) is None


def test_a_task_is_told_who_it_is_and_can_not_change_where_its_result_is() -> None:
    task = msgspec.structs.replace(c.QUEUED_FIRST, env={"A": "1", "TORK_OUTPUT": "/etc/passwd"})
    environment = body(task)["Env"]
    assert {"A=1", "TORK_OUTPUT=/tork/stdout", "JOBLEDGER_OUTPUT=/tork/stdout"} <= set(environment)
    assert {f"JOBLEDGER_ATTEMPT_ID={c.ATTEMPT_1.hex}", f"JOBLEDGER_FENCE={c.EPOCH}"} <= set(environment)


def test_an_error_repeats_the_last_lines() -> None:
    output = "".join(f"line {number}\n" for number in range(50)).encode()
    error = exited(3, output).error
    assert error == "exit code 3: " + "\n".join(f"line {number}" for number in range(50 - LINES, 50))
    assert exited(3, b"").error == "exit code 3"
    assert "\0" not in exited(1, b"a\0b").error


def test_who_was_killed_for_want_of_memory_is_told_so_as_far_as_it_is_known() -> None:
    seen = exited(137, b"big\n", oom_killed=True, memory=1)
    assert (seen.error, seen.cause) == ("out of memory: exit code 137: big", "oom")
    missed = exited(137, b"big\n", memory=1)
    assert (missed.error, missed.cause) == ("killed, probably out of memory: exit code 137: big", "exit")
    assert exited(137, b"").error == "exit code 137"
    assert exited(3, b"", memory=1).error == "exit code 3"


def test_signals_come_between() -> None:
    signals = Signals()
    signals.check()
    signals.deadline = 0.0
    with pytest.raises(TimedOut):
        signals.wait(lambda: False)
    signals.cancel(9)
    with pytest.raises(Cancelled):
        signals.wait(lambda: False)
    signals.leave()
    with pytest.raises(Left):
        signals.settle(lambda: False, 60)


def test_what_is_so_already_is_not_called_off() -> None:
    signals = Signals()
    signals.cancel(9)
    signals.wait(lambda: True)
    assert signals.settle(lambda: True, 0)
    assert not Signals().settle(lambda: False, 0)


def test_progress_is_told_in_few_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(range(1_000))
    monkeypatch.setattr(images.time, "monotonic", lambda: next(clock) / 10)
    progress = images.Progress("alpine:3.18")
    words = [{"status": "Downloading", "id": "x", "progressDetail": {"current": n, "total": 200}} for n in range(200)]
    lines = [line for each in words if (line := progress.line(each))]
    assert 10 < len(lines) < 45
    assert lines[-1].startswith("pulling alpine:3.18: downloading 9")
    assert progress.line({"status": "Waiting", "id": "y"}) == ""


def test_a_lock_is_one_processs_and_says_whose(tmp_path: Path) -> None:
    with (
        locked(tmp_path / "lock"),
        pytest.raises(Held, match=f"process {os.getpid()}"),
        locked(tmp_path / "lock", patience=0),
    ):
        pass
    with locked(tmp_path / "lock", patience=0):
        assert threading.current_thread().is_alive()


def test_a_lock_waits_a_moment_for_a_holder_that_is_just_ending(tmp_path: Path) -> None:
    entered = threading.Event()

    def hold() -> None:
        with locked(tmp_path / "lock"):
            entered.set()

    holder = threading.Thread(target=hold)
    holder.start()
    entered.wait(5)
    with locked(tmp_path / "lock"):
        holder.join()
