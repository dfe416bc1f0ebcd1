"""Stands by one program from its start to its end, apart from the runner, which may be killed at any moment.

It is run as `python -I -S warden.py FOLDER PHASE` and reads from its standard input what to run; it needs nothing
but the standard library, and little of that, for one is started for each program. It keeps these files in the folder:

- `PHASE.started`: that the program was started, or shall never be. Who makes this file, of all that try, has his way.
- `PHASE.output`: what the program prints, in frames like those of the Docker Engine.
- `PHASE.ended`: how it ended, once nothing of it is left.
- `PHASE.bell`: a pipe, its standard output. By it it tells that there is something new in one of the others, and
  by its end its own.

A SIGTERM has it end the program and all that come from it, with a moment of grace; a SIGINT, without.
"""

from __future__ import annotations

import ctypes
import marshal
import os
import select
import signal
import sys
import time
from contextlib import suppress

STDOUT, STDERR = 1, 2
PARENT_DEATH_SIGNAL, CHILD_SUBREAPER = 1, 36
"""What prctl(2) can set."""
CHUNK = 64 * 1024
LOOK = 0.05
"""Seconds between two looks for processes that are to be killed."""
FULL_DISK = 1.0
"""Seconds until what could not be written is tried again; meanwhile the program has to wait."""
NOT_RUN = 127

Program = tuple[bytes, list[bytes], dict[bytes, bytes], float]
"""The folder to begin in, the words of the command, the environment, and the seconds of grace."""
BOOT = "/proc/sys/kernel/random/boot_id"
"""Tells when the machine was started, by an id that no other start has."""
BELL = 1
libc = ctypes.CDLL(None)


def main(folder: str, phase: str) -> None:
    """Run what the standard input says, unless it says it only half, or the phase was begun or called off before."""
    for descriptor in os.listdir("/proc/self/fd"):  # noqa: PTH208 - as below
        if int(descriptor) > STDERR:
            with suppress(OSError):  # the list's own
                os.close(int(descriptor))  # whatever of the runner's came along
    signals = _signals()
    try:
        program: Program = marshal.load(sys.stdin.buffer)  # noqa: S302 - from the runner that started this process
    except (EOFError, ValueError):
        return
    os.chdir(folder)
    warden = Warden(phase, program, signals)
    if claim(f"{phase}.started", f"{os.getpid()} {begun(os.getpid())} {read(BOOT).strip()} {time.time()}"):
        warden.run()


def claim(path: str, content: str) -> bool:
    """Make a file, whole, unless it is there: exactly one of all that try has made it."""
    draft = f"{path}.{os.getpid()}"
    try:
        with open(draft, "w", encoding="utf-8") as file:  # noqa: PTH123 - as below
            file.write(content)
        os.link(draft, path)
    except FileExistsError:
        return False
    finally:
        os.remove(draft)  # noqa: PTH107 - pathlib takes longer to load than all that is done here
    return True


def read(path: str) -> str:
    """Return what is in a file."""
    with open(path, encoding="utf-8", errors="replace") as file:  # noqa: PTH123 - as above
        return file.read()


def begun(pid: int) -> int:
    """Tell when a living process began, in ticks since the machine did: with its number it is known by it. 0: none."""
    state, _, since = _stat(pid)
    return 0 if state in "ZX" else since


def send(pid: int, since: int, number: int) -> bool:
    """Send a signal to a process if it is still the one that began then, and tell whether that was so."""
    try:
        descriptor = os.pidfd_open(pid)  # whatever comes to have the number later, this stays the process
    except OSError:
        return False
    try:
        if begun(pid) != since:
            return False
        signal.pidfd_send_signal(descriptor, number)
    except OSError:
        return False
    finally:
        os.close(descriptor)
    return True


def descendants(ancestor: int) -> list[tuple[int, int]]:
    """Find the living processes that come from one, each with the time when it began."""
    children: dict[int, list[tuple[int, str, int]]] = {}
    for pid in map(int, filter(str.isdecimal, os.listdir("/proc"))):  # noqa: PTH208 - as below
        state, parent, since = _stat(pid)
        children.setdefault(parent, []).append((pid, state, since))
    found = children.get(ancestor, [])
    for pid, _, _ in found:  # which grows meanwhile
        found += children.get(pid, [])
    return [(pid, since) for pid, state, since in found if state not in "ZX"]


def _stat(pid: int) -> tuple[str, int, int]:
    """Return a process's state, its parent and when it began; `X`, as for a dead one, when it is not there."""
    try:
        fields = read(f"/proc/{pid}/stat").rpartition(")")[2].split()
    except OSError:
        return "X", 0, 0
    return fields[0], int(fields[1]), int(fields[19])


