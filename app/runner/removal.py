"""Removal of what programs left behind, however deep it is."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import uuid4

FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def remove(folder: Path) -> None:
    """Remove a folder and all in it, and follow no link out of it; what is not ours to remove stays.

    A program can make folders far deeper than paths can be long, files be open at a time, or functions call themselves.
    So nothing is reached down for: what lies deeper is moved to the top first.
    """
    with suppress(OSError):
        with _opened(folder) as top:
            waiting = _cleared(top)
            while waiting:
                waiting += _lifted(waiting.pop(), top)
        folder.rmdir()


def _lifted(name: str, top: int) -> list[str]:
    """Remove a folder at the top; return the new names of those that were in it, and are at the top now."""
    lifted = []
    with suppress(OSError), _opened(name, top) as folder:
        for each in _cleared(folder):
            new = uuid4().hex
            with suppress(OSError):
                os.rename(each, new, src_dir_fd=folder, dst_dir_fd=top)
                lifted.append(new)
    with suppress(OSError):
        os.rmdir(name, dir_fd=top)
    return lifted


def _cleared(folder: int) -> list[str]:
    """Remove what is in a folder, but for folders that are not empty; return their names."""
    with os.scandir(folder) as found:
        entries = list(found)
    return [entry.name for entry in entries if not _is_removed(entry, folder) and entry.is_dir(follow_symlinks=False)]


def _is_removed(entry: os.DirEntry[str], folder: int) -> bool:
    remove_it = os.rmdir if entry.is_dir(follow_symlinks=False) else os.unlink
    try:
        remove_it(entry.name, dir_fd=folder)
    except OSError:
        return False
    return True


@contextmanager
def _opened(folder: Path | str, inside: int | None = None) -> Iterator[int]:
    descriptor = os.open(folder, FOLDER, dir_fd=inside)
    try:
        yield descriptor
    finally:
        os.close(descriptor)
