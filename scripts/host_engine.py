"""The machine's Docker Engine: found, or installed and started."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import docker
from docker.errors import DockerException
from requests.exceptions import RequestException

from scripts.packages import Unable, as_root, install, last_lines, run, say

USUAL = "unix:///var/run/docker.sock"
SOCKET = Path("/var/run/docker.sock")
LOG = Path("/var/log/jobledger-dockerd.log")
PATIENCE = 10
"""Seconds for one answer: an Engine that is slower hangs."""
START = 30
"""Seconds for an Engine to come up."""


def provide() -> docker.DockerClient:
    """Give a client of the Engine that Docker's own tools would use; install and start one if there is none."""
    try:
        return connect()
    except DockerException as error:
        _explain(error)
    if shutil.which("dockerd", path=search_path()) is None:
        install("docker.io", "iptables")
    return _start()


def connect() -> docker.DockerClient:
    """Open a client of the Engine that DOCKER_HOST names, or of the usual one; it answers, or this fails."""
    return docker.from_env(version="auto", timeout=PATIENCE)


def search_path() -> str:
    """Give the PATH on which root finds programs: a plain user's often lacks the sbin folders."""
    return f"{os.environ.get('PATH', os.defpath)}:/usr/local/sbin:/usr/sbin:/sbin"


def _explain(error: DockerException) -> None:
    """Give up where starting an Engine would not help: it is another's, or it is there and denied, or it hangs."""
    where = os.environ.get("DOCKER_HOST", USUAL)
    if "Permission denied" in str(error):
        msg = (
            f"You may not use the Docker Engine at {where}. Run this with sudo, or join its group:"
            " `sudo usermod -aG docker $USER`, and log in again."
        )
        raise Unable(msg) from error
    if "timed out" in str(error):
        msg = f"The Docker Engine at {where} takes connections and gives no answer in {PATIENCE} s: restart it."
        raise Unable(msg) from error
    if where != USUAL:
        msg = f"No Docker Engine answers at {where}, which DOCKER_HOST names: start it, or unset DOCKER_HOST.\n{error}"
        raise Unable(msg) from error


def _start() -> docker.DockerClient:
    """Start the Engine as this machine starts its services; where it has none that work, start it directly."""
    for command in _ways():
        say(f"Starting the Docker Engine: {' '.join(command)}")
        try:
            run(*as_root(*command))
        except Unable as error:
            say(str(error))
        else:
            if client := _answers_soon():
                return client
    raise Unable(_failure())


def _ways() -> Iterator[tuple[str, ...]]:
    if Path("/run/systemd/system").is_dir():
        yield "systemctl", "start", "docker"
    elif Path("/etc/init.d/docker").exists():
        yield "service", "docker", "start"
    program = shutil.which("dockerd", path=search_path()) or "dockerd"
    yield "setsid", "--fork", "sh", "-c", f"exec {program} --host {USUAL} >{LOG} 2>&1 </dev/null"


def _answers_soon() -> docker.DockerClient | None:
    """Wait for the Engine that was started; let who started it use it, where only root and a group may."""
    deadline = time.monotonic() + START
    while time.monotonic() < deadline:
        if SOCKET.exists() and not os.access(SOCKET, os.W_OK):
            say(f"Letting you use {SOCKET} until the Engine restarts; for good: sudo usermod -aG docker $USER")
            run(*as_root("chown", str(os.getuid()), str(SOCKET)))
        try:
            return connect()
        except (DockerException, RequestException):
            time.sleep(0.2)
    return None


def _failure() -> str:
    reason = last_lines(LOG.read_text(errors="replace")) if LOG.exists() else "it left no log"
    return f"The Docker Engine could not be started here. A container needs extra rights to run one.\n{LOG}: {reason}"
