"""The one image that the demo and the tests use, also where no registry can be reached."""

from __future__ import annotations

import io
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path

import docker
from docker.errors import APIError, DockerException, ImageNotFound
from requests.exceptions import RequestException

from scripts.packages import CACHE, run, say, unpack

NAME = "busybox"
TAG = "stable"
IMAGE = f"{NAME}:{TAG}"
LONGEST_PULL = 30
"""Seconds; where a registry is reachable, these two megabytes take less."""


def provide(client: docker.DockerClient, *, pull: bool = True) -> None:
    """Make sure that the Engine has the image: pull it, or build it from Debian's busybox-static."""
    try:
        client.images.get(IMAGE)
    except ImageNotFound:
        if not (pull and _pulled(client)):
            _build(client)


def _pulled(client: docker.DockerClient) -> bool:
    say(f"Pulling {IMAGE} ...")
    deadline = time.monotonic() + LONGEST_PULL
    try:
        for progress in client.api.pull(NAME, TAG, stream=True, decode=True):
            if "error" in progress or time.monotonic() > deadline:
                return False
    except (APIError, DockerException, RequestException):
        return False
    return True


def _build(client: docker.DockerClient) -> None:
    say(f"Building {IMAGE} from Debian's busybox-static ...")
    folder = unpack("busybox-static", into=CACHE / "busybox-static")
    binary = next(path for path in folder.rglob("busybox") if path.is_file() and path.parent.name == "bin")
    changes = ['CMD ["sh"]']
    client.api.import_image_from_data(_files(binary), repository=NAME, tag=TAG, changes=changes)


def _files(binary: Path) -> bytes:
    """Pack what the image holds; without times, so that it is the same image each time."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for member, content in _members(binary):
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return packed.getvalue()


def _members(binary: Path) -> Iterator[tuple[tarfile.TarInfo, bytes]]:
    for folder, mode in (("bin", 0o755), ("etc", 0o755), ("root", 0o700), ("tmp", 0o1777)):
        yield _member(folder, tarfile.DIRTYPE, mode), b""
    yield _member("etc/passwd", tarfile.REGTYPE, 0o644), b"root:x:0:0:root:/root:/bin/sh\n"
    yield _member("etc/group", tarfile.REGTYPE, 0o644), b"root:x:0:\n"
    yield _member("bin/busybox", tarfile.REGTYPE, 0o755), binary.read_bytes()
    for applet in run(str(binary), "--list").split():
        if applet != "busybox":
            link = _member(f"bin/{applet}", tarfile.SYMTYPE, 0o777)
            link.linkname = "busybox"
            yield link, b""


def _member(name: str, kind: bytes, mode: int) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.mode = kind, mode
    return member
