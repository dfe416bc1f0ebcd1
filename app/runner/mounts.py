"""What a task mounts: volumes of its own, file systems in memory, and folders of the host where these are allowed.

Nothing of the host is mounted unless the runner's owner named a folder in which it lies; what belongs to the host
itself, to Docker or to Jobledger is never mounted, by whatever name. So a path is judged by where the kernel ends up
with it and by what is found there, and the Engine is told the resolved path and not the one that was written.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID

from app.runner.exchange import INSIDE
from app.runner.verdict import Failure
from domain.amounts import parse_memory
from domain.definition import Mount

KEPT = ("/proc", "/sys", "/dev", "/etc", "/run", "/var/run", "/boot", "/var/lib/docker", "/var/lib/containerd")
"""What is never mounted, nor what lies in it, nor what holds it: that leaves out the root of the file system, too."""
OF_THE_KERNEL = frozenset(
    {"proc", "sysfs", "devtmpfs", "devpts", "securityfs", "debugfs", "tracefs", "configfs", "cgroup", "cgroup2"}
    | {"bpf", "efivarfs", "pstore", "binfmt_misc", "selinuxfs", "mqueue", "nsfs"}
)
"""File systems that steer the host: they can be mounted anywhere, as in a chroot."""
NEVER = "the host's {} is, holds or lies in a folder that is never mounted"
NOT_OVER = frozenset({"/", "/proc", "/sys", "/dev", INSIDE})
"""Where a container has something already that it can not do without."""
MOUNTINFO = Path("/proc/self/mountinfo")
WALK = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC

PROPAGATION = frozenset({"rprivate", "rslave"})
"""Whether later mounts of the host are seen; never may a container's own be seen by the host."""
VOLUME_OPTIONS = frozenset({"type", "device", "o", "size"})
VOLUME_TYPES = frozenset({"tmpfs", "nfs", "nfs4", "cifs"})
"""Others show the host's own disks (ext4), folders (overlay) or workings (proc)."""
BIND = frozenset({"bind", "rbind"})
NOT_FOR_VOLUMES = frozenset({"remount", "move", "shared", "rshared"})
TRUE, FALSE = frozenset({"true", "1", ""}), frozenset({"false", "0"})

Identity = tuple[int, int]
"""A device, and a number on it: the same file has the same, whatever its name."""


class Refusal(Exception):
    """It can not be mounted."""


class Source(NamedTuple):
    """A file or folder of the host that may be mounted."""

    path: str
    """Its resolved path."""
    identity: Identity


class Plan(NamedTuple):
    """What the containers of an attempt mount; the same each time as long as the host is the same."""

    entries: tuple[dict[str, Any], ...] = ()
    """For `Mounts` in the body of `create`, by which the Engine creates the volumes as well."""
    volumes: tuple[str, ...] = ()
    """The names of the volumes, which the Engine does not remove with the containers."""
    sources: tuple[Source, ...] = ()

    def check(self) -> None:
        """See that the folders of the host are what they were: another task may have put a link in their place.

        To be asked right before the Engine is asked to create a container and to start it, for it follows links.
        """
        for path, identity in self.sources:
            try:
                now = _identity(_walk(path)[-1])
            except OSError as error:
                raise Failure(f"the host's {path} can not be mounted any more: {error.strerror}", "container") from None
            if now != identity:
                raise Failure(f"the host's {path} is not any more what it was when it was checked", "container")


