"""Whatever a job looks like and whatever happens to it, in any order: it never gets stuck, and ends everything once."""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from functools import reduce
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from domain import job
from domain.definition import Each, Parallel, Retry, Subjob, TaskDefinition
from domain.errors import Refused
from domain.job import Attempt, TaskStatus
from tests.controls import ENGINE, EPOCH, NOON, RUNNER
from tests.story import Story, task

ENDED = {TaskStatus.COMPLETED, TaskStatus.FAILED, TaskStatus.CANCELLED, TaskStatus.SKIPPED, TaskStatus.LOST}
OUTCOMES = (job.TaskCompleted, job.TaskFailed, job.TaskLost, job.TaskSkipped, job.TaskRejected)
MOST_STEPS = 400

CONDITIONS = st.sampled_from(["", "", "", "", "true", "false", "{{ int(tasks.a) > 0 }}"])
LEAVES = st.builds(
    lambda limit, condition, var: task(retry=Retry(limit=limit) if limit else None, condition=condition, var=var),
    st.sampled_from([0, 0, 1, 2]),
    CONDITIONS,
    st.sampled_from(["", "a"]),
)


def composites(children: st.SearchStrategy[TaskDefinition]) -> st.SearchStrategy[TaskDefinition]:
    parallel = st.lists(children, min_size=1, max_size=3).map(lambda them: task(parallel=Parallel(tasks=tuple(them))))
    each = st.builds(
        lambda size, child, most: task(each=Each(list=f"sequence(0, {size})", task=child, concurrency=most)),
        st.integers(0, 4),
        children,
        st.integers(0, 2),
    )
    subjob = st.builds(
        lambda detached, condition: task(
            condition=condition, subjob=Subjob(name="child", tasks=(task(),), detached=detached)
        ),
        st.booleans(),
        CONDITIONS,
    )
    return st.one_of(parallel, each, subjob)


TASKS = st.lists(st.recursive(LEAVES, composites, max_leaves=6), min_size=1, max_size=4)
CHOICES = st.lists(st.tuples(st.integers(0, 1_000), st.integers(0, 99)), max_size=60)


def commands(attempt: Attempt, chance: int) -> Any:
    """Choose what a runner, or a sub-job, says next of an attempt that has not ended."""
    mine = {"at": NOON, "attempt": attempt.id, "runner": RUNNER, "epoch": EPOCH}
    if attempt.job is not None:
        return job.EndSubjob(at=NOON, attempt=attempt.id, error=None if chance < 80 else "no")
    match attempt.status:
        case TaskStatus.SCHEDULED:
            return job.Claim(**mine | {"at": attempt.due or NOON}, engine=ENGINE)
        case TaskStatus.CLAIMED if chance < 80:
            return job.IntendStart(**mine, container="c")
        case TaskStatus.STARTING if chance < 80:
            return job.Start(**mine)
        case TaskStatus.CLAIMED | TaskStatus.STARTING if chance < 90:
            return job.Lose(**mine, reason="never ran")
    return job.Complete(**mine, result="1") if chance < 85 else job.Fail(**mine, error="no", cause="exit")


def outstanding(story: Story) -> list[Attempt]:
    """List what somebody outside has yet to do something about."""
    return [each for each in story.state.active.values() if each.branch is None]


def step(story: Story, place: int, chance: int) -> None:
    if chance == 98:
        attempt(story, job.Cancel(at=NOON))
    elif chance == 99 or not story.state.status.is_active:
        attempt(story, job.Restart(at=NOON))
    else:
        them = outstanding(story)
        story.do(commands(them[place % len(them)], chance))


def attempt(story: Story, command: Any) -> None:
    with suppress(Refused):
        story.do(command)


def check(story: Story) -> None:
    state = story.state
    assert state.status.is_active == bool(outstanding(story)), (
        "who is active waits for somebody, who has ended for nobody"
    )
    assert all(each.status in ENDED for each in state.attempts.values() if each.id not in state.active)
    assert all(each.status not in ENDED for each in state.active.values())


def check_history(story: Story) -> None:
    ended = Counter(event.attempt for event in story.events if isinstance(event, OUTCOMES))
    assert all(count == 1 for count in ended.values())
    positions = [event.position for event in story.events if hasattr(event, "position")]
    assert positions == sorted(positions)
    replayed = [msgspec.json.decode(msgspec.json.encode(each), type=job.JobEvent) for each in story.events]
    assert reduce(job.evolve, replayed, job.initial()) == story.state


@settings(max_examples=300, deadline=None)
@given(TASKS, CHOICES)
def test_a_job_never_gets_stuck_and_ends_every_attempt_exactly_once(
    tasks: list[TaskDefinition], choices: list[tuple[int, int]]
) -> None:
    story = Story(*tasks)
    check(story)
    for place, chance in choices:
        step(story, place, chance)
        check(story)
    for _ in range(MOST_STEPS):
        if not story.state.status.is_active:
            break
        story.do(commands(outstanding(story)[0], 0))
        check(story)
    assert not story.state.status.is_active
    check_history(story)
