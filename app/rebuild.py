"""Rebuilding the API's read models while it goes on serving; `scripts/rebuild` is the command."""

from __future__ import annotations

from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, NamedTuple

from app.lock import Held, locked
from app.log import Log
from projections import rebuild, views

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from app.settings import Settings
    from projections.store import Store


class Busy(Exception):
    """Another rebuild is at work on the same folder."""


class Differs(Exception):
    """The live read models do not say what the log says."""


class Proof(NamedTuple):
    """That the rebuilt read models equal the live ones at one position."""

    position: int
    digest: str


def run(settings: Settings, progress: Callable[[int], None], *, verify: bool) -> Proof | None:
    """Build the read models anew, prove them equal to the live ones if asked to, and put them into use.

    Raises `Differs` when the proof fails; then the live ones stay in use, and the new file beside them.
    """
    with closing(Log(settings.log)) as log, _alone(settings.views):
        return _run(log, settings.views, progress, verify=verify)


def _run(log: Log, folder: Path, progress: Callable[[int], None], *, verify: bool) -> Proof | None:
    live = views.prepare(folder)
    new = views.open_store(views.following(folder))
    new.unguarded()
    proof = _prove(log, live, new, progress) if verify and live.exists() else None
    _build(log, new, progress, None)
    new.sealed()
    new.close()
    views.publish(folder, new.path)
    return proof


def _prove(log: Log, live: Path, new: Store, progress: Callable[[int], None]) -> Proof:
    with rebuild.snapshot(live) as before:
        _build(log, new, progress, before.position)
        with rebuild.snapshot(new.path) as after:
            digest = after.digest()
            if digest == before.digest():
                return Proof(before.position, digest)
            first = rebuild.difference(before, after)
    raise Differs(f"{live.name} is not what the log says, first in {first}; the rebuilt file is {new.path.name}")


def _build(log: Log, store: Store, progress: Callable[[int], None], stop: int | None) -> None:
    for position in rebuild.build(store, log.batches(store.position, stop)):
        progress(position)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    try:
        with locked(folder / "rebuild.lock"):
            yield
    except Held as error:
        raise Busy(f"another rebuild is at work in {folder} (process {error.holder})") from None
