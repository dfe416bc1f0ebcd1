"""The rules of one job: given some events, when a command, then other events, nothing, or a refusal."""

from __future__ import annotations

from functools import reduce
from typing import Any

import msgspec
import pytest
from hypothesis import given as generated
from hypothesis import strategies as st

from domain import job
from domain.errors import Elsewhere, Missing, Refused
from domain.job import JobStatus, TaskStatus
from tests.controls import (
    ADOPTED_1,
    ATTEMPT_1,
    ATTEMPT_2,
    CANCELLED,
    CLAIMED_1,
    COMPLETED_1,
    COMPLETED_2,
    CONTAINER,
    DEFINITION,
    ENGINE,
    EPOCH,
    FAILED_1,
    FAILED_2,
    INTENDED_1,
    JOB,
    JOB_COMPLETED,
    JOB_FAILED,
    LOST_1,
    NOON,
    PRINTED,
    RESTARTED,
    RUNNER,
    RUNNING_1,
    RUNNING_2,
    SCHEDULED_1,
    SCHEDULED_1B,
    SCHEDULED_2,
    SCHEDULED_2B,
    STARTED_1,
    STOPPED_1,
    SUBMITTED,
)

HELD = {"at": NOON, "attempt": ATTEMPT_1, "runner": RUNNER, "epoch": EPOCH}
SUBMIT = job.Submit(at=NOON, job=JOB, definition=DEFINITION)
CLAIM = job.Claim(at=NOON, attempt=ATTEMPT_1, runner=RUNNER, epoch=EPOCH, engine=ENGINE)
INTEND = job.IntendStart(**HELD, container=CONTAINER, image="sha256:1")
START = job.Start(**HELD)
COMPLETE = job.Complete(**HELD, result="one", output=PRINTED)
FAIL = job.Fail(**HELD, error="exit code 3: no", cause="exit", exit_code=3, output=PRINTED)
LOSE = job.Lose(**HELD, reason="never started")
STOP = job.Stop(**HELD, exit_code=143, output=PRINTED)
ADOPT = job.Adopt(**HELD | {"epoch": EPOCH + 1}, engine=ENGINE)
CANCEL = job.Cancel(at=NOON)
RESTART = job.Restart(at=NOON)


def state(*events: job.JobEvent) -> job.Job:
    return reduce(job.evolve, events, job.initial())


def when(command: job.JobCommand, *events: job.JobEvent) -> tuple[job.JobEvent, ...]:
    return job.decide(command, state(*events))


def test_a_submitted_job_waits_with_its_first_task_in_a_queue() -> None:
    assert when(SUBMIT) == (SUBMITTED, SCHEDULED_1)


def test_a_job_is_submitted_once() -> None:
    with pytest.raises(Refused, match="exists"):
        when(SUBMIT, SUBMITTED, SCHEDULED_1)


@pytest.mark.parametrize("command", [CANCEL, RESTART, CLAIM, START], ids=lambda command: type(command).__name__)
def test_a_job_that_is_not_there_is_missing(command: job.JobCommand) -> None:
    with pytest.raises(Missing, match="job not found"):
        when(command)


def test_a_scheduled_attempt_can_be_claimed() -> None:
    assert when(CLAIM, SUBMITTED, SCHEDULED_1) == (CLAIMED_1,)


def test_a_claimed_attempt_cannot_be_claimed_again() -> None:
    with pytest.raises(Refused, match="only a scheduled one"):
        when(CLAIM, SUBMITTED, SCHEDULED_1, CLAIMED_1)


def test_an_attempt_of_a_cancelled_job_cannot_be_claimed() -> None:
    with pytest.raises(Refused, match="CANCELLED"):
        when(CLAIM, SUBMITTED, SCHEDULED_1, CANCELLED)


def test_an_unknown_attempt_cannot_be_claimed() -> None:
    with pytest.raises(Refused, match="no attempt"):
        when(CLAIM, SUBMITTED)


def test_the_start_of_a_claimed_attempt_is_announced_once() -> None:
    assert when(INTEND, SUBMITTED, SCHEDULED_1, CLAIMED_1) == (INTENDED_1,)
    with pytest.raises(Refused, match="must not be started"):
        when(INTEND, SUBMITTED, SCHEDULED_1, CLAIMED_1, INTENDED_1)


