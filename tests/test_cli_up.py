"""`jobledger up` with its real processes; the Docker Engine is not needed for this, and is kept out."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from app.cli import cli
from scripts.containers import free_port
from tests.waiting import PATIENCE, until

ROOT = Path(__file__).parents[1]
BUDGET = 250_000
"""Kilobytes for all processes together."""

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc")


class Up:
    """A running `up`."""

    def __init__(self, folder: Path) -> None:
        """Start it in a folder."""
        self.port = free_port()
        self.shown = folder / "shown"
        command = [sys.executable, "-m", "app", "up", "--data", str(folder / "data"), "--port", str(self.port)]
        nowhere = {"DOCKER_HOST": f"unix://{folder}/nowhere.sock"}
        with self.shown.open("wb") as shown:
            self.process = subprocess.Popen(
                command, cwd=ROOT, env=os.environ | nowhere, stdout=shown, stderr=subprocess.STDOUT
            )

    def run(self, *arguments: str, stdin: str = "") -> Result:
        """Run a command against it."""
        server = {"JOBLEDGER_SERVER": f"http://127.0.0.1:{self.port}"}
        return CliRunner().invoke(cli, arguments, input=stdin, env=server)

    def child(self, name: str) -> int:
        """Return the process id of the API or of the runner; 0 while there is none."""
        for child in _children(self.process.pid):
            with suppress(FileNotFoundError, ProcessLookupError):  # it ended just now
                if name.encode() in Path(f"/proc/{child}/cmdline").read_bytes().split(b"\0"):
                    return child
        return 0

    def close(self) -> None:
        """End it, if it has not ended."""
        self.process.kill()
        self.process.wait()


@pytest.fixture
def up(tmp_path: Path) -> Iterator[Up]:
    """Give an `up` that is ready."""
    up = Up(tmp_path)
    try:
        until(lambda: "Ctrl-C ends it" in up.shown.read_text() or up.process.poll() is not None)
        yield up
    finally:
        up.close()


def test_it_says_where_everything_is_and_what_to_type_next(up: Up) -> None:
    """As soon as the API answers."""
    shown = up.shown.read_text()
    url = f"http://127.0.0.1:{up.port}"
    for line in (url, f"{url}/docs", f"{url}/openapi.json"):
        assert line in shown.split()
    assert f"jobledger submit examples/hello.yaml --follow --server {url}\n" in shown
    assert up.run("jobs").exit_code == 0


@pytest.mark.usefixtures("unmeasured")
def test_all_of_it_stays_in_its_budget(up: Up) -> None:
    """Three processes."""
    until(lambda: up.child("serve") and up.child("runner"))
    processes = [up.process.pid, up.child("serve"), up.child("runner")]
    assert sum(map(_kilobytes, processes)) < BUDGET
    assert _kilobytes(up.process.pid) < 25_000


def test_what_was_accepted_is_there_after_the_api_was_killed(up: Up) -> None:
    """It comes back by itself."""
    job = up.run("submit", "-", stdin="name: hello\ntasks: [{name: greet, image: busybox}]").stdout.strip()
    before = up.child("serve")
    os.kill(before, signal.SIGKILL)
    until(lambda: up.child("serve") not in {0, before} and up.run("jobs").exit_code == 0)
    assert "PENDING" in up.run("show", job[:8]).stdout
    assert "the API ended unexpectedly (killed by SIGKILL)" in up.shown.read_text()


def test_one_signal_ends_it_in_order(up: Up) -> None:
    """With nothing to wait for, at once."""
    until(lambda: "runner" in up.shown.read_text())
    up.process.send_signal(signal.SIGINT)
    assert up.process.wait(PATIENCE) == 0
    assert "Traceback" not in up.shown.read_text()


def test_killed_it_leaves_no_process_and_no_port(up: Up) -> None:
    """So that it can be started again at once."""
    until(lambda: up.child("serve") and up.child("runner"))
    children = _children(up.process.pid)
    up.process.kill()
    until(lambda: not any(map(_is_alive, children)))
    until(lambda: _is_free(up.port))  # a process counts as ended a moment before the last of its threads has


def _children(parent: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{parent}/task/{parent}/children").read_text().split()]


def _is_alive(process: int) -> bool:
    try:
        status = Path(f"/proc/{process}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return status.rsplit(")", 1)[1].split()[0] != "Z"


def _is_free(port: int) -> bool:
    try:
        socket.create_server(("127.0.0.1", port)).close()
    except OSError:
        return False
    return True


def _kilobytes(process: int) -> int:
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS"))


def test_a_second_one_on_the_same_data_is_refused_in_words(up: Up, tmp_path: Path) -> None:
    """Before it starts anything."""
    arguments = [sys.executable, "-m", "app", "up", "--data", str(tmp_path / "data"), "--port", str(free_port())]
    second = subprocess.run(arguments, cwd=ROOT, capture_output=True, text=True, check=False, timeout=PATIENCE)
    assert second.returncode == 2
    assert f"is at work on {tmp_path / 'data'} already (process {up.process.pid})" in second.stderr
