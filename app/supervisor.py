"""Keeps the processes of `up` alive and ends them in order. Idle it sleeps, and it imports next to nothing."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections import deque
from contextlib import contextmanager
from time import monotonic
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

FIRST_PAUSE = 0.5
LONGEST_PAUSE = 10.0
"""Seconds before a process that died is started again; each time twice as many."""
STEADY = 60.0
"""Seconds after which a process that runs counts as sound, so that the pauses begin anew."""
PROMPT = 0.5
"""Seconds in which what has nothing to wait for has ended; later it is said what is waited for."""
SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)

WAITING = "waiting for the running tasks; press Ctrl-C again to leave them to the next start"


class Signalled(NamedTuple):
    """Someone wants us to end."""


class Ended(NamedTuple):
    """A process has ended."""

    child: Child
    code: int


class Due(NamedTuple):
    """A process is to be started again."""

    child: Child


class Slow(NamedTuple):
    """The end takes a while."""


Happening = Signalled | Ended | Due | Slow


class Inbox:
    """What has happened, from threads and signal handlers; the pipe wakes a sleeper on every system."""

    def __init__(self) -> None:
        """Begin empty."""
        self._happenings: deque[Happening] = deque()
        self._read, self._write = os.pipe()

    def put(self, happening: Happening) -> None:
        """Hand in."""
        self._happenings.append(happening)
        os.write(self._write, b"\0")

    def get(self) -> Happening:
        """Wait for the next."""
        os.read(self._read, 1)
        return self._happenings.popleft()


class Child:
    """One process that is kept alive."""

    def __init__(self, name: str, command: Sequence[str]) -> None:
        """Remember how it is started."""
        self.name = name
        self.command = command
        self.process: subprocess.Popen[bytes] | None = None
        self._pause = FIRST_PAUSE
        self._started = 0.0

    def start(self, lifeline: int, environment: Mapping[str, str] | None) -> None:
        """Start it, out of reach of the terminal's Ctrl-C: it is for us to say when it ends."""
        self._started = monotonic()
        self.process = subprocess.Popen(  # noqa: S603 - our own command
            [*self.command, "--lifeline", str(lifeline)],
            stdin=subprocess.DEVNULL,
            pass_fds=[lifeline],
            start_new_session=True,
            env=environment,
        )

    def pause(self) -> float:
        """Return the seconds to wait before the next start."""
        if monotonic() - self._started > STEADY:
            self._pause = FIRST_PAUSE
        seconds, self._pause = self._pause, min(2 * self._pause, LONGEST_PAUSE)
        return seconds


class Supervisor:
    """Starts processes, starts them again when they die, and ends them, the last one first."""

    def __init__(
        self,
        commands: Mapping[str, Sequence[str]],
        say: Callable[[str], None],
        *,
        final: Sequence[int] = (),
        environment: Mapping[str, str] | None = None,
    ) -> None:
        """Take commands by their names; with an exit code in `final` a process asks not to be started again."""
        self._children = [Child(name, command) for name, command in commands.items()]
        self._say = say
        self._final = final
        self._environment = environment
        self._inbox = Inbox()
        self._lifeline, self._life = os.pipe()  # `_life` is never written: it closes when this process is gone
        self._ending: Child | None = None
        self._signals = 0
        self._code = 0

    def run(self) -> int:
        """Keep all of them alive until a signal comes or one gives up; return the exit code."""
        with self._signals_heeded():
            for child in self._children:
                self._start(child)
            while not (self._stopping and not self._alive):
                self._handle(self._inbox.get())
        return self._code

    @property
    def _stopping(self) -> bool:
        return self._signals > 0

    @property
    def _alive(self) -> list[Child]:
        return [child for child in self._children if child.process is not None]

    @contextmanager
    def _signals_heeded(self) -> Iterator[None]:
        before = {number: signal.signal(number, lambda *_: self._inbox.put(Signalled())) for number in SIGNALS}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _handle(self, happening: Happening) -> None:
        match happening:
            case Signalled():
                self._signals += 1
                self._stop()
            case Ended(child, code):
                child.process = None
                self._after_end(child, code)
            case Due(child) if not self._stopping:
                self._start(child)
            case Slow() if self._signals == 1 and self._ending is self._children[-1]:
                self._say(WAITING)  # the last one is the one that has work to finish

    def _start(self, child: Child) -> None:
        try:
            child.start(self._lifeline, self._environment)
        except OSError as error:
            self._say(f"the {child.name} can not be started: {error}")
            self._start_later(child)
        else:
            threading.Thread(target=self._watch, args=[child, child.process], daemon=True).start()

    def _watch(self, child: Child, process: subprocess.Popen[bytes]) -> None:
        self._inbox.put(Ended(child, process.wait()))

    def _after_end(self, child: Child, code: int) -> None:
        if self._stopping:
            if child is self._ending:
                self._end_next()
        elif code in self._final:
            self._say(f"the {child.name} gave up: ending")
            self._code = code
            self._signals = 1
            self._stop()
        else:
            self._say(f"the {child.name} ended unexpectedly ({_reason(code)})")
            self._start_later(child)

    def _start_later(self, child: Child) -> None:
        pause = child.pause()
        self._say(f"starting the {child.name} again in {pause:g} s")
        self._later(pause, Due(child))

    def _later(self, seconds: float, happening: Happening) -> None:
        timer = threading.Timer(seconds, self._inbox.put, [happening])
        timer.daemon = True
        timer.start()

    def _stop(self) -> None:
        """End in order at the first signal; hurry the process that is ending at the second; kill at the third."""
        match self._signals:
            case 1:
                self._later(PROMPT, Slow())
                self._end_next()
            case 2:
                self._say("leaving the running tasks to the next start")
                self._signal_ending(signal.SIGTERM)
            case _:
                for child in self._alive:
                    _signal(child, signal.SIGKILL)

    def _end_next(self) -> None:
        self._ending = self._alive[-1] if self._alive else None
        self._signal_ending(signal.SIGTERM)

    def _signal_ending(self, number: signal.Signals) -> None:
        if self._ending is not None:
            _signal(self._ending, number)


def _signal(child: Child, number: signal.Signals) -> None:
    if child.process is not None:
        child.process.send_signal(number)


def _reason(code: int) -> str:
    if code >= 0:
        return f"exit code {code}"
    try:
        return f"killed by {signal.Signals(-code).name}"
    except ValueError:
        return f"killed by signal {-code}"
