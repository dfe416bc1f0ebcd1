"""One program in the charge of a warden, as the runner sees it: by the files that the warden keeps."""

from __future__ import annotations

import marshal
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from signal import Signals
from typing import NamedTuple

from app.runner.processes import machine, warden
from app.runner.processes.warden import Program

CHUNK = 256 * 1024
NEVER = "never"
"""What stands in the place of a warden where the program shall not be started."""


class Keeper(NamedTuple):
    """The warden that started the program."""

    pid: int
    since: int
    boot: str
    at: datetime
    """When it did."""

    @property
    def is_alive(self) -> bool:
        """Whether it is still at work: its number alone could be another's by now."""
        return self.boot == machine.boot() and self.since == warden.begun(self.pid)

    def send(self, number: Signals) -> None:
        """Send it a signal, if it is still at work."""
        if self.boot == machine.boot():
            warden.send(self.pid, self.since, number)


class Ending(NamedTuple):
    """How a program ended, once nothing of it is left."""

    at: datetime
    exit_code: int
    error: str
    """Why it could not be started, if it could not."""


class Ward:
    """One program."""

    def __init__(self, folder: Path, name: str) -> None:
        """Name the folder in which its files are, and how their names begin."""
        self._folder = folder
        self._name = name
        self._child = 0
        """The warden that was started here, which may have come too late."""
        self.bell = folder / f"{name}.bell"

    def prepare(self) -> None:
        """Make the pipe by which the warden tells what is new."""
        with suppress(FileExistsError):
            os.mkfifo(self.bell, 0o600)

    def start(self, program: Program, environment: Mapping[str, str]) -> None:
        """Have a warden start it, if none has yet; the environment is the warden's own."""
        reading, writing = os.pipe()
        command = [sys.executable, "-I", "-S", warden.__file__, str(self._folder), self._name]
        trouble = str(self._file("trouble"))
        actions = [
            (os.POSIX_SPAWN_DUP2, reading, 0),
            (os.POSIX_SPAWN_OPEN, warden.BELL, str(self.bell), os.O_RDWR | os.O_NONBLOCK, 0),
            (os.POSIX_SPAWN_OPEN, 2, trouble, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600),
        ]
        with os.fdopen(writing, "wb") as pipe:
            try:
                self._child = os.posix_spawn(command[0], command, environment, file_actions=actions, setsid=True)
            finally:
                os.close(reading)
            with suppress(BrokenPipeError):  # it ended before it has read all
                pipe.write(marshal.dumps(program))

    def forbid(self) -> bool:
        """See that it is never started, and tell whether that was in time."""
        return warden.claim(str(self._file("started")), NEVER) or self._read("started") == NEVER

    def reap(self) -> None:
        """Let the system forget the warden that was started here; it has ended, or is about to."""
        if self._child:
            with suppress(ChildProcessError):
                os.waitpid(self._child, 0)
            self._child = 0

    @property
    def keeper(self) -> Keeper | None:
        """Who started it, if it was started."""
        with suppress(ValueError):  # it never is, or the file was cut off with the power
            pid, since, boot, at = self._read("started").split()
            return Keeper(int(pid), int(since), boot, _time(at))
        return None

    @property
    def ending(self) -> Ending | None:
        """How it ended, if it did."""
        with suppress(ValueError):  # as above
            at, exit_code, error = self._read("ended").split(" ", 2)
            return Ending(_time(at), int(exit_code), error)
        return None

    @property
    def trouble(self) -> str:
        """What went wrong with its wardens, in the last line of what they said."""
        return self._read("trouble").rstrip().rpartition("\n")[2]

    def printed(self, start: int) -> Iterator[bytes]:
        """Yield what is in the file of its output from some byte on, as it is now."""
        with suppress(FileNotFoundError), self._file("output").open("rb") as file:
            file.seek(start)
            while data := file.read(CHUNK):
                yield data

    def _read(self, kind: str) -> str:
        try:
            return self._file(kind).read_text(encoding="utf-8", errors="replace")
        except FileNotFoundError:
            return ""

    def _file(self, kind: str) -> Path:
        return self._folder / f"{self._name}.{kind}"


def _time(text: str) -> datetime:
    return datetime.fromtimestamp(float(text), UTC)
