"""The read models of one API process: a thread that follows the log into them, and readers that wait for it."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Self

from domain.job import JobCancelled, JobCompleted, JobFailed
from projections import document, views

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path
    from uuid import UUID

    from eventsourcing.persistence import Notification

    from app.log import Log, SQLiteSubscription
    from domain.event import Recorded

logger = logging.getLogger("jobledger.views")

LOOK = 0.5
"""Seconds of quiet after which the follower looks whether a rebuilt file has taken the place of its own."""
LINGER = 0.05
"""Seconds between two batches when nobody waits for them."""
PATIENCE = 5.0
"""Seconds that a reader waits for the views to catch up."""
MOST_COUNTS = 1_000
"""Counts of queries that are remembered."""
RETRY = 1.0
"""Seconds after which a follower that failed tries again."""

ENDS = (JobCompleted, JobFailed, JobCancelled)


class Behind(Exception):
    """The views have not caught up with the log in the time that a reader waits."""


class Views:
    """Follows the log and lends connections to read with. Enter it with `with`."""

    def __init__(self, log: Log, folder: Path) -> None:
        """Open the file of read models in use; nothing moves before it is entered."""
        self._log = log
        self._folder = folder
        self._store = views.open_store(views.prepare(folder))
        log.see_known(self._store.position, self._store.path)
        self._local = threading.local()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="views", daemon=True)
        self._waiting: dict[asyncio.Future[None], int] = {}
        self._ends: dict[str, asyncio.Future[None]] = {}
        self._subscription: SQLiteSubscription | None = None
        self._counts: dict[str, int] = {}
        self._counts_at = 0
        self.failure: str = ""
        """Why the views can not follow; empty while they do."""

    def __enter__(self) -> Self:
        """Start to follow; what a rebuild left behind is removed."""
        views.sweep(self._folder, self._store.path)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop, with what was begun finished."""
        self._stopped.set()
        if self._subscription is not None:
            self._subscription.stop()
        self._thread.join()
        self._store.close()

    @property
    def position(self) -> int:
        """The last event that can be read."""
        return self._store.position

    def connection(self) -> sqlite3.Connection:
        """Return this thread's connection to the file in use."""
        if getattr(self._local, "path", None) != self._store.path:
            self._local.path, self._local.connection = self._connect()
        connection: sqlite3.Connection = self._local.connection
        return connection

    def counted(self, text: str, position: int, count: Callable[[], int]) -> int:
        """Count what a query finds, once for all its pages: it holds for as long as no event is added."""
        if self._counts_at != position or len(self._counts) >= MOST_COUNTS:
            self._counts_at, self._counts = position, {}
        counts = self._counts
        if text not in counts:
            counts[text] = count()
        return counts[text]

    async def caught_up(self) -> None:
        """Wait until all that this process has answered for can be read; milliseconds, as a rule."""
        position = self._log.acknowledged
        if self.position >= position:
            return
        future = asyncio.get_running_loop().create_future()
        self._waiting[future] = position
        try:
            await self._reached(position, future)
        finally:
            del self._waiting[future]

    @contextmanager
    def end_of(self, job: UUID) -> Iterator[asyncio.Future[None]]:
        """Lend what is done as soon as the end of a job can be read; to be asked for before the job is submitted."""
        future = asyncio.get_running_loop().create_future()
        self._ends[job.hex] = future
        try:
            yield future
        finally:
            del self._ends[job.hex]

    async def _reached(self, position: int, future: asyncio.Future[None]) -> None:
        if self._subscription is not None:
            self._subscription.hurry()
        if self.position >= position:  # between the first look and the wait
            return
        try:
            async with asyncio.timeout(PATIENCE):
                await future
        except TimeoutError:
            raise Behind(f"the read models are catching up: at event {self.position} of {position}") from None

    def _connect(self) -> tuple[Path, sqlite3.Connection]:
        path = self._store.path
        try:
            return path, views.connect(path)
        except sqlite3.OperationalError:
            if path == self._store.path:
                raise
            return self._connect()  # another file has taken over since

    def _run(self) -> None:
        while not self._stopped.is_set():
            try:
                self._follow()
            except Exception as error:
                self.failure = f"{type(error).__name__}: {error}"
                logger.exception("the views stopped after event %d; trying again", self.position)
                self._stopped.wait(RETRY)

    def _follow(self) -> None:
        """Apply events until stopped or until another file has taken over."""
        self._store.refresh()
        with self._log.subscribe(self._store.position) as self._subscription:
            for batch in self._subscription.batches(idle=LOOK, linger=LINGER):
                if batch:
                    self._apply(batch)
                self.failure = ""
                if self._stopped.is_set() or self._has_changed_over():
                    return

    def _apply(self, batch: Sequence[Notification]) -> None:
        events = [self._log.open(notification) for notification in batch]
        self._store.apply(events)
        self._wake_readers()
        if self._ends:
            self._wake_ends(_ended(events))

    def _wake_readers(self) -> None:
        for future, position in tuple(self._waiting.items()):
            if position <= self.position:
                future.get_loop().call_soon_threadsafe(_finish, future)

    def _wake_ends(self, jobs: Iterable[str]) -> None:
        for job in jobs:
            future = self._ends.get(job)
            if future is not None:
                future.get_loop().call_soon_threadsafe(_finish, future)

    def _has_changed_over(self) -> bool:
        """Take the file in use, when it is another than before; begin a new one, when someone has deleted it."""
        path = views.prepare(self._folder)
        if path == self._store.path and path.exists():
            return False
        if not path.exists():
            path = views.following(self._folder)
        new = views.open_store(path)
        for batch in self._log.batches(new.position, self.position):  # what could be read goes on to be read
            new.apply(batch)
        views.publish(self._folder, path)
        old, self._store = self._store, new
        old.close()
        self._wake_after_change(path)
        views.sweep(self._folder, path)
        logger.info("reading from %s from now on", path.name)
        return True

    def _wake_after_change(self, path: Path) -> None:
        """Wake who waits for events that are in the new file, and were never in the old one."""
        self._wake_readers()
        with closing(views.connect(path)) as connection:
            self._wake_ends(document.over(connection, tuple(self._ends)))


def _ended(events: Iterable[Recorded]) -> Iterator[str]:
    for recorded in events:
        if isinstance(recorded.event, ENDS):
            yield recorded.originator_id.hex


def _finish(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
