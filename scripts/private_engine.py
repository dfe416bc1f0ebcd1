"""A Docker Engine of one's own, apart from the machine's: for tests, which may also break it.

It lives in namespaces of its own. So its bridges, addresses and firewall rules never meet those of another Engine,
it does not see the system's containerd, and the end of one process ends every process and mount of it,
also when it hangs. What it runs has no way out to a network.
"""

from __future__ import annotations

import fcntl
import grp
import json
import os
import re
import shutil
import socket
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import docker
from docker.errors import DockerException, ImageNotFound
from requests.exceptions import RequestException

from scripts import busybox
from scripts.host_engine import PATIENCE, START, search_path
from scripts.packages import CACHE, Unable, as_root, codename, install, last_lines, run, say, unpack

GOOD = 23
"""The first major version to trust with concurrent tests: 20.10 can hang for ever in its network code."""
NEWER = {"bookworm": "trixie"}
"""Debian releases whose Engine is older than that, and the release whose Engine runs there too."""
HANGS = 60
"""Seconds without an answer after which an Engine is taken for hung: to end a busy one would harm who uses it."""

OUTSIDE = """
umask 022; exec >"$1/log" 2>&1 </dev/null; echo $$ >"$1/pid"
exec unshare --net --mount --pid --fork --kill-child --mount-proc --propagation slave env PATH="$3" sh -c "$2" sh "$1"
"""
INSIDE = """
mkdir -p /run/containerd && mount -t tmpfs tmpfs /run/containerd && ip link set lo up || exit
dockerd --config-file "$1/daemon.json" &
wait $!
"""
VOLATILE = "/run/containerd/private"
"""Where the Engine keeps what must not outlive it; it alone sees this folder."""
MARK = "daemon.json"
"""The file by which a folder is known to be an Engine's."""
LOCK = "lock"
LEFT = ("data", "docker.sock", "log", "pid")
"""What else an Engine leaves in its folder."""


def prepare() -> str:
    """Have the programs that a private Engine needs, and give the PATH on which they are found."""
    path = search_path()
    wanted = {"dockerd": "docker.io", "iptables": "iptables", "ip": "iproute2"}
    if missing := [package for program, package in wanted.items() if not shutil.which(program, path=path)]:
        install(*missing)
    if _major(path) >= GOOD:
        return path
    try:
        newer = unpack("docker.io", "containerd", into=CACHE / "engine", release=NEWER[codename()])
    except (KeyError, Unable) as error:
        say(f"No newer Docker Engine can be had ({error}): using the system's, which is known to hang at times.")
        return path
    return f"{newer}/usr/sbin:{newer}/usr/bin:{path}"


def _major(path: str) -> int:
    found = re.search(r"version (\d+)", run(shutil.which("dockerd", path=path) or "dockerd", "--version"))
    return int(found[1]) if found else 0


def address(folder: Path) -> str:
    """Give the address of the Engine of a folder, as DOCKER_HOST takes it."""
    return f"unix://{folder.resolve()}/docker.sock"


def own(folder: Path) -> str:
    """Make sure that an Engine with a busybox image answers in this folder, and give its address.

    One that died is started again with what it holds; one that hangs is ended first.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if not _is_ours(folder) and any((folder / name).exists() for name in LEFT):
        msg = f"{folder} holds something else: name an empty folder"
        raise Unable(msg)
    with _alone(folder):
        if not answers(folder):
            _end(folder)
            _launch(folder)
        with closing(_connect(folder)) as client:
            busybox.provide(client, pull=False)
    return address(folder)


def stop(folder: Path) -> None:
    """End the Engine of a folder, with its containers, and remove all that it left."""
    if _is_ours(folder):
        with _alone(folder):
            _end(folder)
            run(*as_root("rm", "-rf", *(str(folder / name) for name in (*LEFT, MARK, LOCK))))
        with suppress(OSError):  # the caller keeps other things there
            folder.rmdir()


def first_process(folder: Path) -> str:
    """Give the number of the first process of an Engine's namespaces: what joins them ends with it."""
    process = _process(folder)
    if process is None or not _is_of(process, folder):
        msg = f"no Docker Engine runs in {folder}"
        raise Unable(msg)
    return next(_children(process))


