"""Debian's packages: installed as root, or unpacked in a folder of our own where the system must stay as it is."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "jobledger"
APT_GET = ("env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-q", "-o", "DPkg::Lock::Timeout=120")
DEBIAN_KEYS = "/usr/share/keyrings/debian-archive-keyring.gpg"
SLOWEST = 600
"""Seconds that a command may take; fetching packages is the slowest."""


class Unable(Exception):
    """What stands in the way, and what would help."""


def say(text: str) -> None:
    """Tell the user; standard output is left to the answer that another script reads."""
    print(text, file=sys.stderr, flush=True)


def as_root(*command: str) -> list[str]:
    """Give the command as root runs it, or as someone does who may use sudo."""
    if os.geteuid() == 0:
        return [*command]
    if shutil.which("sudo") is None:
        msg = f"this needs root, or sudo: {' '.join(command)}"
        raise Unable(msg)
    return ["sudo", *command]


def run(*command: str, folder: Path | None = None) -> str:
    """Run a command quietly and give its output; what it said is shown when it fails."""
    try:
        done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=SLOWEST, cwd=folder)
    except subprocess.CalledProcessError as error:
        msg = f"{' '.join(command)} failed:\n{last_lines(error.stdout + error.stderr)}"
        raise Unable(msg) from error
    except (OSError, subprocess.TimeoutExpired) as error:
        msg = f"{' '.join(command)} failed: {error}"
        raise Unable(msg) from error
    return done.stdout


def last_lines(text: str, count: int = 15) -> str:
    """Give the end of a long output, where the reason stands."""
    return "\n".join(text.strip().splitlines()[-count:])


def install(*names: str) -> None:
    """Install packages in the system."""
    if shutil.which("apt-get") is None:
        msg = f"no apt-get here to install {', '.join(names)}: install them by hand, then run this again"
        raise Unable(msg)
    say(f"Installing {' '.join(names)} with apt-get ...")
    _update()
    run(*as_root(*APT_GET, "install", "-y", "--no-install-recommends", *names))


def _update() -> None:
    """Fetch the package lists; where a source fails, the others may have what is needed."""
    try:
        run(*as_root(*APT_GET, "update"))
    except Unable as error:
        say(str(error))


def unpack(*names: str, into: Path, release: str = "") -> Path:
    """Unpack packages in a folder, once; of another Debian release when one is named."""
    if not into.is_dir():
        into.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=into.parent) as temporary:
            unpacked = Path(temporary, "unpacked")
            for package in _download(names, Path(temporary), release):
                run("dpkg", "-x", str(package), str(unpacked))
            _settle(unpacked, into)
    return into


def _settle(unpacked: Path, into: Path) -> None:
    """Move a folder to its place, unless another run was quicker."""
    try:
        unpacked.rename(into)
    except OSError:
        if not into.is_dir():
            raise


def _download(names: tuple[str, ...], folder: Path, release: str) -> list[Path]:
    say(f"Fetching {' '.join(names)}{f' of Debian {release}' if release else ''} ...")
    command = ("apt-get", "-q", *(_lists_of(release, folder) if release else ()), "download", *names)
    try:
        run(*command, folder=folder)
    except Unable:
        if release:
            raise
        _update()  # a fresh machine has no package lists yet
        run(*command, folder=folder)
    return sorted(folder.glob("*.deb"))


def _lists_of(release: str, folder: Path) -> tuple[str, ...]:
    """Fetch another release's package lists into a folder, and give the options that make apt-get use them."""
    for name in ("parts", "lists/partial", "cache/archives/partial"):
        (folder / name).mkdir(parents=True)
    sources = folder / "sources.list"
    sources.write_text("".join(f"{line}\n" for line in _sources_for(release)))
    places = {
        "Dir::Etc::SourceList": sources,
        "Dir::Etc::SourceParts": folder / "parts",
        "Dir::State::Lists": folder / "lists",
        "Dir::Cache": folder / "cache",
        "Acquire::Languages": "none",
    }
    options = tuple(word for name, value in places.items() for word in ("-o", f"{name}={value}"))
    run("apt-get", "-q", *options, "update")
    return options


def _sources_for(release: str) -> Iterator[str]:
    """Derive the other release's sources from the machine's own: the same mirror, Debian's keys."""
    wanted = f"Packages {codename()} main "
    listed = run("apt-get", "indextargets", "--format", "$(CREATED_BY) $(RELEASE) $(COMPONENT) $(SITE)")
    for target in listed.splitlines():
        if target.startswith(wanted):
            yield f"deb [signed-by={DEBIAN_KEYS}] {target.removeprefix(wanted)} {release} main"


def codename() -> str:
    """Give the short name of this machine's release, as `bookworm`."""
    for line in Path("/etc/os-release").read_text().splitlines():
        if line.startswith("VERSION_CODENAME="):
            return line.partition("=")[2].strip('"')
    return ""
