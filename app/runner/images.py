"""Fetching images: each one once, however many attempts wait for it, and each of them hears how it goes."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from threading import Lock, Thread
from typing import Any, NamedTuple

from app.runner.client import Line
from app.runner.credentials import Credentials
from app.runner.engine import Engine, EngineRefusal
from app.runner.image_keeper import ImageKeeper
from app.runner.signals import Signals

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


class Audience(NamedTuple):
    """An attempt that waits for an image."""

    key: str
    say: Callable[[str], None]
    """Takes a line about how it goes."""
    signals: Signals


Wanted = tuple[str, frozenset[tuple[str, str]]]
"""An image and in whose name it is fetched: what one may have, another may not."""


class _Pull:
    """One image on its way."""

    def __init__(self, image: str, credentials: Credentials) -> None:
        self.image = image
        self.credentials = credentials
        self.line = Line()
        self.waiting: dict[str, Audience] = {}
        self.ended = False
        self.error: Exception | None = None


class Images:
    """Fetches what the Engine does not have."""

    def __init__(self, engine: Engine, keeper: ImageKeeper) -> None:
        """Note in the keeper's book what was fetched."""
        self._engine = engine
        self._keeper = keeper
        self._pulls: dict[Wanted, _Pull] = {}
        self._lock = Lock()

    def fetch(self, image: str, credentials: Credentials, audience: Audience) -> None:
        """Wait until the image has come; when nobody waits any more, it is fetched no further."""
        audience.say(f"pulling {image}")
        pull = self._join(image, credentials, audience)
        try:
            audience.signals.wait(lambda: pull.ended)
        finally:
            self._leave(pull, audience)
        if pull.error is not None:
            raise pull.error
        audience.say(f"pulled {image}")

    def used(self, image: str) -> None:
        """Note that a container is made of the image of this id."""
        self._keeper.used(image)

    def _join(self, image: str, credentials: Credentials, audience: Audience) -> _Pull:
        wanted = _wanted(image, credentials)
        with self._lock:
            pull = self._pulls.get(wanted)
            is_new = pull is None
            if pull is None:
                pull = self._pulls[wanted] = _Pull(image, credentials)
            pull.waiting[audience.key] = audience
        if is_new:
            Thread(target=self._run, args=(pull,), name=f"pull {image}", daemon=True).start()
        return pull

    def _leave(self, pull: _Pull, audience: Audience) -> None:
        with self._lock:
            pull.waiting.pop(audience.key, None)
            is_wanted = bool(pull.waiting)
            if not is_wanted:
                self._forget(pull)  # whoever comes now begins anew
        if not is_wanted:
            pull.line.hang_up()  # the Engine may have no next word, at which that could be noticed

    def _run(self, pull: _Pull) -> None:
        try:
            self._follow(pull)
        except Exception as error:  # noqa: BLE001 - whoever waits for the image is told
            pull.error = error
        with self._lock:
            self._forget(pull)
            pull.ended = True
            waiting = tuple(pull.waiting.values())
        for audience in waiting:
            audience.signals.wake()

    def _follow(self, pull: _Pull) -> None:
        progress, words = Progress(pull.image), {}
        for words in self._engine.pull(pull.image, pull.credentials, pull.line):
            if "error" in words:
                raise EngineRefusal(words["error"])
            if pull.line.is_hung_up:
                return
            if line := progress.line(words):
                _tell(tuple(pull.waiting.values()), line)
        self._keeper.pulled(pull.image, words)

    def _forget(self, pull: _Pull) -> None:
        wanted = _wanted(pull.image, pull.credentials)
        if self._pulls.get(wanted) is pull:
            del self._pulls[wanted]


def _wanted(image: str, credentials: Credentials) -> Wanted:
    return image, frozenset(credentials.items())


def _tell(audiences: Iterable[Audience], line: str) -> None:
    for audience in audiences:
        audience.say(line)