def _is_ours(folder: Path) -> bool:
    return (folder / MARK).exists()


def answers(folder: Path) -> bool:
    """Ask the Engine to create a container: one that hangs may still answer simpler questions."""
    if not _listens(folder):
        return False
    try:
        with closing(_connect(folder, HANGS)) as client:
            client.containers.create(busybox.IMAGE, "true").remove()
    except ImageNotFound:
        return True
    except (DockerException, RequestException):
        return False
    return True


def _listens(folder: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as connection:
        return connection.connect_ex(str(folder.resolve() / "docker.sock")) == 0


def _connect(folder: Path, patience: int = PATIENCE) -> docker.DockerClient:
    return docker.DockerClient(base_url=address(folder), version="auto", timeout=patience)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Keep other processes from starting or ending this Engine meanwhile."""
    with (folder / LOCK).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _launch(folder: Path) -> None:
    path = prepare()
    say(f"Starting a Docker Engine in {folder} ...")
    (folder / "pid").unlink(missing_ok=True)
    (folder / MARK).write_text(json.dumps(_configuration(folder), indent=2))
    run(*as_root("setsid", "--fork", "sh", "-c", OUTSIDE, "sh", str(folder.resolve()), INSIDE, path))
    deadline = time.monotonic() + START
    while not answers(folder):
        if time.monotonic() > deadline or _ended(folder):
            msg = f"No Docker Engine can be started in {folder}:\n{last_lines((folder / 'log').read_text())}"
            raise Unable(msg)
        time.sleep(0.1)


def _configuration(folder: Path) -> dict[str, object]:
    return {
        "hosts": [address(folder)],
        "data-root": str(folder.resolve() / "data"),
        "exec-root": VOLATILE,
        "pidfile": f"{VOLATILE}.pid",
        "group": grp.getgrgid(os.getgid()).gr_name,
        "exec-opts": ["native.cgroupdriver=cgroupfs"],  # systemd would take process numbers for the machine's own
        "cgroup-parent": f"/{_cgroup(folder)}",
    }


def _cgroup(folder: Path) -> str:
    return f"jobledger{str(folder.resolve()).replace('/', '-')}"


def _ended(folder: Path) -> bool:
    process = _process(folder)
    return process is not None and not _lives(process)


def _process(folder: Path) -> Path | None:
    """Find the process that holds the namespaces, by the number that it left."""
    with suppress(OSError, ValueError):
        return Path("/proc", str(int((folder / "pid").read_text())))
    return None


def _end(folder: Path) -> None:
    """Kill the first process of the namespaces: the kernel ends all others before the one that waits for it goes."""
    process = _process(folder)
    if process is None or not _is_of(process, folder):
        return
    run(*as_root("sh", "-c", 'kill -KILL "$@"', "sh", *_children(process)))  # small systems have only the shell's kill
    deadline = time.monotonic() + START
    while _lives(process) and time.monotonic() < deadline:
        time.sleep(0.02)
    for group in {*Path("/sys/fs/cgroup").glob(_cgroup(folder)), *Path("/sys/fs/cgroup").glob(f"*/{_cgroup(folder)}")}:
        run(*as_root("find", str(group), "-depth", "-type", "d", "-delete"))


def _lives(process: Path) -> bool:
    with suppress(OSError):
        return "\nState:\tZ" not in (process / "status").read_text()  # where nobody asks how it ended, a zombie stays
    return False


def _is_of(process: Path, folder: Path) -> bool:
    """Tell whether the number has not passed on to another process."""
    with suppress(OSError):
        return str(folder.resolve()).encode() in (process / "cmdline").read_bytes().split(b"\0")
    return False


def _children(process: Path) -> Iterator[str]:
    for status in Path("/proc").glob("[0-9]*/status"):
        with suppress(OSError):  # it ended while we looked
            if f"\nPPid:\t{process.name}\n" in status.read_text():
                yield status.parent.name
