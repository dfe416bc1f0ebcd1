"""The rules of a runner's own stream."""

from __future__ import annotations

from functools import reduce

from domain import runner
from tests.controls import NOON

START = runner.Start(at=NOON, name="here")
STARTED = runner.RunnerStarted(at=NOON, name="here", epoch=1)
STARTED_AGAIN = runner.RunnerStarted(at=NOON, name="here", epoch=2)
STOP = runner.Stop(at=NOON, epoch=1)
STOPPED = runner.RunnerStopped(at=NOON, epoch=1)


def when(command: runner.RunnerCommand, *events: runner.RunnerEvent) -> tuple[runner.RunnerEvent, ...]:
    return runner.decide(command, reduce(runner.evolve, events, runner.initial()))


def test_each_start_is_a_new_epoch_whether_or_not_the_one_before_ended_in_order() -> None:
    assert when(START) == (STARTED,)
    assert when(START, STARTED) == (STARTED_AGAIN,)
    assert when(START, STARTED, STOPPED) == (STARTED_AGAIN,)


def test_a_runner_stops_once() -> None:
    assert when(STOP, STARTED) == (STOPPED,)
    assert when(STOP, STARTED, STOPPED) == ()


def test_a_runner_from_before_a_crash_cannot_stop_the_present_one() -> None:
    assert when(STOP, STARTED, STARTED_AGAIN) == ()


def test_the_id_of_a_runner_is_computed_from_its_name() -> None:
    assert runner.runner_id("here") == runner.runner_id("here") != runner.runner_id("there")
