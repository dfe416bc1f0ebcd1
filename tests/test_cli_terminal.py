"""The commands as processes: in a terminal, in a pipe that breaks, interrupted."""

from __future__ import annotations

import os
import pty
import re
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from time import monotonic

import pytest

from tests.cli_server import CREATED, FIRST, SECOND, Api, document, running

ROOT = Path(__file__).parents[1]
PROGRAM = [sys.executable, "-m", "app"]
PATIENCE = 20.0
"""Seconds; what is waited for takes a fraction of one on an idle machine."""
ESCAPE = re.compile(rb"\x1b\[[0-9;?]*[A-Za-z]")
STRUCK = """
import signal, sys, threading
from app.cli import follow, main

def enter(condition):
    taken = of_all(condition)
    if struck:
        signal.raise_signal(signal.SIGINT)
    return taken

def look(*given):
    looked = of_follow(*given)
    struck.append(looked)
    return looked

struck, of_all, of_follow = [], threading.Condition.__enter__, follow._look
threading.Condition.__enter__, follow._look = enter, look
main()
"""
"""A command whose Ctrl-C comes at the worst moment: when its HTTP client has just taken the lock of its connections."""


@pytest.fixture
def api() -> Iterator[Api]:
    """Give a server that knows two jobs."""
    with running() as api:
        api.jobs = [document(FIRST), document(SECOND, "FAILED", name="a\x1b[31mb")]
        yield api


@pytest.fixture(autouse=True)
def _in_the_foreground() -> Iterator[None]:
    """Start commands as a terminal does: what a shell starts in the background, perhaps these tests, ignores Ctrl-C."""
    usual = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, usual)


class Terminal:
    """A command that runs in a terminal, and all that this shows."""

    def __init__(self, api: Api, *arguments: str, program: list[str] = PROGRAM, **environment: str) -> None:
        """Start the command."""
        self._screen, inside = pty.openpty()
        more = {"JOBLEDGER_SERVER": api.url, "TERM": "xterm-256color", "COLUMNS": "100", **environment}
        self.process = subprocess.Popen(
            [*program, *arguments],
            cwd=ROOT,
            env={name: value for name, value in {**os.environ, **more}.items() if value},
            stdin=inside,
            stdout=inside,
            stderr=inside,
        )
        os.close(inside)
        self.shown = b""

    def read(self, until: bytes = b"") -> bytes:
        """Read what is shown, to the end or until something is there."""
        deadline = monotonic() + PATIENCE
        while not until or until not in self.shown:
            if not select.select([self._screen], [], [], max(0, deadline - monotonic()))[0]:
                self.process.kill()
                self.process.wait()
                pytest.fail(f"it did not come in time, there is only: {self.shown!r}")
            try:
                self.shown += os.read(self._screen, 4096)
            except OSError:  # the end of a terminal
                break
        return self.shown

    def interrupt(self) -> None:
        """Press Ctrl-C."""
        self.process.send_signal(signal.SIGINT)

    def close(self) -> int:
        """Wait for the end and return the exit code."""
        self.read()
        os.close(self._screen)
        return self.process.wait(PATIENCE)


def test_a_table_with_colours_in_a_terminal(api: Api) -> None:
    """Short ids, ages, states in their colours; strange names can not act on the terminal."""
    terminal = Terminal(api, "jobs", NO_COLOR="")
    assert terminal.close() == 0
    assert b"\x1b[32mCOMPLETED" in terminal.shown
    assert b"\x1b[31mb" not in terminal.shown
    plain = ESCAPE.sub(b"", terminal.shown)
    assert re.search(rb"aaaa11110000  COMPLETED  0/1 +[0-9dhms ]+ ago  2.5s  hello", plain)
    assert FIRST.encode() not in plain


def test_no_color_is_respected(api: Api) -> None:
    """https://no-color.org: any value that is not empty."""
    terminal = Terminal(api, "show", "@latest", NO_COLOR="1")
    assert terminal.close() == 0
    assert b"\x1b[3" not in terminal.shown


