"""With which name and password an image is fetched: the task's own, or those of the account that the runner runs as."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from queue import Empty, SimpleQueue
from threading import Thread

from docker.auth import INDEX_NAME, INDEX_URL, load_config, resolve_repository_name
from docker.errors import DockerException

from domain.definition import Registry

logger = logging.getLogger("jobledger.runner")

PATIENCE = 30.0
"""Seconds that a helper program of the Docker client has."""

Credentials = Mapping[str, str]
"""What the Engine is sent: `username`, `password` and `serveraddress`, or a token in their place."""


def credentials(image: str, registry: Registry | None) -> Credentials:
    """Return what an image's registry shall be told; nothing where nothing is known of it.

    What a task says goes to no other registry than its image's, and neither does what the account knows.
    """
    try:
        host, _ = resolve_repository_name(image)
    except DockerException:
        return {}  # the Engine will say what is wrong with the name
    if registry is not None and (registry.username or registry.password):
        address = INDEX_URL if host == INDEX_NAME else host
        return {"username": registry.username, "password": registry.password, "serveraddress": address}
    return _of_the_account(host)


def _of_the_account(host: str) -> Credentials:
    """Ask for what the account knows, but not for ever: a helper program may wait for someone to unlock something."""
    answer: SimpleQueue[Credentials] = SimpleQueue()
    Thread(target=lambda: answer.put(_configured(host)), name="credentials", daemon=True).start()
    try:
        return answer.get(timeout=PATIENCE)
    except Empty:
        logger.warning("the Docker client's configuration told no password for %s in %g s", host, PATIENCE)
        return {}


def _configured(host: str) -> Credentials:
    """Look into the configuration of the Docker client, which is read anew each time: someone may just have logged in.

    Where it is broken, images that need no password can be had all the same.
    """
    try:
        found = load_config().resolve_authconfig(host)
    except (DockerException, ValueError, LookupError, TypeError, AttributeError) as error:  # it trusts what it reads
        logger.warning("the Docker client's configuration tells no password for %s: %s", host, error)
        return {}
    return {name: value for name, value in (found or {}).items() if value}
