"""A warden and its program, with real processes and real signals."""

from __future__ import annotations

import marshal
import os
import resource
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from app.output import STDERR, STDOUT
from app.runner.frames import frames
from app.runner.processes import machine, warden
from app.runner.processes.ward import Keeper, Ward
from tests.waiting import PATIENCE, until

PATH = os.environ["PATH"]
Environment = dict[str, str] | None
LONG = "600"
"""Seconds that a program sleeps which a test ends."""


class Bed:
    """A folder with one ward in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ward = Ward(folder, "own")
        self.ward.prepare()
        os.mkfifo(folder / "gate")
        self._gate = os.open(folder / "gate", os.O_RDWR | os.O_CLOEXEC)
        self._bell = os.open(self.ward.bell, os.O_RDONLY | os.O_NONBLOCK)

    def close(self) -> None:
        self.kill()
        os.close(self._bell)
        os.close(self._gate)

    def open_gate(self) -> None:
        """Let through who waits at the gate, or will."""
        os.write(self._gate, b"go\n")

    def kill(self) -> None:
        if keeper := self.ward.keeper:
            for each in (*warden.descendants(keeper.pid), keeper[:2]):
                warden.send(*each, signal.SIGKILL)
        self.ward.reap()

    def start(self, script: str, *words: str, grace: float = PATIENCE, environment: Environment = None) -> None:
        command = words or ("sh", "-c", script)
        given = {"PATH": PATH, "HERE": str(self.folder)} | (environment or {})
        program = (
            os.fsencode(self.folder),
            [word.encode() for word in command],
            {name.encode(): value.encode() for name, value in given.items()},
            grace,
        )
        self.ward.start(program, {"PATH": PATH})

    def run(self, script: str, *words: str, environment: Environment = None) -> int:
        """Run a program to its end, and return its exit code."""
        self.start(script, *words, environment=environment)
        return self.ends()

    def ends(self) -> int:
        """Wait for the end of the warden, and return the program's exit code."""
        self.is_alone()
        assert self.ward.ending
        return self.ward.ending.exit_code

    def is_alone(self) -> None:
        """Wait until there is no warden any more."""
        poll = select.poll()
        poll.register(self._bell, select.POLLIN)
        while poll.poll(1000 * PATIENCE)[0][1] & select.POLLIN:
            os.read(self._bell, 1000)
        self.ward.reap()

    @property
    def keeper(self) -> Keeper:
        until(lambda: self.ward.keeper)
        assert self.ward.keeper
        return self.ward.keeper

    def says(self, name: str) -> str:
        """Wait for a line in a file, and return it."""
        until(lambda: (self.folder / name).exists() and (self.folder / name).read_text().endswith("\n"))
        return (self.folder / name).read_text().strip()

    def printed(self, stream: int = STDOUT) -> bytes:
        return b"".join(data for each, data in frames(self.ward.printed(0)) if each == stream)


@pytest.fixture
def bed(tmp_path: Path) -> Iterator[Bed]:
    made = Bed(tmp_path)
    yield made
    made.close()


def is_alive(pid: str) -> bool:
    return warden.begun(int(pid)) > 0


@pytest.mark.parametrize(
    ("script", "code"), [("exit 0", 0), ("exit 3", 3), ("kill -9 $$", 137), ("kill -TERM $$", 143), ("exit 255", 255)]
)
def test_the_exit_code_is_kept_as_it_is(bed: Bed, script: str, code: int) -> None:
    assert bed.run(script) == code


def test_both_streams_are_kept_to_the_byte(bed: Bed) -> None:
    assert bed.run(r"printf 'a\000\377b'; printf 'c\n\303' >&2") == 0
    assert bed.printed(STDOUT) == b"a\0\xffb"
    assert bed.printed(STDERR) == b"c\n\xc3"


def test_much_output_is_kept_whole(bed: Bed) -> None:
    assert bed.run("seq 1 200000") == 0
    assert bed.printed() == b"".join(b"%d\n" % number for number in range(1, 200_001))


def test_a_program_may_open_its_own_streams_again(bed: Bed) -> None:
    assert bed.run("echo one; echo two > /dev/stdout; echo three >> /dev/stderr") == 0
    assert bed.printed() == b"one\ntwo\n"
    assert bed.printed(STDERR) == b"three\n"


def test_what_is_printed_can_be_read_while_the_program_runs(bed: Bed) -> None:
    bed.start(f"echo hello; sleep {LONG}")
    until(lambda: bed.printed() == b"hello\n")
    assert bed.ward.ending is None


def test_a_program_has_nothing_of_the_wardens_environment_files_and_signals(bed: Bed) -> None:
    script = "env; ls /proc/self/fd | wc -l; cat; sh -c 'kill -PIPE $$'; echo $?"
    reading, writing = os.pipe()
    os.set_inheritable(reading, True)  # noqa: FBT003 - the system's own function
    assert bed.run(script, environment={"A": "b c"}) == 0
    os.close(reading)
    os.close(writing)
    lines = bed.printed().decode().splitlines()
    environment = {line.partition("=")[0] for line in lines[:-2]}
    assert environment - {"PWD", "OLDPWD", "SHLVL", "_"} == {"PATH", "HERE", "A"}
    assert lines[-2:] == ["4", "141"]  # its three streams, and the folder that is being listed


