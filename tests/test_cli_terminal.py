"""The commands as processes: in a terminal, in a pipe that breaks, interrupted."""

from __future__ import annotations

import os
import pty
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.console import Console, RenderHook

from app.cli.watcher import Watcher
from tests.cli_server import CREATED, FIRST, SECOND, Api, document, running

ROOT = Path(__file__).parents[1]
PROGRAM = [sys.executable, "-m", "app"]
PATIENCE = 20.0
"""Seconds; what is waited for takes a fraction of one on an idle machine."""
ESCAPE = re.compile(rb"\x1b\[[0-9;?]*[A-Za-z]")


@pytest.fixture
def api() -> Iterator[Api]:
    """Give a server that knows two jobs."""
    with running() as api:
        api.jobs = [document(FIRST), document(SECOND, "FAILED", name="a\x1b[31mb")]
        yield api


class Terminal:
    """A command that runs in a terminal, and all that this shows."""

    def __init__(self, api: Api, *arguments: str, **environment: str) -> None:
        """Start the command."""
        self._screen, inside = pty.openpty()
        more = {"JOBLEDGER_SERVER": api.url, "TERM": "xterm-256color", "COLUMNS": "100", **environment}
        self.process = subprocess.Popen(
            [*PROGRAM, *arguments],
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
        while not until or until not in self.shown:
            try:
                self.shown += os.read(self._screen, 4096)
            except OSError:  # the end of a terminal
                break
        return self.shown

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


@pytest.mark.parametrize("option", ["--follow", "--wait"])
def test_ctrl_c_leaves_the_job_and_says_so(api: Api, tmp_path: Path, option: str) -> None:
    """How to come back, how to call it off; exit code 130; no traceback."""
    (tmp_path / "job.yaml").write_text("name: hello")
    api.jobs[0]["state"] = "RUNNING"
    terminal = Terminal(api, "submit", str(tmp_path / "job.yaml"), option)
    terminal.read(until=b"RUNNING")
    terminal.process.send_signal(signal.SIGINT)
    assert terminal.close() == 130
    shown = ESCAPE.sub(b"", terminal.shown)
    assert f"jobledger logs -f {FIRST}".encode() in shown
    assert f"jobledger cancel {FIRST}".encode() in shown
    assert b"Traceback" not in shown
    assert "PUT" not in [method for method, *_ in api.requests]


def test_ctrl_c_while_the_moving_line_begins_is_a_ctrl_c(monkeypatch: pytest.MonkeyPatch) -> None:
    """It waits until the line can be taken away again."""
    begin = Console.push_render_hook

    def interrupted(console: Console, hook: RenderHook) -> None:
        signal.raise_signal(signal.SIGINT)
        begin(console, hook)

    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setattr(Console, "push_render_hook", interrupted)
    with pytest.raises(KeyboardInterrupt), Watcher() as watcher:
        watcher.idle(document(FIRST, "RUNNING"))


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
    assert (process.returncode, said) == (130, b"")


def _into_a_broken_pipe(arguments: list[str]) -> tuple[int, bytes]:
    reader, writer = os.pipe()
    os.close(reader)
    result = subprocess.run([*PROGRAM, *arguments], cwd=ROOT, stdout=writer, stderr=subprocess.PIPE, check=False)
    os.close(writer)
    return result.returncode, result.stderr