def test_a_cancelled_attempt_is_not_started() -> None:
    with pytest.raises(Refused, match="must not be started"):
        when(INTEND, SUBMITTED, SCHEDULED_1, CLAIMED_1, CANCELLED)


def test_a_start_is_recorded_once() -> None:
    assert when(START, SUBMITTED, SCHEDULED_1, CLAIMED_1, INTENDED_1) == (STARTED_1,)
    assert when(START, *RUNNING_1) == ()


def test_a_start_that_comes_after_the_cancel_changes_nothing() -> None:
    assert when(START, SUBMITTED, SCHEDULED_1, CLAIMED_1, INTENDED_1, CANCELLED) == ()


def test_the_end_of_a_task_schedules_the_next_one_in_the_same_append() -> None:
    assert when(COMPLETE, *RUNNING_1) == (COMPLETED_1, SCHEDULED_2)


def test_the_end_of_the_last_task_completes_the_job() -> None:
    command = job.Complete(at=NOON, attempt=ATTEMPT_2, runner=RUNNER, epoch=EPOCH)
    assert when(command, *RUNNING_2) == (COMPLETED_2, JOB_COMPLETED)


def test_a_failed_task_fails_the_job_with_its_error() -> None:
    assert when(FAIL, *RUNNING_1) == (FAILED_1, JOB_FAILED)


@pytest.mark.parametrize("command", [COMPLETE, FAIL, LOSE], ids=lambda command: type(command).__name__)
def test_an_outcome_that_comes_twice_is_recorded_once(command: job.JobCommand) -> None:
    assert when(command, *RUNNING_1, COMPLETED_1, SCHEDULED_2) == ()
    assert when(command, *RUNNING_1, FAILED_1, JOB_FAILED) == ()


@pytest.mark.parametrize("command", [INTEND, START, COMPLETE, FAIL, LOSE, STOP], ids=lambda c: type(c).__name__)
def test_who_does_not_hold_the_attempt_is_not_heard(command: Any) -> None:
    other = msgspec.structs.replace(command, epoch=EPOCH - 1)
    with pytest.raises(Refused, match="not held by"):
        when(other, *RUNNING_1)


def test_after_an_adoption_the_runner_from_before_the_crash_is_not_heard() -> None:
    assert when(ADOPT, *RUNNING_1) == (ADOPTED_1,)
    with pytest.raises(Refused, match="not held by"):
        when(COMPLETE, *RUNNING_1, ADOPTED_1)


def test_adopting_twice_is_adopting_once() -> None:
    assert when(ADOPT, *RUNNING_1, ADOPTED_1) == ()


@pytest.mark.parametrize(
    "history",
    [(*RUNNING_1, COMPLETED_1, SCHEDULED_2), (SUBMITTED, SCHEDULED_1), (*RUNNING_1, CANCELLED, STOPPED_1)],
    ids=["completed", "unclaimed", "stopped"],
)
def test_only_an_attempt_that_one_holds_can_be_adopted(history: tuple[job.JobEvent, ...]) -> None:
    with pytest.raises(Refused, match="to adopt"):
        when(ADOPT, *history)


def test_an_attempt_is_adopted_only_where_it_was_claimed_for() -> None:
    with pytest.raises(Elsewhere, match=f"claimed for {ENGINE}, and this is another"):
        when(msgspec.structs.replace(ADOPT, engine="another"), *RUNNING_1)


def test_an_attempt_that_never_ran_makes_place_for_a_new_one() -> None:
    anew = msgspec.structs.replace(SCHEDULED_1B, losses=1)
    assert when(LOSE, SUBMITTED, SCHEDULED_1, CLAIMED_1, INTENDED_1) == (LOST_1, anew)


@pytest.mark.parametrize(
    "history", [(SUBMITTED, SCHEDULED_1), (SUBMITTED, SCHEDULED_1, CLAIMED_1), RUNNING_1, RUNNING_2]
)
def test_a_job_that_has_not_ended_can_be_cancelled(history: tuple[job.JobEvent, ...]) -> None:
    assert when(CANCEL, *history) == (CANCELLED,)


def test_a_cancelled_job_can_be_cancelled_again_and_nothing_happens() -> None:
    assert when(CANCEL, *RUNNING_1, CANCELLED) == ()


