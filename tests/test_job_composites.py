"""Tasks made of tasks: parallel, each and subjob, and how what happens inside reaches the outside."""

from __future__ import annotations

from functools import reduce
from uuid import uuid5

import msgspec
import pytest

from domain import job
from domain.definition import Each, Parallel, Retry, Subjob, TaskDefinition, Webhook
from domain.errors import Refused
from domain.expression import Budget, ExpressionError, render
from domain.job import JobStatus, TaskStatus, attempt_id
from domain.job.flow import LARGEST_AT_ONCE, MOST_AT_ONCE
from domain.job.state import WIDEST
from tests.controls import EPOCH, JOB, NOON, RUNNER
from tests.story import Story, task

PAIR = task("pair", parallel=Parallel(tasks=(task("left"), task("right"))))
LAST = task("last")


def loop(source: str, child: TaskDefinition | None = None, **given: object) -> TaskDefinition:
    return task("loop", each=Each(list=source, task=child or task("step"), **given))  # type: ignore[arg-type]


def test_the_tasks_of_a_parallel_task_wait_together() -> None:
    story = Story(PAIR, LAST)
    assert story.began == ["JobSubmitted", "TaskExpanded 1", "TaskScheduled 1.1", "TaskScheduled 1.2"]
    assert story.state.status is JobStatus.PENDING


def test_a_parallel_task_ends_with_its_last_child_whichever_that_is() -> None:
    story = Story(PAIR, LAST)
    assert story.complete("1.2") == ["TaskCompleted 1.2"]
    assert story.complete("1.1") == ["TaskCompleted 1.1", "TaskCompleted 1", "TaskScheduled 2"]
    assert story.complete("2") == ["TaskCompleted 2", "JobCompleted"]


def test_a_child_that_fails_fails_all_that_is_around_it_and_calls_off_the_rest() -> None:
    story = Story(task("outer", parallel=Parallel(tasks=(PAIR, LAST))))
    story.start("1.1.1")
    assert story.fail("1.1.2", "exit code 3: no") == [
        "TaskFailed 1.1.2",
        "TaskFailed 1.1",
        "TaskFailed 1",
        "JobFailed",
    ]
    failed = [event for event in story.events if isinstance(event, job.TaskFailed)]
    assert [(event.error, event.cause) for event in failed] == [
        ("exit code 3: no", "exit"),
        ("exit code 3: no", "child"),
        ("exit code 3: no", "child"),
    ]
    assert story.attempt("1.1.1").status is TaskStatus.CANCELLED
    assert story.attempt("1.2").status is TaskStatus.CANCELLED


def test_the_container_of_a_sibling_that_was_called_off_is_still_its_runners_to_stop() -> None:
    story = Story(PAIR)
    story.start("1.1")
    story.fail("1.2")
    assert not story.attempt("1.1").stopped
    assert story.report("1.1", job.Complete) == ["TaskStopped 1.1"]
    assert story.state.status is JobStatus.FAILED


def test_a_task_runs_once_for_each_item_and_knows_it() -> None:
    story = Story(loop("{{ ['a', 'b'] }}", task("step {{ item.index }}", env={"V": "{{ item.value }}"})))
    scheduled = [event for event in story.events if isinstance(event, job.TaskScheduled)]
    assert [(event.task.name, event.task.env) for event in scheduled] == [
        ("step 0", {"V": "a"}),
        ("step 1", {"V": "b"}),
    ]
    assert story.last(job.TaskExpanded).items == ("a", "b")


@pytest.mark.parametrize(
    "source", ["1..3", "{{ sequence(1, 4) }}", "split(inputs.letters, ',')", "fromJSON('[1,2,3]')"]
)
def test_any_expression_for_a_list_will_do(source: str) -> None:
    assert Story(loop(source), inputs={"letters": "a,b,c"}).waiting() == ["1.1", "1.2", "1.3"]


def test_an_empty_list_is_done_at_once() -> None:
    assert Story(loop("[]"), LAST).began == ["JobSubmitted", "TaskExpanded 1", "TaskCompleted 1", "TaskScheduled 2"]


def test_a_job_of_empty_lists_only_is_complete_when_it_is_submitted() -> None:
    story = Story(loop("[]"), loop("[]"))
    assert story.state.status is JobStatus.COMPLETED
    assert story.began[-1] == "JobCompleted"


@pytest.mark.parametrize("source", ["'text'", "1", "nil", "{'a': 1}"])
def test_what_is_no_list_fails_the_task(source: str) -> None:
    story = Story(loop(source))
    assert story.began == ["JobSubmitted", "TaskRejected 1", "JobFailed"]
    assert story.last(job.JobFailed).error == "each.list does not evaluate to a list"


def test_no_more_items_are_under_way_than_the_concurrency_allows() -> None:
    story = Story(loop("1..5", concurrency=2))
    assert story.waiting() == ["1.1", "1.2"]
    assert story.complete("1.2") == ["TaskCompleted 1.2", "TaskScheduled 1.3"]
    assert story.waiting() == ["1.1", "1.3"]