class Folders:
    """The folders of the host that tasks may mount."""

    def __init__(self, roots: Iterable[Path], kept: Iterable[Path]) -> None:
        """Allow what lies in the roots; never what is kept, in addition to what no host gives away."""
        self._roots = tuple(roots)
        self._kept = (*map(Path, KEPT), *(path.absolute() for path in kept))

    def keep(self, *paths: Path) -> None:
        """Keep more: where an Engine has its files and its socket is known only when it answers."""
        self._kept = tuple(dict.fromkeys((*self._kept, *(path.absolute() for path in paths))))

    def admit(self, given: str) -> Source:
        """Find what a path leads to, if tasks may have it."""
        path = self._resolved(given)
        kept = {*self._kept, *(Path(os.path.realpath(each)) for each in self._kept)}
        if any(path.is_relative_to(each) for each in kept):
            raise Refusal(NEVER.format(given))
        try:
            parts = _walk(str(path))
        except OSError as error:
            raise Refusal(f"the host's {given} can not be mounted: {error.strerror}") from None
        if _leads_to(path, [_identity(part) for part in parts], kept):
            raise Refusal(NEVER.format(given))
        if stat.S_ISBLK(parts[-1].st_mode) or stat.S_ISCHR(parts[-1].st_mode):
            raise Refusal(f"the host's {given} is a device")
        return Source(str(path), _identity(parts[-1]))

    def _resolved(self, given: str) -> Path:
        """Follow all links; what lies outside of the roots is refused whether it is there or not."""
        if not given.startswith("/"):
            raise Refusal("its source must be an absolute path of the host")
        if not self._roots:
            raise Refusal("this runner allows no folder of its host to be mounted: its option --bind-root DIR would")
        try:
            path = Path(os.path.realpath(given))
            roots = [os.path.realpath(root) for root in self._roots]
        except (OSError, ValueError):
            raise Refusal("its source leads nowhere") from None
        if not any(path.is_relative_to(root) for root in roots):
            allowed = ", ".join(map(str, self._roots))
            raise Refusal(
                f"the host's {given} lies in no folder that this runner's option --bind-root names: {allowed}"
            )
        return path


def plan(mounts: Sequence[Mount], attempt: UUID, labels: Mapping[str, str], folders: Folders) -> Plan:
    """Plan what an attempt mounts, or fail with the reasons; its volumes bear the labels."""
    made: list[tuple[dict[str, Any], Source | None]] = []
    problems = []
    for number, mount in enumerate(mounts, 1):
        try:
            entry, source = _planned(mount, folders)
            target = _target(mount.target, [each["Target"] for each, _ in made])
        except (Refusal, ValueError) as reason:
            problems.append(f"the mount at {mount.target or 'no path'} is refused: {reason}")
            continue
        if entry["Type"] == "volume":
            entry["Source"] = f"jobledger-{attempt.hex}-{number}"
            entry["VolumeOptions"]["Labels"] = dict(labels)
        made.append((entry | {"Target": target}, source))
    if problems:
        raise Failure("; ".join(problems), "container")
    return Plan(
        tuple(entry for entry, _ in made),
        tuple(entry["Source"] for entry, _ in made if entry["Type"] == "volume"),
        tuple(source for _, source in made if source),
    )


def _target(target: str, taken: Sequence[str]) -> str:
    """Return the place in the container, which must be free."""
    if not target.startswith("/") or "\0" in target or ".." in target.split("/"):
        raise Refusal("its target must be an absolute path in the container")
    normal = os.path.normpath(f"/{target.lstrip('/')}")
    if normal in NOT_OVER or normal.startswith(("/proc/", "/sys/")):
        raise Refusal("nothing can be mounted there")
    if normal in taken:
        raise Refusal("something else is mounted there")
    return normal


def _planned(mount: Mount, folders: Folders) -> tuple[dict[str, Any], Source | None]:
    match mount.type:
        case "bind":
            return _bind(mount.source, mount.opts, folders)
        case "tmpfs" if not mount.source:
            return _tmpfs(mount.opts), None
        case "volume" if not mount.source:
            return _volume(mount.opts, folders)
        case "tmpfs" | "volume":
            raise Refusal(f"a {mount.type} has no source")
    raise Refusal("its type must be volume, bind or tmpfs")


def _bind(source: str, options: Mapping[str, str], folders: Folders) -> tuple[dict[str, Any], Source]:
    _known(options, {"readonly", "ro", "propagation"})
    propagation = options.get("propagation", "rprivate")
    if propagation not in PROPAGATION:
        raise Refusal("its propagation must be rprivate or rslave")
    found = folders.admit(source)
    return {
        "Type": "bind",
        "Source": found.path,
        "ReadOnly": _is_read_only(options),
        "BindOptions": {"Propagation": propagation},
    }, found


