"""The eyes on one running container: what it prints, and its end."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import closing, suppress
from threading import Thread

from app.output import RUNNER, STDERR, STDOUT
from app.runner.answers import EngineAway, EngineRefusal, Gone
from app.runner.client import Received
from app.runner.engine import Engine
from app.runner.signals import Signals
from app.runner.writer import Writer

PATIENCE = 60
"""Seconds for which the Engine is asked, at a time, to tell of a container's end."""


class Watch(Thread):
    """Stores what a container prints, and tells when and how it ended.

    The connection made before the start brings the very bytes. If it breaks, or the runner that made it is dead,
    the Engine's own file has the rest. Neither says how the container ended: only the Engine does.
    """

    def __init__(
        self, engine: Engine, container: str, output: tuple[Writer, str], signals: Signals, phase: str = ""
    ) -> None:
        """Name the container, where its output goes, whom to tell, and which of the attempt's containers it is."""
        super().__init__(name=f"watch {container[:12]}", daemon=True)
        self._engine = engine
        self._container = container
        self._writer, self._attempt = output
        self._signals = signals
        self._phase = phase
        self.attached: Received | None = None
        """The connection, when there is one."""
        self.ended = False
        self.exit_code: int | None = None
        """None if the container vanished before it could be asked."""
        self.engine_was_away = False
        self.error: Exception | None = None
        """What is wrong with the watch itself."""
        self._said: set[bytes] = set()

    def run(self) -> None:
        """Watch until the end, through all that may happen to the Engine meanwhile."""
        try:
            self._watch()
        except Exception as error:  # noqa: BLE001 - the attempt's thread raises it
            self.error = error
        self.ended = True
        self._signals.wake()

    def _watch(self) -> None:
        with suppress(Gone):
            while not self._is_over():
                self._engine.is_there.wait()
        self._writer.end(self._attempt, self._phase)

    def _is_over(self) -> bool:
        """Follow the output to its end, as far as it can be, and ask for the container's."""
        try:
            exit_code = self._catch_up() if self.attached is None else self._receive(self.attached)
        except EngineAway:
            self.engine_was_away = True
            return False
        self.exit_code = exit_code
        return exit_code is not None

    def _receive(self, attached: Received) -> int | None:
        self.attached = None
        with closing(attached):
            self._store(self._engine.read(attached))
            return attached.exit_code(PATIENCE)

    def _catch_up(self) -> int | None:
        self._read_file()
        exit_code = self._engine.wait(self._container, PATIENCE)
        if exit_code is not None:
            self._read_file()  # whoever follows the file may be let go before its last word
        return exit_code

    def _read_file(self) -> None:
        self._writer.resume(self._attempt, self._phase)
        try:
            self._store(self._engine.logs(self._container))
        except Gone:
            raise
        except EngineRefusal as error:
            self._say(f"the output can not be read any further: {error}\n".encode())

    def _store(self, printed: Iterable[tuple[int, bytes]]) -> None:
        for stream, data in printed:
            if stream in (STDOUT, STDERR):
                self._writer.append(self._attempt, stream, data, self._phase)
            else:  # the Engine's own words, as about a file of it that is damaged
                self._say(data)

    def _say(self, words: bytes) -> None:
        """Tell what is wrong with the output: whole lines, and once, however often the Engine is asked for it."""
        if words not in self._said:
            self._said.add(words)
            self._writer.append(self._attempt, RUNNER, words if words.endswith(b"\n") else words + b"\n", self._phase)
