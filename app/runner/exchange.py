"""The folder that a program of an attempt shares with the runner: script and files go in, the result comes out."""

from __future__ import annotations

import io
import os
import stat
import tarfile
import time
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from app.runner import removal

INSIDE = "/tork"
"""Where the container sees the folder: the name that job files rely on."""
ENTRYPOINT = f"{INSIDE}/entrypoint"
RESULT = f"{INSIDE}/stdout"
PROGRESS = f"{INSIDE}/progress"
WORKDIR = f"{INSIDE}/workdir"
"""Where the files of a task lie that has not said where."""
LARGEST_RESULT = 1024 * 1024
"""Bytes: results are kept in the log."""
LONGEST_PROGRESS = 64
"""Characters of a number."""

READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
"""Neither a link out of the folder is followed, nor a pipe waited for."""


class BadResult(Exception):
    """What the task left as its result can not be one."""


class Exchange:
    """One program's folder."""

    def __init__(self, folder: Path) -> None:
        """Name the folder; it need not be there."""
        self.folder = folder

    def create(self, script: str, files: Mapping[str, str] | None = None) -> None:
        """Make the folder as a new program shall find it; its files lie in a folder in which all may write."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.folder.chmod(0o755)
        if script:
            self._write("entrypoint", script, 0o555)
        for name in ("stdout", "progress"):
            self._write(name, "", 0o666)
        if files:
            self._make(self.folder / "workdir")
        for name, content in (files or {}).items():
            path = relative(name)
            for parent in reversed(path.parents[:-1]):
                self._make(self.folder / "workdir" / parent)
            self._write(f"workdir/{path}", content, 0o444)

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

    def progress(self) -> str:
        """Read what the task wrote to the file of its progress; nothing when it can not be read."""
        try:
            return _read(self.folder / "progress", LONGEST_PROGRESS).decode(errors="replace").strip()
        except (OSError, BadResult):
            return ""

    def remove(self) -> None:
        """Remove the folder, with all that the task left in it; what is not ours to remove stays."""
        removal.remove(self.folder)

    def _make(self, folder: Path) -> None:
        folder.mkdir(exist_ok=True)
        folder.chmod(0o777)

    def _write(self, name: str, content: str, mode: int) -> None:
        path = self.folder / name
        path.unlink(missing_ok=True)  # from before a crash: it may be written only half
        path.write_text(content, encoding="utf-8", errors="replace", newline="")
        path.chmod(mode)


def relative(name: str) -> PurePosixPath:
    """Return the path of a file below its folder, out of which no name leads."""
    path = PurePosixPath(name.lstrip("/"))
    if not path.parts or ".." in path.parts or "\0" in name:
        msg = f"{name!r} is not the name of a file in a folder"
        raise ValueError(msg)
    return path


def archive(files: Mapping[str, str], folder: str) -> bytes:
    """Pack files as a container shall find them in one of its folders."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for name, content in files.items():
            data = content.encode(errors="replace")
            entry = tarfile.TarInfo(str(PurePosixPath(folder.lstrip("/")) / relative(name)))
            entry.size, entry.mode, entry.mtime = len(data), 0o444, int(time.time())
            tar.addfile(entry, io.BytesIO(data))
    return packed.getvalue()


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
