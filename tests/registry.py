"""A registry for the tests: a real one, beside their Engine, which knows it as localhost:5000.

It lives in the Engine's namespaces: no other registry is in its way, and it ends with the Engine.
"""

from __future__ import annotations

import fcntl
import subprocess
from pathlib import Path
from typing import NamedTuple
from uuid import uuid4

import docker
import pytest

from scripts import private_engine
from scripts.packages import CACHE, as_root, unpack
from tests.waiting import until

ADDRESS = "localhost:5000"
USERNAME, PASSWORD = "jobledger", "open sesame"
HTPASSWD = f"{USERNAME}:$2b$04$abcdefghijklmnopqrstuu/LVz6MZlItEy42I2juLihZ66HnQx/cy"
"""The password, by bcrypt: the registry takes no other."""
CONFIGURATION = """
version: 0.1
log: {level: warn}
storage: {filesystem: {rootdirectory: /run/containerd/registry/data}}
http: {addr: "127.0.0.1:5000", secret: tests}
auth: {htpasswd: {realm: tests, path: /run/containerd/registry/htpasswd}}
"""
START = """
mkdir -p /run/containerd/registry && cd /run/containerd/registry || exit
echo "$2" >htpasswd; echo "$3" >config.yml
setsid "$1" serve config.yml >log 2>&1 </dev/null &
"""
LISTENING = "0100007F:1388 00000000:0000 0A"
"""How Linux shows in /proc/net/tcp that someone listens on 127.0.0.1:5000."""


class Registry(NamedTuple):
    """Where images can be pushed to and pulled from, by those who know the password."""

    client: docker.DockerClient
    address: str
    credentials: dict[str, str]

    def offer(self, image: str = "busybox:stable") -> str:
        """Push an image under a name of its own; return that, under which the Engine does not have it any more."""
        reference = f"{self.address}/{uuid4().hex}:1"
        self.client.images.get(image).tag(reference)
        for words in self.client.api.push(reference, auth_config=self.credentials, stream=True, decode=True):
            assert "error" not in words, words
        self.client.api.remove_image(reference)
        return reference

    def has(self, reference: str) -> bool:
        """Tell whether the Engine has an image."""
        return bool(self.client.api.images(name=reference))


@pytest.fixture
def registry(engine: Path, docker_client: docker.DockerClient) -> Registry:
    """Give a registry which asks for a name and a password."""
    with (engine.parent / "registry.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        first = private_engine.first_process(engine.parent)
        if not _listens(first):
            _start(first)
    credentials = {"username": USERNAME, "password": PASSWORD, "serveraddress": ADDRESS}
    return Registry(docker_client, ADDRESS, credentials)


def _start(first: str) -> None:
    program = unpack("docker-registry", into=CACHE / "docker-registry") / "usr/bin/docker-registry"
    inside = as_root("nsenter", "--target", first, "--net", "--mount", "--pid", "sh", "-c", START, "sh")
    subprocess.run([*inside, str(program), HTPASSWD, CONFIGURATION], check=True, timeout=60)
    until(lambda: _listens(first))


def _listens(first: str) -> bool:
    return LISTENING in Path(f"/proc/{first}/net/tcp").read_text()
