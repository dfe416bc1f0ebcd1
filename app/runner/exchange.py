"""The folder that an attempt shares with its container: the script goes in, the result comes out."""

from __future__ import annotations

import os
import shutil
import stat
from pathlib import Path

INSIDE = "/tork"
"""Where the container sees the folder: the name that job files rely on."""
ENTRYPOINT = f"{INSIDE}/entrypoint"
RESULT = f"{INSIDE}/stdout"
PROGRESS = f"{INSIDE}/progress"
LARGEST_RESULT = 1024 * 1024
"""Bytes: results are kept in the log."""

READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
"""Neither a link out of the folder is followed, nor a pipe waited for."""


class BadResult(Exception):
    """What the task left as its result can not be one."""


class Exchange:
    """One attempt's folder."""

    def __init__(self, folder: Path) -> None:
        """Name the folder; it need not be there."""
        self.folder = folder

    def create(self, script: str) -> None:
        """Make the folder as a new container shall find it."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.folder.chmod(0o755)
        if script:
            self._write("entrypoint", script, 0o555)
        for name in ("stdout", "progress"):
            self._write(name, "", 0o666)

    def result(self) -> str:
        """Read what the task wrote to the file of its result."""
        try:
            content = _read(self.folder / "stdout", LARGEST_RESULT + 1)
        except FileNotFoundError:
            return ""
        except OSError as error:
            msg = f"the result can not be read: {error.strerror}"
            raise BadResult(msg) from None
        if len(content) > LARGEST_RESULT:
            msg = f"the result is larger than {LARGEST_RESULT} bytes: keep it elsewhere and return where"
            raise BadResult(msg)
        return content.decode(errors="replace").replace("\0", "")

    def remove(self) -> None:
        """Remove the folder, with all that the task left in it; what is not ours to remove stays."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _write(self, name: str, content: str, mode: int) -> None:
        path = self.folder / name
        path.unlink(missing_ok=True)  # from before a crash: it may be written only half
        path.write_text(content, encoding="utf-8", errors="replace", newline="")
        path.chmod(mode)


def _read(path: Path, most: int) -> bytes:
    descriptor = os.open(path, READ)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            msg = "the result is not a plain file"
            raise BadResult(msg)
        with open(descriptor, "rb", closefd=False) as file:
            return file.read(most)
    finally:
        os.close(descriptor)