def test_without_a_bound_some_hundred_items_are_under_way_and_the_others_follow_as_these_end() -> None:
    story = Story(loop(f"1..{WIDEST + 1}"))
    assert len(story.waiting()) == WIDEST
    assert story.complete("1.1") == ["TaskCompleted 1.1", f"TaskScheduled 1.{WIDEST + 1}"]


def test_loops_inside_loops_share_the_room() -> None:
    story = Story(loop("1..10", loop("1..1000")))
    assert len(story.waiting()) == WIDEST


def test_large_tasks_do_not_all_wait_at_once() -> None:
    """They are kept in one append."""
    story = Story(loop("1..20", loop("1..20", task("big", run="x" * (LARGEST_AT_ONCE // 10)))))
    began = len(story.waiting())
    assert 1 < began <= 20
    story.complete(story.waiting()[0])
    assert len(story.waiting()) > began - 1


def test_what_is_skipped_at_once_is_bounded() -> None:
    """Skipped tasks take no room from each other, and loops in loops multiply."""
    never = task("never", condition="{{ false }}")
    story = Story(loop("1..1000", loop("1..1000", never)))
    assert story.last(job.JobFailed).error == "more than 20,000 tasks would begin or be skipped at once"
    assert len(story.events) < MOST_AT_ONCE + 10
    assert Story(loop("1..10000", never)).state.status is JobStatus.COMPLETED


def test_of_a_child_that_is_skipped_is_kept_what_it_was_to_be_but_not_what_it_would_have_run() -> None:
    never = task("never", condition="{{ false }}", run="x" * 1000, env={"A": "b"}, var="v")
    assert Story(loop("1..2", never)).last(job.TaskSkipped).task == task("never", condition="{{ false }}", var="v")
    assert Story(never).last(job.TaskSkipped).task == never


def test_what_is_evaluated_at_once_is_bounded() -> None:
    """A text alone has a bound as well; many of them are as much work as one large one."""
    story = Story(task(env={f"A{number}": "{{ len(map(1..300, map(1..100, # * 2))) }}" for number in range(100)}))
    assert "all that is evaluated at once may take 10,000,000 steps" in story.last(job.JobFailed).error
    spent = Budget(10)
    with pytest.raises(ExpressionError, match="at once"):
        render("{{ sequence(0, 1000) }}", {"$budget": spent})


def test_a_loop_inside_a_loop_sees_both_items() -> None:
    inner = task(
        "in", each=Each(list="item.value", var="n", task=task("x", env={"V": "{{ item.index }}{{ n.value }}"}))
    )
    story = Story(loop("[[1, 2], [3]]", inner))
    scheduled = [event for event in story.events if isinstance(event, job.TaskScheduled)]
    assert [event.task.env["V"] for event in scheduled] == ["01", "02", "13"]
    assert [event.path for event in scheduled] == ["1.1.1", "1.1.2", "1.2.1"]


def test_children_whose_condition_does_not_hold_count_as_done() -> None:
    story = Story(loop("1..3", task(condition="{{ item.value == 2 }}")))
    assert story.began == [
        "JobSubmitted",
        "TaskExpanded 1",
        "TaskSkipped 1.1",
        "TaskScheduled 1.2",
        "TaskSkipped 1.3",
    ]
    assert story.complete("1.2") == ["TaskCompleted 1.2", "TaskCompleted 1", "JobCompleted"]


def test_a_child_that_can_not_be_evaluated_fails_the_loop() -> None:
    story = Story(loop("[1, 'x']", task(env={"V": "{{ item.value + 1 }}"})))
    assert story.began == [
        "JobSubmitted",
        "TaskExpanded 1",
        "TaskScheduled 1.1",
        "TaskRejected 1.2",
        "TaskFailed 1",
        "JobFailed",
    ]
    assert "env.V" in story.last(job.JobFailed).error
    assert story.attempt("1.1").status is TaskStatus.CANCELLED


def test_a_child_is_tried_again_without_its_siblings_knowing() -> None:
    story = Story(task("pair", parallel=Parallel(tasks=(task("a", retry=Retry(limit=1)), task("b")))))
    assert story.fail("1.1") == ["TaskFailed 1.1", "TaskScheduled 1.1"]
    assert story.complete("1.2") == ["TaskCompleted 1.2"]
    assert story.complete("1.1") == ["TaskCompleted 1.1", "TaskCompleted 1", "JobCompleted"]


def test_a_restart_begins_a_composite_task_anew_with_children_of_new_ids() -> None:
    story = Story(PAIR)
    first = story.attempt("1.1").id
    story.complete("1.1")
    story.fail("1.2")
    assert story.do(job.Restart(at=NOON)) == [
        "JobRestarted",
        "TaskExpanded 1",
        "TaskScheduled 1.1",
        "TaskScheduled 1.2",
    ]
    assert story.attempt("1").number == 2
    assert story.attempt("1.1").id == attempt_id(attempt_id(JOB, 1, 2), 1, 1) != first


def test_the_late_end_of_a_child_from_before_the_restart_changes_nothing() -> None:
    story = Story(PAIR)
    story.start("1.1")
    old = story.attempt("1.1").id
    story.fail("1.2")
    story.do(job.Restart(at=NOON))
    assert story.do(job.Complete(at=NOON, attempt=old, runner=RUNNER, epoch=EPOCH)) == ["TaskStopped 1.1"]
    assert story.waiting() == ["1.1", "1.2"]


def test_a_cancel_calls_off_every_child() -> None:
    story = Story(PAIR, LAST)
    story.start("1.2")
    assert story.do(job.Cancel(at=NOON)) == ["JobCancelled"]
    assert {each.status for each in story.state.attempts.values()} == {TaskStatus.CANCELLED}
    assert not story.state.active


def test_the_results_of_children_are_there_for_what_follows() -> None:
    pair = task("pair", parallel=Parallel(tasks=(task("a", var="a"), task("b", var="b"))))
    story = Story(pair, task("use", env={"V": "{{ tasks.a }}-{{ tasks.b }}"}))
    story.complete("1.2", "two")
    story.complete("1.1", "one")
    assert story.last(job.TaskScheduled).task.env == {"V": "one-two"}


CHILD = Subjob(name="child of {{ inputs.who }}", inputs={"x": "{{ inputs.who }}"}, tasks=(task("{{ inputs.x }}"),))
WITH_CHILD = task("start", subjob=CHILD, var="answer")


def test_a_subjob_is_started_with_what_is_the_parents_evaluated_and_its_tasks_as_written() -> None:
    story = Story(WITH_CHILD, inputs={"who": "me"})
    started = story.last(job.SubjobStarted)
    assert started.job == uuid5(attempt_id(JOB, 1, 1), "subjob")
    assert (started.task.subjob.name, started.task.subjob.inputs) == ("child of me", {"x": "me"})
    assert started.task.subjob.tasks == CHILD.tasks
    assert story.state.status is JobStatus.RUNNING


def test_the_end_of_a_subjob_ends_its_task_with_its_result() -> None:
    story = Story(WITH_CHILD, task("use", env={"V": "{{ tasks.answer }}"}), inputs={"who": "me"})
    attempt = story.attempt("1").id
    assert story.do(job.EndSubjob(at=NOON, attempt=attempt, result="42")) == ["TaskCompleted 1", "TaskScheduled 2"]
    assert story.last(job.TaskScheduled).task.env == {"V": "42"}
    assert story.do(job.EndSubjob(at=NOON, attempt=attempt, result="42")) == []


def test_a_subjob_that_failed_fails_its_task() -> None:
    story = Story(WITH_CHILD, inputs={"who": "me"})
    ended = job.EndSubjob(at=NOON, attempt=story.attempt("1").id, error="exit code 1")
    assert story.do(ended) == ["TaskFailed 1", "JobFailed"]
    assert story.last(job.TaskFailed).cause == "subjob"


def test_nobody_waits_for_a_detached_subjob() -> None:
    detached = msgspec.structs.replace(CHILD, detached=True)
    story = Story(task("start", subjob=detached), LAST, inputs={"who": "me"})
    assert story.began == ["JobSubmitted", "SubjobStarted 1", "TaskCompleted 1", "TaskScheduled 2"]


def test_the_end_of_a_subjob_after_a_cancel_changes_nothing() -> None:
    story = Story(WITH_CHILD, inputs={"who": "me"})
    story.do(job.Cancel(at=NOON))
    assert story.do(job.EndSubjob(at=NOON, attempt=story.attempt("1").id, error="cancelled")) == []


def test_only_a_task_that_started_a_job_ends_with_one() -> None:
    story = Story(task())
    with pytest.raises(Refused, match="has not started a job"):
        story.do(job.EndSubjob(at=NOON, attempt=story.attempt("1").id))


def test_what_a_task_produced_is_not_evaluated_when_the_subjob_delivers_its_webhooks() -> None:
    hook = Webhook(url="http://localhost/{{ tasks.said }}")
    child = msgspec.structs.replace(CHILD, webhooks=(hook,))
    story = Story(task("say", var="said"), task("start", subjob=child), inputs={"who": "me"})
    story.complete("1", "{{ inputs.who }}")
    url = story.last(job.SubjobStarted).task.subjob.webhooks[0].url
    assert render(url, {"inputs": {"who": "you"}}) == "http://localhost/{{ inputs.who }}"


def test_history_replays_to_the_same_state() -> None:
    story = Story(loop("1..3", PAIR, concurrency=2), WITH_CHILD, inputs={"who": "me"})
    for path in ("1.1.1", "1.2.2", "1.1.2", "1.3.1", "1.2.1"):
        story.complete(path)
    stored = [msgspec.json.decode(msgspec.json.encode(each), type=job.JobEvent) for each in story.events]
    assert reduce(job.evolve, stored, job.initial()) == story.state
