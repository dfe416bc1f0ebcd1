"""The programs of one attempt: what comes before the task's own, beside it and after it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from domain.definition import AuxiliaryTask, TaskDefinition

OWN = ""
"""The name of the task's own phase."""


class Phase(NamedTuple):
    """One program, known in the log by its name within the attempt."""

    name: str
    """`pre-1`, `sidecar-1`, `post-1` and so on, or the empty word."""
    program: TaskDefinition | AuxiliaryTask

    @property
    def title(self) -> str:
        """What it is called in errors; nothing for the task's own."""
        kind = self.name.partition("-")[0]
        if not kind:
            return ""
        return f"{kind} {self.program.name}" if kind == "sidecar" else f"{kind} task {self.program.name}"

    @property
    def is_for_failures(self) -> bool:
        """Whether it runs also after a failure."""
        return getattr(self.program, "always", False)

    @property
    def dotted(self) -> str:
        """The name as the end of a folder's name."""
        return f".{self.name}" if self.name else ""


def before(task: TaskDefinition) -> list[Phase]:
    """Return what runs before the task's own program, in order."""
    return _numbered("pre", task.pre)


def own(task: TaskDefinition) -> Phase:
    """Return the task's own program."""
    return Phase(OWN, task)


def beside(task: TaskDefinition) -> list[Phase]:
    """Return what runs as long as the task's own program does."""
    return _numbered("sidecar", task.sidecars)


def after(task: TaskDefinition) -> list[Phase]:
    """Return what runs after the task's own program, in order."""
    return _numbered("post", task.post)


def in_turn(task: TaskDefinition) -> list[Phase]:
    """Return the phases that run one after another, in order; what they print is the task's output."""
    return [*before(task), own(task), *after(task)]


def each(task: TaskDefinition) -> list[Phase]:
    """Return all phases."""
    return [*in_turn(task), *beside(task)]


def _numbered(kind: str, programs: Sequence[AuxiliaryTask]) -> list[Phase]:
    return [Phase(f"{kind}-{number}", program) for number, program in enumerate(programs, 1)]