def test_a_command_is_run_without_a_shell(bed: Bed) -> None:
    assert bed.run("", "printf", "%s|", "a b", "$HOME", "", "*") == 0
    assert bed.printed() == b"a b|$HOME||*|"


def test_a_program_that_is_not_there_is_told(bed: Bed) -> None:
    assert bed.run("", "nonesuch") == warden.NOT_RUN
    assert bed.ward.ending
    assert bed.ward.ending.error == "No such file or directory: nonesuch"


def test_an_exit_code_of_127_is_no_error_of_the_start(bed: Bed) -> None:
    assert bed.run("exit 127") == 127
    assert bed.ward.ending
    assert bed.ward.ending.error == ""


def test_a_program_is_a_session_of_its_own(bed: Bed) -> None:
    assert bed.run("ps -o sid=,pid= -p $$ 2>/dev/null || cut -d' ' -f6,1 /proc/$$/stat") == 0
    one, other = bed.printed().split()
    assert one == other


def test_what_the_program_leaves_behind_is_killed_with_its_end(bed: Bed) -> None:
    daemon = f"trap '' TERM HUP; echo $$ > $HERE/daemon; sleep {LONG}"
    assert bed.run(f'(setsid sh -c "{daemon}" &) ; while ! [ -s daemon ]; do sleep 0.01; done') == 0
    assert not is_alive(bed.says("daemon"))


STUBBORN = f"""
trap '' TERM
(setsid sh -c 'trap "" TERM; echo $$ > one; sleep {LONG}' &)
(trap '' TERM; sh -c 'echo $$ > two; exec sleep {LONG}' &)
echo $$ > main
sleep {LONG}
sleep {LONG}
"""


@pytest.mark.parametrize(("grace", "number"), [(0.1, signal.SIGTERM), (PATIENCE, signal.SIGINT)])
def test_all_that_come_from_a_program_end_with_it(bed: Bed, grace: float, number: signal.Signals) -> None:
    bed.start(STUBBORN, grace=grace)
    pids = [bed.says(name) for name in ("one", "two", "main")]
    bed.keeper.send(number)
    assert bed.ends() == 137
    assert not any(map(is_alive, pids))


def test_there_is_a_moment_of_grace(bed: Bed) -> None:
    bed.start(f"trap 'echo bye; exit 7' TERM; echo $$ > main; while :; do sleep 0.01; done; sleep {LONG}")
    bed.says("main")
    bed.keeper.send(signal.SIGTERM)
    assert bed.ends() == 7
    assert bed.printed() == b"bye\n"


def test_the_grace_can_be_cut_short(bed: Bed) -> None:
    bed.start(f"trap '' TERM; echo $$ > main; while :; do sleep {LONG}; done")
    bed.says("main")
    bed.keeper.send(signal.SIGTERM)
    bed.keeper.send(signal.SIGINT)
    assert bed.ends() == 137


MOVING = """
hop() { [ $1 -gt 0 ] && sleep 0.01 && echo > lives && (hop $(($1 - 1)) &) ; }
trap '' TERM; echo $$ > main; (hop 1000 &); (hop 1000 &); (hop 1000 &); sleep 600
"""
"""Three processes that each are another one every moment; they end by themselves, should nothing else end them."""


def test_a_program_that_is_ever_another_process_is_killed_all_the_same(bed: Bed) -> None:
    bed.start(MOVING)
    bed.says("lives")
    bed.keeper.send(signal.SIGINT)
    assert bed.ends() == 137
    assert not [path for path in Path("/proc").glob("[0-9]*") if os.fsencode(bed.folder) in environment(path)]


def test_while_the_disk_is_full_a_program_waits_and_nothing_is_lost(bed: Bed) -> None:
    bed.start("echo $$ > main; read line < gate; seq 1 100000; echo > printed")
    bed.says("main")
    _, hard = resource.prlimit(bed.keeper.pid, resource.RLIMIT_FSIZE, (1000, resource.RLIM_INFINITY))
    bed.open_gate()
    until(lambda: len(b"".join(bed.ward.printed(0))) == 1000)
    assert not (bed.folder / "printed").exists()
    resource.prlimit(bed.keeper.pid, resource.RLIMIT_FSIZE, (hard, hard))
    assert bed.ends() == 0
    assert bed.printed() == b"".join(b"%d\n" % number for number in range(1, 100_001))


def test_a_full_disk_does_not_keep_a_program_from_being_ended(bed: Bed) -> None:
    bed.start("echo $$ > main; read line < gate; exec seq 1 1000000")
    bed.says("main")
    _, hard = resource.prlimit(bed.keeper.pid, resource.RLIMIT_FSIZE, (1000, resource.RLIM_INFINITY))
    bed.open_gate()
    until(lambda: len(b"".join(bed.ward.printed(0))) == 1000)
    bed.keeper.send(signal.SIGINT)
    until(lambda: warden.descendants(bed.keeper.pid) == [])
    assert bed.ward.ending is None  # what was printed comes first
    resource.prlimit(bed.keeper.pid, resource.RLIMIT_FSIZE, (hard, hard))
    assert bed.ends() == 137


