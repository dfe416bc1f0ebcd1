"""How a phase becomes a process: the folder in which it begins, its command, its environment."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from app.runner import phases, spec
from app.runner.exchange import Exchange, relative
from app.runner.phases import Phase
from app.runner.processes.kin import MARK
from app.runner.processes.warden import Program
from app.runner.runtime import Work
from app.runner.verdict import Failure
from domain.definition import AuxiliaryTask, TaskDefinition

Runnable = TaskDefinition | AuxiliaryTask

VERBS = {
    "image": "is",
    "registry": "is",
    "entrypoint": "is",
    "mounts": "are",
    "networks": "are",
    "limits": "are",
    "gpus": "are",
    "sidecars": "are",
}
"""The fields that only make sense for containers, and the word that it takes to refuse them."""
INHERITED = ("PATH", "HOME", "LANG")
"""What a program has of the runner's own environment: the rest, credentials for one, is not its business."""


def environment() -> dict[str, str]:
    """Return what is in the environment of all programs."""
    return {name: os.environ[name] for name in INHERITED if name in os.environ}


def check(task: TaskDefinition) -> None:
    """Refuse what a process can not have, by its name, before anything is run."""
    for phase in phases.in_turn(task):
        for problem in _problems(phase.program):
            raise Failure(problem, "container").titled(phase.title)


def prepare(phase: Phase, exchange: Exchange) -> None:
    """Make the folder of a program as it shall find it."""
    program, workdir = phase.program, _workdir(phase.program)
    exchange.create(program.run, {f"{workdir}/{name}": content for name, content in program.files.items()})
    if not workdir.is_absolute():
        _beginning(phase.program, exchange.folder).mkdir(parents=True, exist_ok=True)


def process(phase: Phase, work: Work, folder: Path) -> Program:
    """Describe the process of a phase, which has a folder of its own."""
    result, progress = os.fspath(folder / "stdout"), os.fspath(folder / "progress")
    given = {
        **environment(),
        **phase.program.env,
        "TORK_OUTPUT": result,
        "TORK_PROGRESS": progress,
        "JOBLEDGER_OUTPUT": result,
        "JOBLEDGER_PROGRESS": progress,
        MARK: work.key,
        "JOBLEDGER_FENCE": str(work.claim.epoch),
    }
    command = [os.fsencode(word) for word in _command(phase.program, folder)]
    variables = {os.fsencode(name): os.fsencode(value) for name, value in given.items()}
    return os.fsencode(_beginning(phase.program, folder)), command, variables, spec.GRACE


def _problems(program: Runnable) -> Iterator[str]:
    for field, verb in VERBS.items():
        if getattr(program, field, None):
            yield f"{field} {verb} not supported by the process runtime"
    if not program.run and not program.cmd:
        yield "there is nothing to run: the process runtime needs run or cmd"
    workdir = _workdir(program)
    if workdir.is_absolute() and program.files:
        yield "files are not supported together with an absolute workdir by the process runtime"
    try:
        _ = [relative(name) for name in (*program.files, str(workdir / "file").lstrip("/"))]
    except ValueError as error:
        yield str(error)


def _workdir(program: Runnable) -> PurePosixPath:
    return PurePosixPath(getattr(program, "workdir", ""))


def _beginning(program: Runnable, folder: Path) -> Path:
    """Return where a program begins: in a folder of the attempt, unless it says otherwise."""
    return folder / "workdir" / _workdir(program)


def _command(program: Runnable, folder: Path) -> tuple[str, ...]:
    """Choose what is run, as in a container: a script by a shell, unless its first line says by what."""
    if program.cmd:
        return ("sh", "-c", *program.cmd) if program.run else program.cmd
    script = str(folder / "entrypoint")
    return (script,) if program.run.startswith("#!") else ("sh", script)
