"""What the fields of one part of a task must be like together: of its mounts, its files, its retries."""

from __future__ import annotations

import re
from collections.abc import Callable

from domain.amounts import parse_duration, parse_memory
from domain.checks.found import Found, Place
from domain.definition import Mount, Retry
from domain.errors import Problem

LARGEST_FILES = 1024 * 1024
"""Bytes of all files of a task."""
KEPT_TARGETS = ("proc", "sys", "tork")
"""Folders of a container in which nothing can be mounted."""
VOLUME_TYPES = frozenset({"tmpfs", "nfs", "nfs4", "cifs"})
"""File systems of volumes that can not reach the host's own."""
SHARE = "//"
"""How the device of a share of cifs begins, which is on another host."""
PROPAGATIONS = frozenset({"rprivate", "rslave"})
"""Never may what a container mounts be seen by the host."""
TRUTHS = frozenset({"true", "false", "1", "0", ""})
MODE = re.compile(r"[0-7]{1,4}")


def of_retry(retry: Retry, place: Place) -> Found:
    """See that the waits between tries agree."""
    if not retry.delay and (retry.backoff != 1 or retry.max_delay):
        problem = Problem("there is no wait that could grow", "required", hint="add a delay, as 10s")
        yield (*place, "delay"), problem
    elif retry.max_delay and _seconds(retry.max_delay) < _seconds(retry.delay):
        problem = Problem("shorter than the first wait", "range", hint="write at least what delay says")
        yield (*place, "maxDelay"), problem


def _seconds(text: str) -> float:
    try:
        return parse_duration(text)
    except ValueError:
        return 0.0  # what is no duration is told where it stands


def of_files(files: dict[str, str], place: Place) -> Found:
    """See that all files can be written, and are not too much."""
    size = sum(len(content.encode(errors="replace")) for content in files.values())
    if size > LARGEST_FILES:
        problem = Problem(f"{size:,} bytes are too many", "too_long", hint="put them into an image, or fetch them")
        yield place, problem
    for name in files:
        folder = name
        while folder := folder.rpartition("/")[0]:
            if folder in files:
                problem = Problem("a folder of this file is a file too", "file_name", hint="rename one of the two")
                yield (*place, name), problem
                break


def of_mounts(mounts: tuple[Mount, ...], place: Place) -> Found:
    """See that each mount has what its type needs, and a target of its own."""
    targets: set[tuple[str, ...]] = set()
    for index, mount in enumerate(mounts):
        here = (*place, index)
        yield from _source(mount, here)
        target = tuple(part for part in mount.target.split("/") if part not in {"", "."})
        yield from _target(mount, target, targets, (*here, "target"))
        targets.add(target)
        if mount.opts and mount.type in OPTIONS:
            yield from OPTIONS[mount.type](mount.opts, (*here, "opts"))


def _source(mount: Mount, place: Place) -> Found:
    if mount.type == "bind" and not mount.source:
        hint = "add source: the folder of the host, as an absolute path"
        yield (*place, "source"), Problem("a bind mount needs a source", "mount", hint=hint)
    if mount.type in {"volume", "tmpfs"} and mount.source:
        hint = "remove source: what is mounted is new and empty"
        yield (*place, "source"), Problem(f"a {mount.type} mount has no source", "mount", hint=hint)


def _target(mount: Mount, target: tuple[str, ...], others: set[tuple[str, ...]], place: Place) -> Found:
    if not mount.target:
        yield place, Problem("a mount needs a target", "mount", hint="add target: where it appears in the container")
    elif target in {(), ("dev",)} or target[0] in KEPT_TARGETS:
        yield place, Problem("nothing can be mounted here", "mount", hint="choose another folder, as /data")
    elif target in others:
        yield place, Problem("something else is mounted here already", "mount", hint="choose another folder")


def _volume_options(opts: dict[str, str], place: Place) -> Found:
    yield from _known(opts, ("type", "o", "device", "size"), place)
    kind, device = opts.get("type", ""), opts.get("device", "")
    if opts.keys() & {"type", "o", "device"} and kind not in VOLUME_TYPES:
        hint = f"only {', '.join(sorted(VOLUME_TYPES))} can not reach the files of the host"
        yield (*place, "type"), Problem("not a file system for a volume", "mount", hint=hint)
    if device.startswith("/") and not (kind == "cifs" and device.startswith(SHARE)):
        hint = "for a folder of the host write a mount of the type bind"
        yield (*place, "device"), Problem("a device or folder of the host", "mount", hint=hint)
    if any("bind" in word or "move" in word for word in opts.get("o", "").lower().split(",")):
        hint = "for a folder of the host write a mount of the type bind"
        yield (*place, "o"), Problem("an option that mounts a part of the host", "mount", hint=hint)


def _tmpfs_options(opts: dict[str, str], place: Place) -> Found:
    yield from _known(opts, ("size", "mode", "readonly", "ro"), place)
    yield from _read_only(opts, place)
    if not _is_memory(opts.get("size", "1m")):
        yield (*place, "size"), Problem("not an amount of memory", "mount", hint="write it like 64m")
    if not MODE.fullmatch(opts.get("mode", "1777")):
        yield (*place, "mode"), Problem("not a mode of a folder", "mount", hint="write it like 1777")


def _bind_options(opts: dict[str, str], place: Place) -> Found:
    yield from _known(opts, ("readonly", "ro", "propagation"), place)
    yield from _read_only(opts, place)
    if opts.get("propagation", "rprivate") not in PROPAGATIONS:
        hint = f"known are {', '.join(sorted(PROPAGATIONS))}"
        yield (*place, "propagation"), Problem("not a propagation of mounts", "mount", hint=hint)


def _read_only(opts: dict[str, str], place: Place) -> Found:
    for name in ("readonly", "ro"):
        if opts.get(name, "true").lower() not in TRUTHS:
            yield (*place, name), Problem("neither true nor false", "mount", hint="write true or false")


def _known(opts: dict[str, str], names: tuple[str, ...], place: Place) -> Found:
    for name in opts:
        if name not in names:
            hint = f"known are {', '.join(names)}"
            yield (*place, name), Problem("not an option of this type of mount", "mount", hint=hint)


def _is_memory(text: str) -> bool:
    try:
        return parse_memory(text) > 0
    except ValueError:
        return False


OPTIONS: dict[str, Callable[[dict[str, str], Place], Found]] = {
    "volume": _volume_options,
    "tmpfs": _tmpfs_options,
    "bind": _bind_options,
}
