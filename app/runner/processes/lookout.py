"""The eyes on one running program: what it prints, and its end."""

from __future__ import annotations

import os
import select
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime
from threading import Thread
from typing import Self

from app.runner.frames import frames
from app.runner.processes.ward import CHUNK, Ending, Ward
from app.runner.signals import Signals
from app.runner.writer import Writer

PARTING = 1.0
"""Seconds to wait for the thread when the runner ends."""


class Lookout(Thread):
    """Stores what a program prints, and tells when it began and how it ended.

    All of it is in the warden's files, from the beginning; only that there is something new is heard from the bell.
    """

    def __init__(self, ward: Ward, output: tuple[Writer, str], signals: Signals, phase: str) -> None:
        """Name the program, where its output goes, whom to tell, and which of the attempt's programs it is."""
        super().__init__(name=f"lookout {output[1]}", daemon=True)
        self._ward = ward
        self._writer, self._attempt = output
        self._signals = signals
        self._phase = phase
        self._bell = os.open(ward.bell, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)  # before a warden may be gone again
        self._is_alone = False
        """Whether no warden is there any more."""
        self._left = False
        self.began: datetime | None = None
        self.ended = False
        self.ending: Ending | None = None
        """None if the program was never started, or its warden was killed."""
        self.error: Exception | None = None
        """What is wrong with the lookout itself."""

    def run(self) -> None:
        """Look out until the end."""
        try:
            self._follow()
        except Exception as error:  # noqa: BLE001 - the attempt's thread raises it
            self.error = error
        self.ended = True
        self._signals.wake()

    def __enter__(self) -> Self:
        """Begin to listen; the thread is to be started when a warden is there."""
        return self

    def __exit__(self, *_: object) -> None:
        """End, also when the program has not."""
        self._left = True
        if self.is_alive():
            self._ring()
            self.join(PARTING)
        if not self.is_alive():
            os.close(self._bell)

    def _ring(self) -> None:
        bell = os.open(self._ward.bell, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with suppress(BlockingIOError):
            os.write(bell, b"!")
        os.close(bell)

    def _follow(self) -> None:
        for stream, data in frames(self._chunks()):
            self._writer.append(self._attempt, stream, data, self._phase)
        if not self._left:
            self._writer.end(self._attempt, self._phase)
            self._ward.reap()

    def _chunks(self) -> Iterator[bytes]:
        position = 0
        while True:
            is_over = self._look()  # before the output is read: what comes later is not the program's
            for data in self._ward.printed(position):
                position += len(data)
                yield data
            if is_over or self._left:
                return
            self._listen()

    def _look(self) -> bool:
        """See whether the program has begun, and tell whether it is over."""
        keeper = self._ward.keeper
        if keeper and not self.began:
            self.began = keeper.at
            self._signals.wake()
        is_alone = self._is_alone or (keeper is not None and not keeper.is_alive)
        self.ending = self._ward.ending  # after its warden was looked for, who may just have written it
        return is_alone or self.ending is not None

    def _listen(self) -> None:
        """Wait until the bell rings, or nobody is there any more who could ring it."""
        poll = select.poll()
        poll.register(self._bell, select.POLLIN)
        ((_, event),) = poll.poll()
        if event & select.POLLIN:
            os.read(self._bell, CHUNK)
        else:
            self._is_alone = True