def test_a_phase_is_begun_by_one_warden_only(bed: Bed) -> None:
    for _ in range(5):
        bed.start("echo once; echo more >> runs; read line < gate")
    bed.says("runs")
    until(lambda: len(wardens(bed.folder)) == 1)
    bed.keeper.send(signal.SIGINT)
    bed.is_alone()
    assert (bed.folder / "runs").read_text() == "more\n"


def wardens(folder: Path) -> list[int]:
    """Find the wardens of a folder that live."""
    return [pid for pid, _ in warden.descendants(os.getpid()) if str(folder).encode() in command_line(pid)]


def environment(process: Path) -> bytes:
    try:
        return (process / "environ").read_bytes()
    except OSError:
        return b""


def command_line(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def test_what_was_forbidden_is_never_begun(bed: Bed) -> None:
    assert bed.ward.forbid()
    bed.start("echo > ran")
    bed.is_alone()
    assert bed.ward.keeper is None
    assert not (bed.folder / "ran").exists()


def test_what_has_begun_can_not_be_forbidden(bed: Bed) -> None:
    assert bed.run("true") == 0
    assert not bed.ward.forbid()


def test_to_forbid_twice_is_to_forbid(bed: Bed) -> None:
    assert bed.ward.forbid()
    assert bed.ward.forbid()


def test_a_warden_that_was_told_only_half_begins_nothing(bed: Bed) -> None:
    told = marshal.dumps((b".", [b"touch", b"ran"], {b"PATH": PATH.encode()}, 1.0))
    command = [sys.executable, "-I", "-S", warden.__file__, str(bed.folder), "own"]
    for end in (0, 1, len(told) - 1):
        subprocess.run(command, input=told[:end], check=True, stdout=subprocess.DEVNULL, timeout=PATIENCE)
    assert bed.ward.keeper is None
    assert not (bed.folder / "ran").exists()


def test_a_program_does_not_outlive_its_warden(bed: Bed) -> None:
    bed.start(f"echo $$ > main; exec sleep {LONG}")
    pid = bed.says("main")
    bed.keeper.send(signal.SIGKILL)
    until(lambda: not is_alive(pid))
    bed.is_alone()
    assert not bed.keeper.is_alive
    assert bed.ward.ending is None


def test_a_warden_outlives_the_one_who_started_it(bed: Bed) -> None:
    code = f"""
import os, pathlib
from app.runner.processes.ward import Ward
folder = {str(bed.folder)!r}
command = [b"sh", b"-c", b"echo $$ > main; read line < gate; exit 5"]
Ward(pathlib.Path(folder), "own").start((os.fsencode(folder), command, {{}}, 1.0), {{}})
os.kill(os.getpid(), 9)
"""
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=PATIENCE).returncode == -signal.SIGKILL
    bed.says("main")
    assert bed.keeper.is_alive
    bed.open_gate()
    assert bed.ends() == 5


def test_a_stranger_with_the_same_number_is_not_signalled() -> None:
    with subprocess.Popen(["sleep", LONG]) as stranger:
        try:
            since = warden.begun(stranger.pid)
            assert not warden.send(stranger.pid, since - 1, signal.SIGKILL)
            assert not warden.send(stranger.pid, 0, signal.SIGKILL)
            Keeper(stranger.pid, since, "another start of the machine", at=None).send(signal.SIGKILL)  # type: ignore[arg-type]
            assert stranger.poll() is None
            assert warden.send(stranger.pid, since, signal.SIGKILL)
        finally:
            stranger.kill()


def test_a_process_that_is_gone_can_not_be_signalled() -> None:
    with subprocess.Popen(["true"]) as gone:
        gone.wait()
    assert not warden.send(gone.pid, 1, signal.SIGKILL)


def test_a_keeper_from_before_the_machine_was_started_is_not_alive() -> None:
    keeper: Any = Keeper(os.getpid(), warden.begun(os.getpid()), machine.boot(), at=None)  # type: ignore[arg-type]
    assert keeper.is_alive
    assert not keeper._replace(boot="another").is_alive


def test_a_command_with_secrets_in_its_environment_does_not_show_them(bed: Bed) -> None:
    bed.start(f"echo $$ > main; exec sleep {LONG}", environment={"PASSWORD": "hunter2-and-more"})
    pid = bed.says("main")
    assert b"hunter2-and-more" in Path(f"/proc/{pid}/environ").read_bytes()
    for process in (int(pid), bed.keeper.pid):
        assert b"hunter2" not in command_line(process)
    for path in bed.folder.iterdir():
        assert not path.is_file() or b"hunter2" not in path.read_bytes()


def test_a_machine_keeps_its_id(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert machine.identity(tmp_path) == machine.identity(tmp_path / "other")
    monkeypatch.setattr(machine, "SYSTEM", tmp_path / "none")
    assert machine.identity(tmp_path) == machine.identity(tmp_path)
    assert machine.identity(tmp_path) != machine.identity(tmp_path / "other")
