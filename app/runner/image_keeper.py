"""Removes images that the runner fetched and that no task has used for long; others' images it leaves alone.

What it knows is kept in a small file, for a restart must not make it forget what is its own.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable
from pathlib import Path
from threading import Lock, Thread
from typing import Any, Protocol

import msgspec

from app.runner.answers import EngineAway, EngineRefusal, Gone, ImageAbsent

logger = logging.getLogger("jobledger.runner")

SOON = 300.0
"""Seconds from a runner's start to its first look: the tasks that waited for it shall find their images."""
PERIOD = 3600.0
"""Seconds between two looks."""
WRITE = 60.0
"""Seconds between two times that uses are written down, at least: to lose so much in a crash does no harm."""
FETCHED = "Status: Downloaded newer image"
"""How the Engine's last word about a pull begins, unless it had the image already, by another's hand."""


class Store(Protocol):
    """What is asked of an Engine."""

    id: str

    def image_id(self, reference: str) -> str:
        """Return the id of the image of that name, or raise `ImageAbsent`."""

    def remove_image(self, reference: str) -> None:
        """Take the name from its image, and remove that if it has no other; refused while a container uses it."""


class Kept(msgspec.Struct):
    """An image that the runner fetched."""

    engine: str
    """The Engine that has it: on another one, the same image may be someone else's."""
    reference: str
    image: str
    """Its id."""
    used: float
    """When a task last used it, in seconds since 1970."""


class ImageKeeper:
    """Knows the images of one runner; any thread may tell it."""

    def __init__(self, store: Store, path: Path, ttl: float, clock: Callable[[], float] = time.time) -> None:
        """Read what is known; images are removed so many seconds after their last use, and never when these are 0."""
        self._store = store
        self._path = path
        self._ttl = ttl
        self._clock = clock
        self._lock = Lock()
        self._kept = _read(path)
        self._written = 0.0
        self._due = clock() + SOON
        self._sweeping: Thread | None = None

    def pulled(self, reference: str, last_words: dict[str, Any]) -> None:
        """Note an image that was fetched, unless the Engine's last words tell that it was there before."""
        if not str(last_words.get("status", "")).startswith(FETCHED):
            return
        try:
            image = self._store.image_id(reference)
        except EngineRefusal:
            return  # someone was quick to remove it
        new = Kept(self._store.id, reference, image, self._clock())
        with self._lock:
            self._kept = [each for each in self._kept if (each.engine, each.reference) != (new.engine, reference)]
            self._kept.append(new)
            self._write()

    def used(self, image: str) -> None:
        """Note that a task uses the image of this id, by whatever name; of most images nothing needs to be noted."""
        with self._lock:
            mine = [each for each in self._kept if (each.engine, each.image) == (self._store.id, image)]
            for each in mine:
                each.used = self._clock()
            if mine and self._clock() >= self._written + WRITE:
                self._write()

    def look(self) -> None:
        """Have images removed once in a while, in a thread of its own: large ones take long."""
        is_sweeping = self._sweeping is not None and self._sweeping.is_alive()
        if self._ttl and self._clock() >= self._due and not is_sweeping:
            self._due = self._clock() + PERIOD
            self._sweeping = Thread(target=self.sweep, name="images", daemon=True)
            self._sweeping.start()

    def sweep(self) -> None:
        """Remove what no task has used for long."""
        try:
            for each in tuple(self._kept):
                if self._is_unused(each) and self._is_settled(each):
                    self._forget(each)
        except EngineAway as error:
            logger.info("images are looked at later: %s", error)

    def _is_unused(self, kept: Kept) -> bool:
        return kept.engine == self._store.id and self._clock() >= kept.used + self._ttl

    def _is_settled(self, kept: Kept) -> bool:
        """Remove an image, if it is still the one that was fetched; tell whether nothing is left to do about it."""
        try:
            if self._store.image_id(kept.reference) != kept.image:
                return True  # someone gave the name to another image: that is theirs
            self._store.remove_image(kept.reference)
        except (ImageAbsent, Gone):
            return True
        except EngineRefusal as refusal:
            logger.info("the image %s is looked at later: %s", kept.reference, refusal)
            return False
        logger.info("removed the image %s: no task used it for %.0f hours", kept.reference, self._ttl / 3600)
        return True

    def _forget(self, kept: Kept) -> None:
        """Forget this very one: the image may have been fetched anew in the meantime."""
        with self._lock:
            self._kept = [each for each in self._kept if each is not kept]
            self._write()

    def _write(self) -> None:
        """Write all down; no task fails because that can not be done now."""
        self._written = self._clock()
        beside = self._path.with_suffix(".new")
        try:
            with beside.open("wb") as file:
                file.write(msgspec.json.encode(self._kept))
                file.flush()
                os.fsync(file.fileno())
            beside.replace(self._path)
        except OSError as error:
            logger.warning("what images were fetched can not be written down: %s", error)


def _read(path: Path) -> list[Kept]:
    try:
        return msgspec.json.decode(path.read_bytes(), type=list[Kept])
    except FileNotFoundError:
        return []
    except (OSError, msgspec.DecodeError) as error:
        logger.warning("what images were fetched before can not be read: they stay (%s)", error)
        return []
