"""A runner's own stream: each start is an epoch, which fences off what the runner was before a crash."""

from __future__ import annotations

from datetime import datetime
from typing import assert_never
from uuid import UUID, uuid5

import msgspec

from domain.event import Command, Event

RUNNERS = UUID("5f0e5e3e-6f3c-4f0a-9a53-0c7c1f6f9f51")
"""The name space of runners' ids."""


class RunnerStarted(Event, frozen=True):
    """A runner began to take work."""

    at: datetime
    name: str
    epoch: int


class RunnerStopped(Event, frozen=True):
    """A runner ended in order: it drained, or left its containers to its next start."""

    at: datetime
    epoch: int


RunnerEvent = RunnerStarted | RunnerStopped


class Start(Command, frozen=True):
    """Begin to take work."""

    name: str


class Stop(Command, frozen=True):
    """End in order."""

    epoch: int


RunnerCommand = Start | Stop


class Runner(msgspec.Struct):
    """A runner as its events tell it."""

    epoch: int = 0
    running: bool = False


def initial() -> Runner:
    """Return the state of a stream without events."""
    return Runner()


def decide(command: RunnerCommand, runner: Runner) -> tuple[RunnerEvent, ...]:
    """Judge a command; a start is never refused, for the one before may have crashed."""
    match command:
        case Start():
            return (RunnerStarted(at=command.at, name=command.name, epoch=runner.epoch + 1),)
        case Stop() if runner.running and command.epoch == runner.epoch:
            return (RunnerStopped(at=command.at, epoch=command.epoch),)
    return ()


def evolve(runner: Runner, event: RunnerEvent) -> Runner:
    """Copy the fact."""
    match event:
        case RunnerStarted():
            runner.epoch, runner.running = event.epoch, True
        case RunnerStopped():
            runner.running = False
        case _:
            assert_never(event)
    return runner


def runner_id(name: str) -> UUID:
    """Compute the id of a runner from its name."""
    return uuid5(RUNNERS, name)
