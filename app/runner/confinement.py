"""What a container may do: no more than an ordinary program needs, whatever its job asks for.

Nothing in a job can widen this. What is left to the Engine is what its owner set there: the profiles of seccomp and
AppArmor, user namespaces, and whether a small init process comes first (some images have their own, which insists on
being the first).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from resource import RLIMIT_NOFILE, getrlimit
from typing import Any

from app.runner.verdict import Failure
from domain.amounts import LEAST_MEMORY, parse_cpus, parse_memory
from domain.definition import Limits

CAPABILITIES = (
    *("CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID"),  # package managers, and entrypoints that prepare a data folder
    *("SETUID", "SETGID", "SETPCAP"),  # servers that begin as root and go on as someone else: postgres, nginx, apt
    "KILL",  # and that end their workers
    *("NET_BIND_SERVICE", "SYS_CHROOT"),  # web servers, mail servers, sshd
    "SETFCAP",  # packages whose files have capabilities can not be unpacked without
)
"""Docker's own, without three: MKNOD makes devices, NET_RAW speaks in the name of neighbours in the network, and
AUDIT_WRITE writes to the audit log of the host. Podman gives the same ones."""
MOST_PROCESSES = 4096
"""Processes and threads: more than large builds have, and few enough for the host to survive a fork bomb."""
MOST_FILES = 65536
"""Open files: enough for databases; without a bound, old programs take minutes to close all that might be open."""

NOT_FOR_TASKS = frozenset({"host", "none", "default"})
"""Networks that are not networks: the host's own, none at all, and the word for none in particular."""
NETWORK = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
OF_AN_ATTEMPT = re.compile(r"jobledger-[0-9a-f]{32}.*")
"""The networks by which attempts reach their sidecars."""


def host_config(limits: Limits | None = None) -> dict[str, Any]:
    """Return the part of `HostConfig` that confines a container, with the limits of its task."""
    files = min(MOST_FILES, getrlimit(RLIMIT_NOFILE)[1])  # an Engine that may raise no limits starts nothing with more
    return {
        "Privileged": False,
        "CapDrop": ["ALL"],
        "CapAdd": list(CAPABILITIES),
        "SecurityOpt": ["no-new-privileges"],
        "IpcMode": "private",
        "CgroupnsMode": "private",
        "PidsLimit": MOST_PROCESSES,
        "Ulimits": [
            {"Name": "nofile", "Soft": files, "Hard": files},
            {"Name": "core", "Soft": 0, "Hard": 0},
        ],
        "AutoRemove": False,
    } | _limited(limits or Limits())


def networks(names: Iterable[str]) -> tuple[str, ...]:
    """Return the names of networks, unless a task can not have one of them.

    The Engine takes the beginning of an id for a name, too: only what it shows under this very name is meant.
    """
    wanted = tuple(dict.fromkeys(names))
    for name in wanted:
        if not NETWORK.fullmatch(name) or name.lower() in NOT_FOR_TASKS or OF_AN_ATTEMPT.fullmatch(name):
            raise Failure(f"a task can not have the network {name}", "container")
    return wanted


def _limited(limits: Limits) -> dict[str, int]:
    """Read the limits; memory that is used up is not made up for by swapping, which would slow down all others."""
    try:
        made = {}
        if limits.cpus:
            made["NanoCpus"] = round(parse_cpus(limits.cpus) * 1_000_000_000)
        if limits.memory:
            made["Memory"] = made["MemorySwap"] = parse_memory(limits.memory, LEAST_MEMORY)
    except ValueError as error:
        raise Failure(f"the limits of the task can not be kept: {error}", "container") from None
    return made