class Warden:
    """Has one program in its charge, with all the processes that come from it."""

    def __init__(self, phase: str, program: Program, signals: int) -> None:
        """Open the files that it keeps."""
        self._phase = phase
        self._program = program
        self._signals = signals
        """Where the numbers of the signals that came can be read."""
        self._output = os.open(f"{phase}.output", os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        self._pipes: dict[int, int] = {}
        """The ends at which output comes, and its streams."""
        self._unwritten = b""
        self._pid = 0
        self._status: int | None = None
        """How the program itself ended."""
        self._deadline: float | None = None
        """When whatever still runs is killed."""

    def run(self) -> None:
        """Start the program, and see it to its end."""
        libc.prctl(CHILD_SUBREAPER, 1, 0, 0, 0)  # so that processes whose parent has left them come here, not to init
        failure = self._start()
        self._tell()
        while not self._is_over():
            self._turn()
        self._empty()
        self._conclude(f"{exit_code(self._status)} {failure}")

    def _start(self) -> str:
        """Start the program; return why it could not be."""
        outputs = [self._pipe(stream) for stream in (STDOUT, STDERR)]
        failed, failing = os.pipe()
        warden = os.getpid()
        self._pid = os.fork()
        if not self._pid:
            _become(self._program, outputs, failing, warden)
        for descriptor in (*outputs, failing):
            os.close(descriptor)
        with os.fdopen(failed, "rb") as file:
            return file.read().decode(errors="replace")

    def _pipe(self, stream: int) -> int:
        reading, writing = os.pipe()
        os.set_blocking(reading, False)
        self._pipes[reading] = stream
        return writing

    def _is_over(self) -> bool:
        """Tell whether all processes are gone. Once the program is, those that it left are killed."""
        if self._status is not None and self._deadline is None:
            self._deadline = time.monotonic()
        if self._deadline is None:
            return False
        is_time = time.monotonic() >= self._deadline
        left = [each for each in descendants(os.getpid()) if not is_time or send(*each, signal.SIGKILL)]
        return self._status is not None and not left  # what may not be killed is not waited for

    def _turn(self) -> None:
        """Wait for something to happen, and see to it."""
        poll = select.poll()
        poll.register(self._signals, select.POLLIN)
        for pipe in () if self._unwritten else self._pipes:
            poll.register(pipe, select.POLLIN)
        for descriptor, _ in poll.poll(self._patience()):
            if descriptor == self._signals:
                self._heed()
            else:
                self._read(descriptor)
        self._write_rest()

    def _patience(self) -> float | None:
        if self._deadline is not None:
            return 1000 * LOOK
        return 1000 * FULL_DISK if self._unwritten else None

    def _heed(self) -> None:
        for number in os.read(self._signals, CHUNK):
            if number == signal.SIGCHLD:
                self._reap()
            else:
                self._end(self._program[3] if number == signal.SIGTERM else 0.0)

    def _reap(self) -> None:
        with suppress(ChildProcessError):
            while (ended := os.waitpid(-1, os.WNOHANG))[0]:
                if ended[0] == self._pid:
                    self._status = ended[1]

    def _end(self, grace: float) -> None:
        """Have all end, and set the time at which they are killed; it can be set to come sooner, but not later."""
        for each in descendants(os.getpid()) if grace and self._deadline is None else ():
            send(*each, signal.SIGTERM)
        self._deadline = min(time.monotonic() + grace, self._deadline or float("inf"))

    def _read(self, pipe: int) -> bool:
        """Take what came, and tell whether something did."""
        try:
            data = os.read(pipe, CHUNK)
        except BlockingIOError:
            return False
        if not data:
            del self._pipes[pipe]
            return False
        self._unwritten += bytes((self._pipes[pipe], 0, 0, 0)) + len(data).to_bytes(4, "big") + data
        self._write_rest()
        return True

    def _empty(self) -> None:
        """Take what is still in the pipes; that someone else holds them open is no reason to wait."""
        while self._unwritten or any(map(self._read, tuple(self._pipes))):
            self._write_rest()
            time.sleep(FULL_DISK if self._unwritten else 0)

    def _write_rest(self) -> None:
        if not self._unwritten:
            return
        with suppress(OSError):  # the disk is full: there may be room later
            while self._unwritten:
                self._unwritten = self._unwritten[os.write(self._output, self._unwritten) :]
        self._tell()

    def _conclude(self, how: str) -> None:
        while True:
            with suppress(OSError):  # as above
                claim(f"{self._phase}.ended", f"{time.time()} {how}")
                return self._tell()
            time.sleep(FULL_DISK)

    def _tell(self) -> None:
        with suppress(BlockingIOError):  # nobody has read what was told so far
            os.write(BELL, b"!")


def exit_code(status: int | None) -> int:
    """Return the exit code, which is 128 and more for a program that a signal ended, as a shell has it."""
    code = os.waitstatus_to_exitcode(status or 0)
    return 128 - code if code < 0 else code


def _become(program: Program, outputs: list[int], failing: int, warden: int) -> None:
    """Turn this process, which has just begun, into the program."""
    folder, command, environment, _ = program
    what = folder
    try:
        libc.prctl(PARENT_DEATH_SIGNAL, signal.SIGKILL, 0, 0, 0)  # it shall not be without a warden
        if os.getppid() == warden:
            os.setsid()
            os.umask(0o022)
            for stream, source in enumerate((os.open(os.devnull, os.O_RDONLY), *outputs)):
                os.dup2(source, stream)
            for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
                signal.signal(number, signal.SIG_DFL)
            os.chdir(folder)
            what = command[0]
            os.execvpe(command[0], command, environment)  # noqa: S606 - without a shell
    except (OSError, ValueError) as error:
        os.write(failing, (getattr(error, "strerror", "") or str(error)).encode() + b": " + what)
    finally:
        os._exit(NOT_RUN)


def _signals() -> int:
    """Have signals come as numbers on a pipe, one after the other."""
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    signal.set_wakeup_fd(writing)
    for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    return reading


if __name__ == "__main__":
    main(*sys.argv[1:])
