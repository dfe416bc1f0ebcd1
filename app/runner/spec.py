"""How a task becomes a container: the body of the Engine's `create`, and the labels by which it is known again."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID

import msgspec

from app.runner.exchange import ENTRYPOINT, INSIDE, PROGRESS, RESULT
from domain.definition import TaskDefinition
from projections.queue import Claim, Place

LOG, RUNNER, JOB, ATTEMPT = "jobledger.log", "jobledger.runner", "jobledger.job", "jobledger.attempt"
TASK, EPOCH, CLAIM, SPEC = "jobledger.task", "jobledger.epoch", "jobledger.claim", "jobledger.spec"

GRACE = 1
"""Seconds between SIGTERM and SIGKILL."""
LOG_DRIVER = {"Type": "json-file", "Config": {"max-size": "1000g"}}
"""The output has to stay until it is recorded: an Engine that was told to keep little would lose it."""


class Identity(NamedTuple):
    """Whose container it is."""

    log: UUID
    runner: UUID
    place: Place
    claim: Claim


def name(attempt: UUID) -> str:
    """Return the name of an attempt's container: the Engine sees to it that there is only one."""
    return f"jobledger-{attempt.hex}"


def place(labels: Mapping[str, str]) -> Place | None:
    """Return whose container it is, as far as labels tell; nothing if someone else made them."""
    try:
        return Place(position=0, attempt=UUID(labels[ATTEMPT]), job=UUID(labels[JOB]), version=0)
    except (KeyError, ValueError):
        return None


def body(task: TaskDefinition, identity: Identity, folder: Path) -> dict[str, Any]:
    """Describe the container of an attempt; the same each time, so that it can be compared."""
    made: dict[str, Any] = {
        "Image": task.image,
        "Env": [f"{key}={value}" for key, value in _environment(task, identity).items()],
        "Labels": _labels(task, identity),
        "StopSignal": "SIGTERM",
        "StopTimeout": GRACE,
        "HostConfig": {
            "Mounts": [{"Type": "bind", "Source": str(folder.absolute()), "Target": INSIDE}],
            "RestartPolicy": {"Name": "no"},
            "LogConfig": LOG_DRIVER,
        },
    } | _program(task)
    digest = hashlib.sha256(msgspec.json.encode(made, order="sorted")).hexdigest()
    return made | {"Labels": made["Labels"] | {SPEC: digest}}


def _program(task: TaskDefinition) -> dict[str, list[str]]:
    """Choose what is run; without a word of the task, it is what the image runs by itself."""
    program = {}
    if task.run:
        program = {"Entrypoint": ["sh", "-c"], "Cmd": [ENTRYPOINT]}
    if task.entrypoint:
        program["Entrypoint"] = list(task.entrypoint)
    if task.cmd:
        program["Cmd"] = list(task.cmd)
    return program


def _environment(task: TaskDefinition, identity: Identity) -> dict[str, str]:
    return task.env | {
        "TORK_OUTPUT": RESULT,
        "TORK_PROGRESS": PROGRESS,
        "JOBLEDGER_OUTPUT": RESULT,
        "JOBLEDGER_PROGRESS": PROGRESS,
        "JOBLEDGER_ATTEMPT_ID": identity.place.attempt.hex,
        "JOBLEDGER_FENCE": str(identity.claim.epoch),
    }


def _labels(task: TaskDefinition, identity: Identity) -> dict[str, str]:
    return {
        LOG: identity.log.hex,
        RUNNER: identity.runner.hex,
        JOB: identity.place.job.hex,
        TASK: task.name,
        ATTEMPT: identity.place.attempt.hex,
        EPOCH: str(identity.claim.epoch),
        CLAIM: str(identity.claim.position),
    }