def test_follow_in_a_terminal_shows_states_and_output_on_their_own_lines(api: Api, tmp_path: Path) -> None:
    """The line that moves is gone in the end; output without an end of line does not swallow a message."""
    (tmp_path / "job.yaml").write_text("name: hello")
    api.steps[FIRST] = [("RUNNING", b"one\n"), ("RUNNING", b""), ("RUNNING", b"two"), ("COMPLETED", b"")]
    terminal = Terminal(api, "submit", str(tmp_path / "job.yaml"), "--follow")
    assert terminal.close() == 0
    shown = ESCAPE.sub(b"", terminal.shown)
    assert b"one\r\n" in shown
    assert b"two\r\naaaa11110000 COMPLETED in 2.5s\r\n" in shown
    assert b"RUNNING task 1 of 1: greet" in shown
    assert terminal.shown.rindex(b"\x1b[?25h") > terminal.shown.rindex(b"\x1b[?25l")  # the cursor is back


@pytest.fixture
def job_file(api: Api, tmp_path: Path) -> str:
    """Give the file of a job that runs on and on."""
    api.jobs[0]["state"] = "RUNNING"
    path = tmp_path / "job.yaml"
    path.write_text("name: hello")
    return str(path)


@pytest.mark.parametrize("option", ["--follow", "--wait"])
def test_ctrl_c_leaves_the_job_and_says_so(api: Api, job_file: str, option: str) -> None:
    """How to come back, how to call it off; the end is that of a signal, so that a script ends too; no traceback."""
    terminal = Terminal(api, "submit", job_file, option)
    terminal.read(until=b"RUNNING")
    terminal.interrupt()
    assert terminal.close() == -signal.SIGINT
    shown = ESCAPE.sub(b"", terminal.shown)
    assert f"jobledger logs -f {FIRST}".encode() in shown
    assert f"jobledger cancel {FIRST}".encode() in shown
    assert b"Traceback" not in shown
    assert "PUT" not in [method for method, *_ in api.requests]


@pytest.mark.parametrize("option", ["--follow", "--wait"])
def test_ctrl_c_ends_it_also_where_a_lock_was_just_taken(api: Api, job_file: str, option: str) -> None:
    """An exception there would leave the lock taken, and the clean-up would wait for it for ever."""
    terminal = Terminal(api, "submit", job_file, option, program=[sys.executable, "-c", STRUCK])
    assert terminal.close() == -signal.SIGINT
    assert f"jobledger cancel {FIRST}".encode() in terminal.shown


def test_ctrl_c_takes_the_moving_line_away(api: Api, job_file: str) -> None:
    """The cursor is back, and what is said stands where the line stood."""
    terminal = Terminal(api, "submit", job_file, "--wait")
    terminal.read(until=b"\x1b[?25l")
    terminal.read(until=b"RUNNING ")
    terminal.interrupt()
    terminal.close()
    _, _, end = terminal.shown.rpartition(b"\x1b[?25h")
    assert end.startswith(b"The job goes on.")
    assert b"\x1b[?25l" not in end


@pytest.mark.parametrize("option", ["--follow", "--wait"])
def test_in_the_background_of_a_shell_it_heeds_no_ctrl_c(api: Api, job_file: str, option: str) -> None:
    """That is meant for another command."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    terminal = Terminal(api, "submit", job_file, option)
    terminal.read(until=b"RUNNING")
    terminal.interrupt()
    api.steps[FIRST] = [("COMPLETED", b"")]
    assert terminal.close() == 0


@pytest.mark.parametrize("command", ["jobs", "show", "logs", "history"])
def test_a_reader_that_has_gone_ends_it_quietly(api: Api, command: str) -> None:
    """As with every other command of a pipe."""
    api.output[f"/jobs/{FIRST}/log"] = b"x" * 200_000
    actor = {"kind": "system", "id": ""}
    api.events = [{"number": 1, "time": CREATED, "type": "JobCompleted", "actor": actor, "data": {}}]
    for option in ([], ["-o", "json"]):
        arguments = [command, *([] if command == "jobs" else [FIRST]), *option, "--server", api.url]
        assert _into_a_broken_pipe(arguments) == (141, b"")


def test_interrupted_while_the_server_does_not_answer() -> None:
    """Quiet as well."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
        process = subprocess.Popen([*PROGRAM, "jobs", "--server", address], cwd=ROOT, stderr=subprocess.PIPE)
        server.settimeout(PATIENCE)
        connection, _ = server.accept()
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=PATIENCE)
        connection.close()
    assert (process.returncode, said) == (-signal.SIGINT, b"")


def _into_a_broken_pipe(arguments: list[str]) -> tuple[int, bytes]:
    reader, writer = os.pipe()
    os.close(reader)
    result = subprocess.run([*PROGRAM, *arguments], cwd=ROOT, stdout=writer, stderr=subprocess.PIPE, check=False)
    os.close(writer)
    return result.returncode, result.stderr
