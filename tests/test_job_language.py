"""What the fields of a job mean for its course: conditions, expressions, defaults, retries, results, progress."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import msgspec
import pytest

from domain import job
from domain.definition import (
    AutoDelete,
    AuxiliaryTask,
    Defaults,
    Limits,
    PostTask,
    Registry,
    Retry,
    Sidecar,
    Subjob,
)
from domain.errors import Missing, Refused
from domain.job import JobStatus, TaskStatus
from domain.job.flow import Flow
from domain.secrets import placeholder
from tests.controls import ENGINE, EPOCH, JOB, NOON, RUNNER
from tests.story import Story, task
from tests.test_job_composites import loop

SECOND = timedelta(seconds=1)


@pytest.mark.parametrize("wish", ["false", "{{ 1 == 2 }}", "1 == 2", "{{ inputs.run == 'no' }}", "{{ inputs.no }}"])
def test_a_task_whose_condition_is_false_is_skipped_and_counts_as_done(wish: str) -> None:
    story = Story(task(condition=wish), task(), inputs={"no": "false"})
    assert story.began == ["JobSubmitted", "TaskSkipped 1", "TaskScheduled 2"]


@pytest.mark.parametrize("wish", ["true", "{{ 1 == 1 }}", "inputs.run == 'yes'", "{{ inputs.run }}", ""])
def test_a_task_whose_condition_is_anything_else_runs(wish: str) -> None:
    assert Story(task(condition=wish), inputs={"run": "yes"}).began == ["JobSubmitted", "TaskScheduled 1"]


def test_a_condition_that_has_no_value_fails_the_task_and_never_runs_it() -> None:
    story = Story(task(condition="{{ fromJSON(inputs.x).y }}"), inputs={"x": "{"})
    assert story.began == ["JobSubmitted", "TaskRejected 1", "JobFailed"]
    assert story.last(job.TaskRejected).error.startswith("if: ")
    assert story.state.status is JobStatus.FAILED


def test_a_condition_that_has_no_value_fails_a_later_task_as_well() -> None:
    story = Story(task(), task(condition="{{ int(inputs.x) > 1 }}"), inputs={"x": "many"})
    assert story.complete("1") == ["TaskCompleted 1", "TaskRejected 2", "JobFailed"]


def test_every_evaluated_field_is_stored_as_it_will_be_run() -> None:
    value, secret = "{{ inputs.x }}", "{{ secrets.s }}"
    registry = Registry(username=value, password=secret)
    auxiliary: dict[str, Any] = {
        "name": value,
        "image": value,
        "cmd": (value,),
        "env": {"A": value, "S": secret},
        "registry": registry,
    }
    written = task(
        **auxiliary,
        queue=value,
        var=value,
        pre=(AuxiliaryTask(**auxiliary),),
        post=(PostTask(**auxiliary),),
        sidecars=(Sidecar(**auxiliary),),
        run="echo {{ inputs.x }}",
        workdir="/{{ inputs.x }}",
    )
    made = Story(written, inputs={"x": "abc"}, secrets={"s": placeholder("s")}).last(job.TaskScheduled).task
    text = msgspec.json.encode(made).decode()
    assert made.env == {"A": "abc", "S": placeholder("s")}
    assert (made.name, made.image, made.queue, made.var, made.cmd) == ("abc", "abc", "abc", "abc", ("abc",))
    assert [each.env["S"] for each in (*made.pre, *made.post, *made.sidecars)] == [placeholder("s")] * 3
    assert text.count("{{ inputs.x }}") == 2, "a script and the folder it runs in stay as they were written"


def test_what_a_task_produced_is_data_and_is_never_evaluated_again() -> None:
    use = task("use", env={"V": "{{ tasks.said }}"}, retry=Retry(limit=1))
    story = Story(task(var="said"), use, secrets={"s": placeholder("s")})
    story.complete("1", "{{ secrets.s }}")
    assert story.last(job.TaskScheduled).task.env == {"V": "{{ secrets.s }}"}
    story.fail("2")
    assert story.last(job.TaskScheduled).task.env == {"V": "{{ secrets.s }}"}


def test_data_can_not_pretend_to_be_a_secret() -> None:
    story = Story(task(var="said"), task("use", env={"V": "{{ tasks.said }}"}), secrets={"s": placeholder("s")})
    story.complete("1", str(placeholder("s")))
    assert "\0" not in story.last(job.TaskScheduled).task.env["V"]


@pytest.mark.parametrize(
    ("field", "value"),
    [("image", "NO SUCH IMAGE"), ("queue", "x-mine"), ("queue", ""), ("var", "a.b"), ("var", "a" * 65)],
)
def test_what_comes_of_an_expression_must_keep_the_rules_of_its_field(field: str, value: str) -> None:
    story = Story(task(**{field: "{{ inputs.x }}"}), inputs={"x": value})
    if field == "queue" and not value:
        assert story.last(job.TaskScheduled).task.queue == "default"
        return
    assert story.began == ["JobSubmitted", "TaskRejected 1", "JobFailed"]
    assert field in story.last(job.JobFailed).error


@pytest.mark.parametrize(
    ("value", "name"),
    [
        ("a title\n", "enc a title"),
        ("\ttwo\r\n lines\x1b", "enc two lines"),
        ("", "enc"),
        ("a" * 300, "enc " + "a" * 252),
    ],
)
def test_a_name_is_for_people_and_no_value_of_it_keeps_a_task_from_running(value: str, name: str) -> None:
    written = "enc {{ inputs.x }}"
    story = Story(task(written, pre=(AuxiliaryTask(name=written, image="a"),)), inputs={"x": value})
    made = story.last(job.TaskScheduled).task
    assert (made.name, made.pre[0].name) == (name, name)


@pytest.mark.parametrize("value", ["", "\n", "\0"])
def test_a_name_that_comes_to_nothing_is_what_was_written(value: str) -> None:
    child = Subjob(name="{{ inputs.x }}", tasks=(task(),))
    made = Story(task("{{ inputs.x }}", subjob=child), inputs={"x": value}).last(job.SubjobStarted).task
    assert made.name == made.subjob.name == "{{ inputs.x }}"


def test_a_result_is_found_under_a_name_with_a_dash() -> None:
    story = Story(task(var="my-{{ inputs.x }}"), task(env={"A": "{{ tasks['my-var'] }}"}), inputs={"x": "var"})
    story.complete("1", "found")
    assert story.last(job.TaskScheduled).task.env == {"A": "found"}


def test_the_time_and_chance_of_an_expression_come_with_the_command_and_the_attempt() -> None:
    use = task(env={"Y": "{{ now().Year() }}", "R": "{{ randomInt(1000000) }}"})
    one, other = (Story(use, use).last(job.TaskScheduled).task.env for _ in range(2))
    assert one == other
    assert one["Y"] == "2026"


DEFAULTS = Defaults(queue="slow", timeout="5m", priority=3, retry=Retry(limit=2), limits=Limits(cpus="1", memory="64m"))


def test_the_jobs_defaults_hold_where_a_task_says_nothing() -> None:
    made = Story(task(), defaults=DEFAULTS).last(job.TaskScheduled).task
    assert (made.queue, made.timeout, made.priority) == ("slow", "5m", 3)
    assert (made.retry, made.limits) == (DEFAULTS.retry, DEFAULTS.limits)


def test_what_a_task_says_itself_holds_before_the_defaults() -> None:
    own = {"queue": "fast", "timeout": "1s", "priority": 0, "retry": Retry(limit=1), "limits": Limits(cpus="2")}
    made = Story(task(**own), defaults=DEFAULTS).last(job.TaskScheduled).task
    assert (made.queue, made.timeout, made.priority, made.retry) == ("fast", "1s", 0, Retry(limit=1))
    assert made.limits == Limits(cpus="2", memory="64m")


def test_a_task_that_failed_is_tried_again_as_often_as_it_may() -> None:
    story = Story(task(retry=Retry(limit=2)))
    assert story.fail("1") == ["TaskFailed 1", "TaskScheduled 1"]
    assert story.fail("1") == ["TaskFailed 1", "TaskScheduled 1"]
    assert story.fail("1") == ["TaskFailed 1", "JobFailed"]
    assert [each.number for each in story.state.attempts.values()] == [1, 2, 3]
    assert story.last(job.TaskScheduled).retries == 2


@pytest.mark.parametrize(
    ("retry", "seconds"),
    [
        (Retry(limit=3), [None, None, None]),
        (Retry(limit=3, delay="2s"), [2, 2, 2]),
        (Retry(limit=3, delay="2s", backoff=3.0), [2, 6, 18]),
        (Retry(limit=3, delay="2s", backoff=3.0, max_delay="10s"), [2, 6, 10]),
        (Retry(limit=2, delay="8760h", backoff=100.0), [365 * 86400, 365 * 86400]),
    ],
)
def test_a_retry_says_when_it_is_due(retry: Retry, seconds: list[int | None]) -> None:
    story = Story(task(retry=retry))
    found = []
    for _ in seconds:
        story.fail("1")
        due = story.last(job.TaskScheduled).due
        found.append((due - story.at).total_seconds() if due else None)
        story.at = due or story.at
    assert found == seconds


def test_an_attempt_can_not_be_claimed_before_it_is_due() -> None:
    story = Story(task(retry=Retry(limit=1, delay="5s")))
    story.fail("1")
    claim = {"attempt": story.attempt("1").id, "runner": RUNNER, "epoch": EPOCH, "engine": ENGINE}
    with pytest.raises(Refused, match=r"not due before"):
        story.do(job.Claim(at=NOON + 4 * SECOND, **claim))
    assert story.do(job.Claim(at=NOON + 5 * SECOND, **claim)) == ["TaskClaimed 1"]


def test_a_restart_gives_a_task_all_its_retries_again() -> None:
    story = Story(task(retry=Retry(limit=1)))
    story.fail("1")
    story.fail("1")
    story.do(job.Restart(at=NOON))
    assert story.fail("1") == ["TaskFailed 1", "TaskScheduled 1"]
    assert story.attempt("1").number == 4


def test_a_lost_attempt_is_made_good_without_counting_as_a_retry() -> None:
    story = Story(task(retry=Retry(limit=1)))
    story.start("1")
    assert story.report("1", job.Lose, reason="never started") == ["TaskLost 1", "TaskScheduled 1"]
    assert story.last(job.TaskScheduled).retries == 0


def test_attempts_that_are_lost_in_a_row_are_made_good_after_longer_and_longer_pauses_and_in_the_end_fail() -> None:
    story = Story(task(retry=Retry(limit=1)))
    pauses = []
    for _ in range(9):
        story.start("1")
        story.report("1", job.Lose, reason="the name is taken")
        due = story.last(job.TaskScheduled).due
        pauses.append((due - story.at).total_seconds() if due else None)
        story.at = due or story.at
    assert pauses == [None, 1, 2, 4, 8, 16, 32, 60, 60]
    story.start("1")
    assert story.report("1", job.Lose, reason="the name is taken") == ["TaskFailed 1", "JobFailed"]
    error = "could not be started, 10 times in a row; the last time: the name is taken"
    assert story.last(job.TaskFailed).error == error


def test_only_losses_in_a_row_count() -> None:
    story = Story(task(retry=Retry(limit=1)))
    story.start("1")
    story.report("1", job.Lose, reason="never started")
    assert story.last(job.TaskScheduled).losses == 1
    story.fail("1")
    assert story.last(job.TaskScheduled).losses == 0


def test_the_result_of_a_job_is_its_output_evaluated_at_the_end() -> None:
    story = Story(task(var="a"), output="{{ tasks.a + '!' }}")
    story.complete("1", "42")
    assert story.last(job.JobCompleted).result == "42!"


def test_an_output_without_a_value_fails_the_job_whose_tasks_are_done() -> None:
    story = Story(task(), output="{{ fromJSON(inputs.no) }}")
    assert story.complete("1") == ["TaskCompleted 1", "JobFailed"]
    assert story.last(job.JobFailed).error.startswith("output: ")
    with pytest.raises(Refused, match=r"^job has no more tasks to run$"):
        story.do(job.Restart(at=NOON))


def test_a_result_and_a_list_can_not_grow_without_bounds() -> None:
    story = Story(task(var="a"), output=" + ".join(["tasks.a"] * 3))
    story.complete("1", "x" * 500_000)
    assert "memory budget exceeded" in story.last(job.JobFailed).error
    assert "memory budget exceeded" in Story(loop("1..1000000")).last(job.TaskRejected).error


@pytest.mark.parametrize("source", ["[1 / 0]", "[{'a': [0 / 0]}]", "[duration('1h')]"])
def test_an_item_that_can_not_be_kept_fails_the_loop(source: str) -> None:
    assert "an item is neither" in Story(loop(source)).last(job.TaskRejected).error


def test_a_completed_job_says_when_it_deletes_itself() -> None:
    story = Story(task(), auto_delete=AutoDelete(after="1h"))
    story.complete("1")
    assert story.last(job.JobCompleted).delete_at == NOON + timedelta(hours=1)


def test_a_deleted_job_is_not_there_any_more_for_clients() -> None:
    story = Story(task())
    story.complete("1")
    assert story.do(job.Delete(at=NOON)) == ["JobDeleted"]
    assert story.do(job.Delete(at=NOON)) == []
    for command in (job.Cancel(at=NOON), job.Restart(at=NOON)):
        with pytest.raises(Missing):
            story.do(command)


def test_a_job_that_has_not_ended_is_not_deleted() -> None:
    with pytest.raises(Refused, match="can not be deleted"):
        Story(task()).do(job.Delete(at=NOON))


def test_progress_is_recorded_while_a_task_runs_and_when_it_changes() -> None:
    story = Story(task())
    story.start("1")
    assert story.report("1", job.Progress, progress=40.0) == ["TaskProgressed 1"]
    assert story.report("1", job.Progress, progress=40.0) == []
    story.complete("1")
    assert story.report("1", job.Progress, progress=50.0) == []


def test_each_container_of_an_attempt_is_announced_once() -> None:
    story = Story(task())
    story.start("1")
    assert story.report("1", job.IntendStart, container="p", phase="post-1") == ["TaskStartIntended 1"]
    with pytest.raises(Refused, match="must not be started"):
        story.report("1", job.IntendStart, container="p", phase="post-1")
    assert story.attempt("1").phases == ("", "post-1")
    assert story.attempt("1").container == "c"


def test_a_task_runs_from_the_start_of_its_first_container_on() -> None:
    story = Story(task())
    claim = job.Claim(at=NOON, attempt=story.attempt("1").id, runner=RUNNER, epoch=EPOCH, engine=ENGINE)
    story.do(claim)
    story.report("1", job.IntendStart, container="p", phase="pre-1")
    assert story.report("1", job.Start) == ["TaskStarted 1"]
    assert story.report("1", job.IntendStart, container="c") == ["TaskStartIntended 1"]
    assert story.attempt("1").status is TaskStatus.RUNNING


def delivery(**given: Any) -> job.RecordDelivery:
    return job.RecordDelivery(**{"at": NOON, "webhook": 0, "cause": 3, "number": 1} | given)


def test_a_delivery_is_settled_once() -> None:
    story = Story(task())
    failed = delivery(error="no answer", due=NOON + 2 * SECOND)
    assert story.do(failed) == ["WebhookAttempted"]
    assert story.do(delivery(number=2, status=200)) == ["WebhookDelivered"]
    assert story.do(delivery(number=2, status=200)) == []
    assert story.do(delivery(cause=4, error="status 404", status=404)) == ["WebhookGaveUp"]
    assert story.do(delivery(webhook=1, status=204)) == ["WebhookDelivered"]


def test_deliveries_go_on_after_the_job_was_deleted() -> None:
    story = Story(task())
    story.complete("1")
    story.do(job.Delete(at=NOON))
    assert story.do(delivery(status=200)) == ["WebhookDelivered"]


def test_the_parent_of_a_job_is_remembered() -> None:
    parent = job.Parent(job=JOB, attempt=JOB)
    submitted = job.decide(
        job.Submit(at=NOON, job=JOB, definition=Story(task()).state.definition, parent=parent), job.initial()
    )
    assert job.evolve(job.initial(), submitted[0]).parent == parent


def test_what_is_over_has_no_children_and_is_not_tried_again() -> None:
    story = Story(task())
    story.complete("1")
    over = story.attempt("1")
    with pytest.raises(Refused, match="not a composite task under way"):
        story.state.branch(over.id)
    with pytest.raises(Refused, match="is over"):
        Flow(story.state, NOON).retry(over, job.TaskLost(at=NOON, attempt=over.id, reason="no"), 0, retries=0)