@pytest.mark.parametrize("ending", [(FAILED_1, JOB_FAILED), (COMPLETED_1, JOB_COMPLETED)])
def test_a_job_that_has_ended_cannot_be_cancelled(ending: tuple[job.JobEvent, ...]) -> None:
    with pytest.raises(Refused, match="can not be cancelled"):
        when(CANCEL, *RUNNING_1, *ending)


def test_the_end_of_a_cancelled_container_is_kept_for_information() -> None:
    assert when(STOP, *RUNNING_1, CANCELLED) == (STOPPED_1,)
    assert when(STOP, *RUNNING_1, CANCELLED, STOPPED_1) == ()


def test_a_container_that_ended_as_its_job_was_cancelled_does_not_complete_it() -> None:
    expected = msgspec.structs.replace(STOPPED_1, exit_code=0)
    assert when(COMPLETE, *RUNNING_1, CANCELLED) == (expected,)


def test_a_running_attempt_is_not_stopped() -> None:
    with pytest.raises(Refused, match="only a cancelled one"):
        when(STOP, *RUNNING_1)


def test_a_failed_job_restarts_at_the_task_that_failed() -> None:
    restarted = msgspec.structs.replace(RESTARTED, position=2)
    assert when(RESTART, *RUNNING_2, FAILED_2, JOB_FAILED) == (restarted, SCHEDULED_2B)


def test_a_cancelled_job_restarts_even_while_its_container_is_being_stopped() -> None:
    assert when(RESTART, *RUNNING_1, CANCELLED) == (RESTARTED, SCHEDULED_1B)
    assert when(STOP, *RUNNING_1, CANCELLED, RESTARTED, SCHEDULED_1B) == (STOPPED_1,)


@pytest.mark.parametrize(
    ("history", "status"),
    [((SUBMITTED, SCHEDULED_1), "PENDING"), (RUNNING_1, "RUNNING"), ((*RUNNING_2, JOB_COMPLETED), "COMPLETED")],
)
def test_a_job_that_did_not_fail_cannot_be_restarted(history: tuple[job.JobEvent, ...], status: str) -> None:
    with pytest.raises(Refused, match=f"^job is {status} and can not be restarted$"):
        when(RESTART, *history)


@pytest.mark.parametrize(
    ("history", "status"),
    [
        ((SUBMITTED, SCHEDULED_1), JobStatus.PENDING),
        ((SUBMITTED, SCHEDULED_1, CLAIMED_1), JobStatus.SCHEDULED),
        (RUNNING_1, JobStatus.RUNNING),
        ((*RUNNING_1, COMPLETED_1, SCHEDULED_2), JobStatus.RUNNING),
        ((*RUNNING_1, FAILED_1, JOB_FAILED), JobStatus.FAILED),
        ((*RUNNING_1, CANCELLED), JobStatus.CANCELLED),
        ((SUBMITTED, SCHEDULED_1, CANCELLED, RESTARTED, SCHEDULED_1B), JobStatus.PENDING),
        ((*RUNNING_1, CANCELLED, RESTARTED, SCHEDULED_1B), JobStatus.RUNNING),
    ],
)
def test_events_tell_the_state_of_the_job(history: tuple[job.JobEvent, ...], status: JobStatus) -> None:
    assert state(*history).status is status


COMMANDS = [SUBMIT, CANCEL, RESTART, CLAIM, ADOPT, INTEND, START, COMPLETE, FAIL, LOSE, STOP]


@generated(st.lists(st.sampled_from(COMMANDS), max_size=25))
def test_whatever_is_asked_the_job_stays_whole(commands: list[Any]) -> None:
    """Run any commands: decisions are pure, a second asking adds nothing but a refusal, ended attempts stay ended."""
    events: list[job.JobEvent] = []
    for command in commands:
        try:
            new = job.decide(command, state(*events))
        except (Refused, Missing):
            continue
        assert job.decide(command, state(*events)) == new
        events.extend(new)
        held = [attempt for attempt in state(*events).attempts.values() if attempt.status.is_held]
        assert len(held) <= 1
        assert sum(isinstance(event, job.TaskStartIntended) for event in events) <= len(state(*events).attempts)
        assert not held or state(*events).status in {JobStatus.SCHEDULED, JobStatus.RUNNING}


def test_evolving_costs_the_same_for_each_event_however_long_the_history() -> None:
    one = state(*RUNNING_1)
    assert job.evolve(one, COMPLETED_1) is one
    assert one.attempts[ATTEMPT_1].status is TaskStatus.COMPLETED
