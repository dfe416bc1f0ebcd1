"""The supervisor of `up`: with small programs in the place of the real ones, and real signals."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from tests.waiting import until

ROOT = Path(__file__).parents[1]
PATIENCE = 20.0
"""Seconds; what is waited for takes a fraction of one on an idle machine."""

CHILD = """
import os, queue, signal, sys
from pathlib import Path
from app.cli import lifeline

name, way, folder = sys.argv[1:4]
lifeline.hold(int(sys.argv[sys.argv.index("--lifeline") + 1]))
terms = queue.SimpleQueue()  # which a signal handler may use at any moment

def note(what):
    with open(Path(folder, "notes"), "a") as notes:
        notes.write(f"{name} {what} {os.getpid()}\\n")

signal.signal(signal.SIGTERM, lambda *_: (note("term"), terms.put(1)))
note("start")
if way.startswith("exit"):
    sys.exit(int(way.removeprefix("exit")))
for _ in range({"steady": 1, "busy": 2, "stubborn": 99}[way]):
    terms.get()
note("end")
"""
SUPERVISOR = """
import json, sys
from app import supervisor

supervisor.FIRST_PAUSE = 0.05
commands = json.loads(sys.argv[1])
say = lambda line: print(line, file=sys.stderr, flush=True)
sys.exit(supervisor.Supervisor(commands, say, final=[2]).run())
"""


class Stage:
    """A supervisor with its programs, and what they noted."""

    def __init__(self, folder: Path) -> None:
        """Set the stage in a folder."""
        self.folder = folder
        self.notes_file = folder / "notes"
        self.said = folder / "said"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, **ways: str) -> subprocess.Popen[bytes]:
        """Start the supervisor over programs that behave in these ways."""
        script = self.folder / "child.py"
        script.write_text(CHILD)
        commands = {name: [sys.executable, str(script), name, way, str(self.folder)] for name, way in ways.items()}
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        with self.said.open("wb") as said:
            self.process = subprocess.Popen(
                [sys.executable, "-c", SUPERVISOR, json.dumps(commands)], stderr=said, env=environment
            )
        return self.process

    def notes(self, what: str = "") -> list[str]:
        """Return what the programs noted: who and what, in order."""
        if not self.notes_file.exists():
            return []
        notes = [line.rsplit(" ", 1)[0] for line in self.notes_file.read_text().splitlines()]
        return [note for note in notes if what in note]

    def pid(self, name: str) -> int:
        """Return the process id of the program that was started last under a name."""
        return self.pids(name)[-1]

    def pids(self, name: str) -> list[int]:
        """Return the process ids of the programs that were started under a name and came so far as to note it."""
        lines = [line.split() for line in self.notes_file.read_text().splitlines()]
        return [int(pid) for who, what, pid in lines if (who, what) == (name, "start")]

    def close(self) -> None:
        """End what still runs; the programs end with their supervisor."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    """Give a stage that is cleared at the end."""
    stage = Stage(tmp_path)
    yield stage
    stage.close()


eventually = partial(until, seconds=PATIENCE)


def has_ended(pid: int) -> bool:
    """Tell whether a process is gone; an orphan that nobody has asked after counts as gone."""
    shown = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, check=False).stdout
    return not shown.strip() or shown.startswith(b"Z")


def test_all_are_started_and_end_in_order_at_one_signal(stage: Stage) -> None:
    """The last one ends first; the first one stays up until then."""
    process = stage.start(api="steady", runner="steady")
    eventually(lambda: len(stage.notes("start")) == 2)
    process.send_signal(signal.SIGTERM)
    assert process.wait(PATIENCE) == 0
    assert stage.notes()[2:] == ["runner term", "runner end", "api term", "api end"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP])
def test_ctrl_c_and_a_closed_terminal_end_it_too(stage: Stage, number: signal.Signals) -> None:
    """They are the same wish."""
    process = stage.start(api="steady")
    eventually(lambda: stage.notes("start"))
    process.send_signal(number)
    assert process.wait(PATIENCE) == 0


def test_one_that_dies_is_started_again(stage: Stage) -> None:
    """The other one is not disturbed, and it is said what happened."""
    process = stage.start(api="steady", runner="steady")
    eventually(lambda: len(stage.notes("start")) == 2)
    api = stage.pid("api")
    os.kill(stage.pid("runner"), signal.SIGKILL)
    eventually(lambda: len(stage.notes("runner start")) == 2)
    assert stage.pid("api") == api
    said = stage.said.read_text()
    assert "the runner ended unexpectedly (killed by SIGKILL)" in said
    assert "starting the runner again in 0.05 s" in said
    process.send_signal(signal.SIGTERM)
    assert process.wait(PATIENCE) == 0


def test_one_that_dies_again_and_again_is_started_ever_more_seldom(stage: Stage) -> None:
    """A program that can not run does not keep the machine busy."""
    process = stage.start(api="exit7")
    eventually(lambda: "again in 0.2 s" in stage.said.read_text())
    pauses = [line.split()[-2] for line in stage.said.read_text().splitlines() if "again in" in line]
    assert pauses[:3] == ["0.05", "0.1", "0.2"]
    assert "(exit code 7)" in stage.said.read_text()
    process.send_signal(signal.SIGTERM)
    assert process.wait(PATIENCE) == 0


def test_one_that_gives_up_ends_all(stage: Stage) -> None:
    """A wrong configuration does not become right by trying again."""
    process = stage.start(api="steady", runner="exit2")
    assert process.wait(PATIENCE) == 2
    assert stage.notes("runner") == ["runner start"]
    assert "the runner gave up" in stage.said.read_text()
    eventually(lambda: all(has_ended(pid) for pid in stage.pids("api")))


def test_a_second_signal_hurries_the_one_that_is_waited_for(stage: Stage) -> None:
    """What that means is said as soon as the wait is felt."""
    process = stage.start(api="steady", runner="busy")
    eventually(lambda: len(stage.notes("start")) == 2)
    process.send_signal(signal.SIGINT)
    eventually(lambda: "press Ctrl-C again to leave them to the next start" in stage.said.read_text())
    assert stage.notes("api") == ["api start"]
    process.send_signal(signal.SIGINT)
    assert process.wait(PATIENCE) == 0
    assert stage.notes()[2:] == ["runner term", "runner term", "runner end", "api term", "api end"]


def test_a_third_signal_kills(stage: Stage) -> None:
    """Nothing can keep it from ending."""
    process = stage.start(api="stubborn", runner="stubborn")
    eventually(lambda: len(stage.notes("start")) == 2)
    for count in (1, 2):
        process.send_signal(signal.SIGTERM)
        eventually(lambda count=count: len(stage.notes("runner term")) == count)
    process.send_signal(signal.SIGTERM)
    assert process.wait(PATIENCE) == 0
    assert has_ended(stage.pid("api"))
    assert has_ended(stage.pid("runner"))


def test_one_that_dies_while_all_end_is_not_started_again(stage: Stage) -> None:
    """And the one that is waited for is not hurried by that."""
    process = stage.start(api="steady", runner="busy")
    eventually(lambda: len(stage.notes("start")) == 2)
    process.send_signal(signal.SIGTERM)
    eventually(lambda: stage.notes("runner term"))
    os.kill(stage.pid("api"), signal.SIGKILL)
    eventually(lambda: has_ended(stage.pid("api")))
    process.send_signal(signal.SIGTERM)
    assert process.wait(PATIENCE) == 0
    assert stage.notes("api") == ["api start"]
    assert stage.notes("runner term") == ["runner term", "runner term"]


def test_when_the_supervisor_is_killed_all_end_at_once(stage: Stage) -> None:
    """They hold the other end of a pipe, and need not be told."""
    process = stage.start(api="stubborn", runner="stubborn")
    eventually(lambda: len(stage.notes("start")) == 2)
    process.kill()
    eventually(lambda: has_ended(stage.pid("api")) and has_ended(stage.pid("runner")))
    assert not stage.notes("term")


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.usefixtures("unmeasured")
def test_idle_it_sleeps_and_is_small(stage: Stage) -> None:
    """It waits for happenings, and does not look for them."""
    process = stage.start(api="steady", runner="steady")
    eventually(lambda: len(stage.notes("start")) == 2)
    status = Path(f"/proc/{process.pid}/status")
    eventually(lambda: "State:\tS" in status.read_text())
    before = status.read_text()
    time.sleep(0.3)  # that nothing happens can not be awaited
    assert _switches(status.read_text()) - _switches(before) <= 1
    assert _kilobytes(status.read_text()) < 25_000


def _switches(status: str) -> int:
    return sum(int(line.split()[1]) for line in status.splitlines() if "ctxt_switches" in line)


def _kilobytes(status: str) -> int:
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS"))
