"""Fetching images: each one once, however many attempts wait for it, and each of them hears how it goes."""

from __future__ import annotations

import time
from threading import Lock, Thread
from typing import Any

from app.output import RUNNER
from app.runner.engine import Engine, EngineRefusal
from app.runner.signals import Signals
from app.runner.writer import Writer

PACE = 1.0
"""Seconds between two words about the progress, at least."""


class Progress:
    """Makes few lines of the Engine's many words."""

    def __init__(self, image: str) -> None:
        """Begin with nothing fetched."""
        self._image = image
        self._layers: dict[str, dict[str, tuple[int, int]]] = {"Downloading": {}, "Extracting": {}}
        self._said = ("", time.monotonic())

    def line(self, words: dict[str, Any]) -> str:
        """Return what is worth saying after these words; most often nothing."""
        status, detail = words.get("status", ""), words.get("progressDetail") or {}
        if status not in self._layers or not detail.get("total"):
            return ""
        layers = self._layers[status]
        layers[words.get("id", "")] = (detail.get("current", 0), detail["total"])
        current, total = (sum(numbers) for numbers in zip(*layers.values(), strict=True))
        line = f"pulling {self._image}: {status.lower()} {min(100, 100 * current // total)} %"
        said, at = self._said
        if line == said or time.monotonic() < at + PACE:
            return ""
        self._said = (line, time.monotonic())
        return line


class _Pull:
    """One image on its way."""

    def __init__(self) -> None:
        self.waiting: dict[str, Signals] = {}
        """The attempts that wait for it."""
        self.ended = False
        self.error: Exception | None = None


class Images:
    """Fetches what the Engine does not have."""

    def __init__(self, engine: Engine, output: Writer) -> None:
        """Speak of the progress in the attempts' output."""
        self._engine = engine
        self._output = output
        self._pulls: dict[str, _Pull] = {}
        self._lock = Lock()

    def fetch(self, image: str, attempt: str, signals: Signals) -> None:
        """Wait until the image has come; when nobody waits any more, it is fetched no further."""
        self._say([attempt], f"pulling {image}")
        pull = self._join(image, attempt, signals)
        try:
            signals.wait(lambda: pull.ended)
        finally:
            with self._lock:
                pull.waiting.pop(attempt, None)
        if pull.error is not None:
            raise pull.error
        self._say([attempt], f"pulled {image}")

    def _join(self, image: str, attempt: str, signals: Signals) -> _Pull:
        with self._lock:
            pull = self._pulls.get(image)
            is_new = pull is None
            if pull is None:
                pull = self._pulls[image] = _Pull()
            pull.waiting[attempt] = signals
        if is_new:
            Thread(target=self._run, args=(image, pull), name=f"pull {image}", daemon=True).start()
        return pull

    def _run(self, image: str, pull: _Pull) -> None:
        try:
            self._follow(image, pull)
        except Exception as error:  # noqa: BLE001 - whoever waits for the image is told
            pull.error = error
        with self._lock:
            if self._pulls.get(image) is pull:
                del self._pulls[image]
            pull.ended = True
            waiting = tuple(pull.waiting.values())
        for signals in waiting:
            signals.wake()

    def _follow(self, image: str, pull: _Pull) -> None:
        progress = Progress(image)
        for words in self._engine.pull(image):
            if "error" in words:
                raise EngineRefusal(words["error"])
            if self._is_abandoned(image, pull):
                return
            if line := progress.line(words):
                self._say(tuple(pull.waiting), line)

    def _is_abandoned(self, image: str, pull: _Pull) -> bool:
        with self._lock:
            if pull.waiting:
                return False
            del self._pulls[image]  # whoever comes now begins anew
            return True

    def _say(self, attempts: list[str] | tuple[str, ...], line: str) -> None:
        for attempt in attempts:
            self._output.append(attempt, RUNNER, f"{line}\n".encode())
