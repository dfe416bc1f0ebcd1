"""Where the read models of the API lie, and how a rebuilt file takes the place of the live one.

`views/` holds numbered files and `current`, a link to the one in use. A swap moves the link, in one step; whoever has
the old file open reads on in it until he looks again. (To replace a database under its own name would be wrong: its
write-ahead log has a name of its own and would be taken for the new file's.) The name of a file also tells the layout
of its tables: where that is of another version of this program, a new file is begun, from the first event of the log.
"""

from __future__ import annotations

import os
import re
import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING

from projections import changes
from projections.store import Store

if TYPE_CHECKING:
    from collections.abc import Sequence

    from projections.store import ReadModel

MODELS: Sequence[ReadModel] = (changes,)
LAYOUT = 4
"""Of the tables; counts up with each change of what they hold."""
CURRENT = "current"
NAME = re.compile(r"views-([0-9]+)(?:-layout-([0-9]+))?\.db")
"""The first layout had no number."""


def prepare(folder: Path) -> Path:
    """Return the file in use, and name a first one when there is none of this layout."""
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / CURRENT).is_symlink() or _layout(current(folder)) != LAYOUT:
        publish(folder, following(folder))
    return current(folder)


def current(folder: Path) -> Path:
    """Return the file in use."""
    return folder / (folder / CURRENT).readlink()


def following(folder: Path) -> Path:
    """Return the name of a file that is not there yet, for a new generation of the read models."""
    link = folder / CURRENT
    taken = [*_files(folder), *([current(folder)] if link.is_symlink() else [])]
    return folder / f"views-{max(map(_number, taken), default=0) + 1}-layout-{LAYOUT}.db"


def publish(folder: Path, path: Path) -> None:
    """Make a file the one in use."""
    link = folder / f".{CURRENT}-{os.getpid()}"
    link.unlink(missing_ok=True)
    link.symlink_to(path.name)
    link.replace(folder / CURRENT)


def sweep(folder: Path, used: Path) -> None:
    """Remove the files before the one that is used; for the process that writes them, when it has changed over.

    Not those before the one that is linked: that may be a newer one already, and the used one must stay until then.
    """
    for old in _files(folder):
        if _number(old) < _number(used):
            for path in folder.glob(f"{old.name}*"):
                path.unlink(missing_ok=True)


def _files(folder: Path) -> list[Path]:
    return [path for path in folder.glob("views-*.db") if NAME.fullmatch(path.name)]


def _number(path: Path) -> int:
    found = NAME.fullmatch(path.name)
    return int(found[1]) if found else 0


def _layout(path: Path) -> int:
    found = NAME.fullmatch(path.name)
    return int(found[2] or 1) if found else 0


def open_store(path: Path) -> Store:
    """Open a file of the API's read models for writing."""
    return Store(path, MODELS)


def connect(path: Path) -> sqlite3.Connection:
    """Open a file of read models for reading only."""
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode=ro", uri=True, check_same_thread=False, isolation_level=None
    )
    connection.execute("PRAGMA query_only = 1")
    return connection
