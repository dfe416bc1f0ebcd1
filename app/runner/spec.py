"""How a phase becomes a container: the body of the Engine's `create`, and the labels by which it is known again."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec

from app.runner.exchange import ENTRYPOINT, INSIDE, PROGRESS, RESULT, WORKDIR
from app.runner.phases import Phase
from app.runner.runtime import Work
from domain.definition import AuxiliaryTask, TaskDefinition
from projections.queue import Place

LOG, RUNNER, JOB, ATTEMPT = "jobledger.log", "jobledger.runner", "jobledger.job", "jobledger.attempt"
TASK, PATH, PHASE = "jobledger.task", "jobledger.path", "jobledger.phase"
EPOCH, CLAIM, SPEC = "jobledger.epoch", "jobledger.claim", "jobledger.spec"

GRACE = 1
"""Seconds between SIGTERM and SIGKILL."""
LOG_DRIVER = {"Type": "json-file", "Config": {"max-size": "1000g"}}
"""The output has to stay until it is recorded: an Engine that was told to keep little would lose it."""
BRIDGES = ("bridge", "default")
"""The Engine's own network, in which nothing is found by a name."""

Body = dict[str, Any]


def name(attempt: UUID, phase: str = "") -> str:
    """Return the name of a phase's container: the Engine sees to it that there is only one."""
    return f"jobledger-{attempt.hex}-{phase}" if phase else f"jobledger-{attempt.hex}"


def place(labels: Mapping[str, str]) -> Place | None:
    """Return whose container it is, as far as labels tell; nothing if someone else made them."""
    try:
        return Place(position=0, attempt=UUID(labels[ATTEMPT]), job=UUID(labels[JOB]), version=0)
    except (KeyError, ValueError):
        return None


def networks(phase: Phase, work: Work) -> Sequence[str]:
    """Name the networks that a phase is in; without any it is in the Engine's own."""
    beside_others = phase.name.startswith("sidecar") or not phase.name
    own = (name(work.place.attempt),) if work.task.sidecars and beside_others else ()
    return (*own, *work.task.networks)


def aliases(phase: Phase, network: str) -> Sequence[str]:
    """Return the names under which a phase is found in a network."""
    found = slug(phase.program.name)
    return (found,) if found and network not in BRIDGES else ()


def slug(text: str) -> str:
    """Make a name of a host of some text."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    return re.sub(r"[^a-z0-9]+", "-", plain.lower()).strip("-")[:63]


def workdir(phase: Phase) -> str:
    """Return the folder in which a phase begins; nothing for the image's own."""
    given = getattr(phase.program, "workdir", "")
    return given or (WORKDIR if phase.program.files else "")


def body(phase: Phase, work: Work, folder: Path, surroundings: Mapping[str, Any]) -> Body:
    """Describe the container of a phase; the same each time, so that it can be compared.

    The surroundings are what all containers of the task have in common: parts of the Engine's HostConfig.
    """
    program = phase.program
    made: Body = {
        "Image": program.image,
        "Env": [f"{key}={value}" for key, value in _environment(program, work).items()],
        "Labels": labels(work) | {TASK: program.name, PHASE: phase.name},
        "StopSignal": "SIGTERM",
        "StopTimeout": GRACE,
        "HostConfig": _host(folder, surroundings),
    }
    made |= _program(program)
    if inside := workdir(phase):
        made["WorkingDir"] = inside
    if attached := networks(phase, work):
        made["HostConfig"]["NetworkMode"] = attached[0]
        made["NetworkingConfig"] = {"EndpointsConfig": {attached[0]: {"Aliases": list(aliases(phase, attached[0]))}}}
    digest = hashlib.sha256(msgspec.json.encode(made, order="sorted")).hexdigest()
    return made | {"Labels": made["Labels"] | {SPEC: digest}}


def labels(work: Work) -> dict[str, str]:
    """Return the labels of all that an attempt creates."""
    return {
        LOG: work.log.hex,
        RUNNER: work.runner.hex,
        JOB: work.place.job.hex,
        PATH: work.path,
        ATTEMPT: work.key,
        EPOCH: str(work.claim.epoch),
        CLAIM: str(work.claim.position),
    }


def _host(folder: Path, surroundings: Mapping[str, Any]) -> dict[str, Any]:
    exchange = {"Type": "bind", "Source": str(folder.absolute()), "Target": INSIDE}
    return {
        **surroundings,
        "Mounts": [exchange, *surroundings.get("Mounts", ())],
        "RestartPolicy": {"Name": "no"},
        "LogConfig": LOG_DRIVER,
    }


def _program(program: TaskDefinition | AuxiliaryTask) -> dict[str, list[str]]:
    """Choose what is run; without a word of the task, it is what the image runs by itself."""
    chosen = {}
    if program.run:
        chosen = {"Entrypoint": ["sh", "-c"], "Cmd": [ENTRYPOINT]}
    if program.entrypoint:
        chosen["Entrypoint"] = list(program.entrypoint)
    if program.cmd:
        chosen["Cmd"] = list(program.cmd)
    return chosen


def _environment(program: TaskDefinition | AuxiliaryTask, work: Work) -> dict[str, str]:
    return program.env | {
        "TORK_OUTPUT": RESULT,
        "TORK_PROGRESS": PROGRESS,
        "JOBLEDGER_OUTPUT": RESULT,
        "JOBLEDGER_PROGRESS": PROGRESS,
        "JOBLEDGER_ATTEMPT_ID": work.key,
        "JOBLEDGER_FENCE": str(work.claim.epoch),
    }