def _tmpfs(options: Mapping[str, str]) -> dict[str, Any]:
    """Say how large it may be and who may use it; that no program in it runs is the Engine's default."""
    _known(options, {"size", "mode", "readonly", "ro"})
    made: dict[str, Any] = {"Type": "tmpfs", "ReadOnly": _is_read_only(options), "TmpfsOptions": {}}
    if size := options.get("size"):
        made["TmpfsOptions"]["SizeBytes"] = parse_memory(size)
    if mode := options.get("mode"):
        if not re.fullmatch(r"[0-7]{1,4}", mode):
            raise Refusal("its mode must be an octal number like 1777")
        made["TmpfsOptions"]["Mode"] = int(mode, 8)
    return made


def _volume(options: Mapping[str, str], folders: Folders) -> tuple[dict[str, Any], Source | None]:
    """Create a volume; options by which it would be a folder of the host make it a bind, and it is judged as one."""
    _known(options, VOLUME_OPTIONS)
    words = {word.strip().lower() for word in options.get("o", "").split(",") if word}
    kind, device = options.get("type", ""), options.get("device", "")
    if words & BIND:
        if words - BIND - {"ro", "rw"}:
            raise Refusal("beside `bind`, its `o` may hold only `ro`")
        return _bind(device, {"readonly": str("ro" in words).lower()}, folders)
    if options.keys() & {"type", "device", "o"} and kind not in VOLUME_TYPES:
        raise Refusal(f"the type of a volume must be one of {', '.join(sorted(VOLUME_TYPES))}")
    if words & NOT_FOR_VOLUMES or (device.startswith("/") and kind != "cifs"):
        raise Refusal("a volume can not be a part of the host")
    return {"Type": "volume", "VolumeOptions": {"DriverConfig": {"Name": "local", "Options": dict(options)}}}, None


def _known(options: Mapping[str, str], known: Iterable[str]) -> None:
    if unknown := options.keys() - set(known):
        raise Refusal(f"its option {min(unknown)} is unknown; there are {', '.join(sorted(known))}")


def _is_read_only(options: Mapping[str, str]) -> bool:
    given = [options[name].lower() for name in ("readonly", "ro") if name in options]
    if not set(given) <= TRUE | FALSE:
        raise Refusal("its option readonly must be true or false")
    return any(each in TRUE for each in given)


def _walk(path: str) -> list[os.stat_result]:
    """Look at each part on the way to the end of a resolved path; a link among them was put there just now."""
    folder = os.open("/", WALK)
    try:
        found = [os.fstat(folder)]
        for part in Path(path).parts[1:]:
            parent, folder = folder, os.open(part, WALK, dir_fd=folder)
            os.close(parent)
            found.append(os.fstat(folder))
    finally:
        os.close(folder)
    if stat.S_ISLNK(found[-1].st_mode):
        raise OSError(0, "it has become a link")
    return found


def _identity(found: os.stat_result) -> Identity:
    return found.st_dev, found.st_ino


def _identities(paths: Iterable[Path]) -> set[Identity]:
    """Identify what is there, and may be looked at."""
    found = set()
    for path in set(paths):
        with suppress(OSError):
            found.add(_identity(path.stat()))
    return found


def _leads_to(path: Path, parts: Sequence[Identity], kept: Iterable[Path]) -> bool:
    """Tell whether a path holds what is kept, or is another name of it: by a hard link, or a mount at or below it."""
    itself = _identities(kept)
    above = _identities(parent for each in kept for parent in each.parents)
    mounted = tuple(_mounted())
    below = _identities(point for point, _ in mounted if path in point.parents)
    return (
        parts[-1] in above
        or not itself.isdisjoint(parts)
        or not below.isdisjoint(itself | above)
        or any(_is_of_the_kernel(path, each) for each in mounted)
    )


def _is_of_the_kernel(path: Path, mounted: tuple[Path, str]) -> bool:
    """Tell whether a path lies in, or holds, a file system that steers the host."""
    point, kind = mounted
    return kind in OF_THE_KERNEL and (path.is_relative_to(point) or point.is_relative_to(path))


def _mounted() -> Iterator[tuple[Path, str]]:
    """Yield where something is mounted on the host, and the kind of file system."""
    for line in MOUNTINFO.read_bytes().splitlines():
        before, _, after = line.partition(b" - ")
        point = re.sub(rb"\\([0-7]{3})", lambda found: bytes([int(found[1], 8)]), before.split(b" ")[4])
        yield Path(os.fsdecode(point)), os.fsdecode(after.split(b" ")[0])
