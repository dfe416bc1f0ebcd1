"""How an attempt ended, in the words of the log."""

from __future__ import annotations

from typing import Any, NamedTuple

from domain import job
from domain.job.commands import RunnerCommand
from domain.job.events import Cause

KILLED = 137
"""The exit code of what was killed (128 + SIGKILL), by whomever."""
LINES = 10
"""The last lines of the output, which an error repeats."""
TAIL = 2_000
"""Bytes of them at most."""


class Verdict(NamedTuple):
    """A report that ends an attempt: which one, and what it tells."""

    kind: type[RunnerCommand]
    facts: dict[str, Any]

    def __str__(self) -> str:
        """Say it in a line, for the runner's own log."""
        reason = self.facts.get("error") or self.facts.get("reason") or ""
        return f"{self.kind.__name__} {reason}".strip().partition("\n")[0]


class Failure(Exception):
    """The attempt ends badly."""

    def __init__(self, error: str, cause: Cause, exit_code: int | None = None) -> None:
        """Say what happened, in words for the user."""
        super().__init__(error)
        self.error = error.replace("\0", "")
        self.cause = cause
        self.exit_code = exit_code

    def titled(self, title: str) -> Failure:
        """Say as well whose failure it is; a time that is over names its owner itself."""
        if not title or self.cause == "timeout":
            return self
        return Failure(f"{title}: {self.error}", self.cause, self.exit_code)


class CalledOff(Exception):
    """The attempt was called off, and what ran of it has ended."""

    def __init__(self, exit_code: int | None) -> None:
        """Tell how it ended, as far as that is known."""
        super().__init__(exit_code)
        self.exit_code = exit_code


class NeverRan(Exception):
    """What should have been started was not, and never will be."""


def completed(result: str) -> Verdict:
    """Say that it ended well."""
    return Verdict(job.Complete, {"result": result})


def failed(failure: Failure) -> Verdict:
    """Say that it ended badly."""
    return Verdict(job.Fail, {"error": failure.error, "cause": failure.cause, "exit_code": failure.exit_code})


def stopped(exit_code: int | None = None) -> Verdict:
    """Say that it was called off, and is gone."""
    return Verdict(job.Stop, {"exit_code": exit_code})


def lost(reason: NeverRan) -> Verdict:
    """Say that it never ran: a new one may take its place."""
    return Verdict(job.Lose, {"reason": str(reason)})


def exited(
    exit_code: int, output: bytes, *, oom_killed: bool = False, memory: int = 0, engine_was_away: bool = False
) -> Failure:
    """Say how a program failed that might take so many bytes of memory (0: any), and its last words."""
    what = f"exit code {exit_code}"
    if oom_killed:
        what = f"out of memory: {what}"
    elif memory and exit_code == KILLED:
        what = f"killed, probably out of memory: {what}"
    if engine_was_away:
        what += " (the Docker Engine was away meanwhile)"
    text = output.decode(errors="replace").lstrip("\N{REPLACEMENT CHARACTER}")  # half a character, where it was cut
    lines = "\n".join(text.rstrip().split("\n")[-LINES:])
    return Failure(f"{what}: {lines}" if lines else what, "oom" if oom_killed else "exit", exit_code)
