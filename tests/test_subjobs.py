"""Jobs that tasks start: submitted, waited for, called off."""

from __future__ import annotations

import time
from contextlib import closing
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from app.policies.desk import Desk
from app.policies.errands import Errands
from app.policies.follower import Follower
from domain.definition import Each, Registry, Subjob, TaskDefinition, Webhook
from domain.job import JobCancelled, JobSubmitted, SubjobStarted, TaskCompleted, TaskFailed
from domain.secrets import reveal
from tests.receiver import Office, Receiver, task
from tests.waiting import until


def starts(*tasks: TaskDefinition, **given: Any) -> TaskDefinition:
    """Make a task that starts a job."""
    return task(name="starts", subjob=Subjob(**{"name": "inner", "tasks": tasks or (task(),)} | given))


def child(office: Office, job_id: UUID, path: str = "1") -> UUID:
    """Wait until a task's job is there, and return its id."""
    until(lambda: office.attempt(job_id, path).job)
    found = office.attempt(job_id, path).job
    assert found is not None
    until(lambda: office.recorded(found))
    return found


def test_a_sub_job_is_a_job_of_its_own_whose_result_is_the_task_s(office: Office) -> None:
    with office.policies():
        inner = starts(output="{{ tasks.a }}-{{ inputs.x }}", inputs={"x": "{{ inputs.y }}"}, description="d")
        job_id = office.submit(inner, task(), inputs={"y": "42"})
        sub = child(office, job_id)
        assert office.state(sub).definition.inputs == {"x": "42"}
        office.complete(sub)
        office.ends(sub)
        until(lambda: office.events(job_id, TaskCompleted))
    (done,) = office.events(job_id, TaskCompleted)
    assert done.result == "-42"
    assert office.attempt(job_id, "2")


def test_who_submitted_a_sub_job_and_why_is_in_the_log(office: Office) -> None:
    with office.policies():
        sub = child(office, office.submit(starts()))
    notifications = [office.log.open(each) for each in office.log.recorder.select_notifications(0, 10)]
    cause = next(each for each in notifications if type(each.event).__name__ == "SubjobStarted")
    submitted = next(each for each in notifications if each.originator_id == sub)
    assert (submitted.context.actor.kind, submitted.context.actor.id) == ("system", "policy")
    assert submitted.context.causation_id == str(cause.position)
    assert submitted.context.correlation_id == cause.context.correlation_id == "r1"


def test_the_failure_of_a_sub_job_is_the_task_s(office: Office) -> None:
    with office.policies():
        job_id = office.submit(starts())
        office.fail(child(office, job_id), error="exit code 3")
        assert office.ends(job_id) == "FAILED"
    (failed,) = office.events(job_id, TaskFailed)
    assert (failed.error, failed.cause) == ("exit code 3", "subjob")


def test_a_sub_job_that_is_called_off_fails_the_task(office: Office) -> None:
    with office.policies():
        job_id = office.submit(starts())
        office.cancel(child(office, job_id))
        assert office.ends(job_id) == "FAILED"
    (failed,) = office.events(job_id, TaskFailed)
    assert failed.error == "the sub-job was cancelled"


def test_a_sub_job_that_is_restarted_changes_nothing_for_the_one_that_waited(office: Office) -> None:
    with office.policies():
        job_id = office.submit(starts())
        sub = child(office, job_id)
        office.fail(sub)
        office.ends(job_id)
        before = len(office.recorded(job_id))
        office.restart(sub)
        office.complete(sub)
        marker = office.submit(starts())  # what comes later is done, so is what came before
        child(office, marker)
    assert office.state(sub).status == "COMPLETED"
    assert len(office.recorded(job_id)) == before


def test_with_a_job_that_is_called_off_go_all_that_it_waits_for_however_deep(office: Office) -> None:
    with office.policies():
        job_id = office.submit(starts(starts(task())))
        middle = child(office, job_id)
        deepest = child(office, middle)
        office.cancel(job_id)
        assert office.ends(middle) == office.ends(deepest) == "CANCELLED"
    (cancelled,) = [each for each in office.recorded(deepest) if isinstance(each.event, JobCancelled)]
    assert cancelled.context.reason == f"job {middle.hex}, which had started it, was cancelled"


def test_with_a_job_that_fails_go_the_sub_jobs_beside_the_one_that_failed(office: Office) -> None:
    with office.policies():
        job_id = office.submit(task(each=Each(list="[1, 2, 3]", task=starts())))
        first, *others = [child(office, job_id, f"1.{place}") for place in (1, 2, 3)]
        office.fail(first)
        assert [office.ends(each) for each in (job_id, *others)] == ["FAILED", "CANCELLED", "CANCELLED"]


def test_a_restarted_job_starts_another_sub_job(office: Office) -> None:
    with office.policies():
        job_id = office.submit(starts())
        first = child(office, job_id)
        office.cancel(job_id)
        office.ends(first)
        office.restart(job_id)
        second = child(office, job_id)
        assert second != first
        office.complete(second)
        assert office.ends(job_id) == "COMPLETED"


def test_a_detached_sub_job_goes_its_own_way(office: Office) -> None:
    with office.policies():
        job_id = office.submit(starts(detached=True), task())
        sub = child(office, job_id)
        office.cancel(job_id)
        marker = office.submit(starts())
        child(office, marker)
        assert office.state(sub).status.is_active
        assert office.state(sub).parent is None


@pytest.mark.parametrize("detached", [False, True])
def test_a_sub_job_has_the_secrets_that_it_is_given_and_needs(office: Office, *, detached: bool) -> None:
    private = task(registry=Registry(username="u", password="of-the-registry"))  # noqa: S106 - made up
    inner = starts(private, secrets={"token": "{{ secrets.outer }}", "own": "its-own-value"}, detached=detached)
    with office.policies():
        job_id = office.submit(inner, secrets={"outer": "outer-value"})
        sub = child(office, job_id)
    definition = office.state(sub).definition
    values = office.vault.values(sub)
    assert {name: reveal(text, values) for name, text in definition.secrets.items()} == {
        "token": "outer-value",
        "own": "its-own-value",
    }
    assert reveal(definition.tasks[0].registry.password, values) == "of-the-registry"


def test_webhooks_of_a_sub_job_are_told_with_the_secrets_of_the_job_that_started_it(office: Office) -> None:
    with Receiver() as receiver, office.policies():
        hook = Webhook(url=receiver.url, headers={"X-Key": "{{ secrets.outer }}"})
        job_id = office.submit(starts(webhooks=(hook,)), secrets={"outer": "outer-value"})
        (received,) = receiver.has(1)
    assert received.headers["x-key"] == "outer-value"
    assert received.json["parentJobId"] == job_id.hex


def test_a_sub_job_whose_secrets_are_gone_fails_the_task(office: Office) -> None:
    job_id = office.submit(starts(secrets={"token": "{{ secrets.outer }}"}), secrets={"outer": "outer-value"})
    office.vault.forget(job_id)
    with office.policies():
        assert office.ends(job_id) == "FAILED"
    (failed,) = office.events(job_id, TaskFailed)
    assert failed.error == "the secret outer is no longer kept: submit the job anew"


def test_secrets_are_kept_until_all_sub_jobs_are_started_that_may_need_them(tmp_path: Path) -> None:
    with closing(Office(tmp_path, secrets_kept=0.0)) as forgetful:
        inner = starts(secrets={"token": "{{ secrets.outer }}"}, detached=True)
        many = task(each=Each(list="sequence(0, 250)", task=inner))
        job_id = forgetful.submit(many, secrets={"outer": "outer-value"})
        assert forgetful.state(job_id).status == "COMPLETED"
        started = [each.job for each in forgetful.events(job_id, SubjobStarted)]
        with forgetful.policies():
            until(lambda: not forgetful.vault.values(job_id))
            assert [each for each in started if not forgetful.log.version(each)] == []


def test_an_agenda_that_is_deleted_asks_nothing_twice(office: Office) -> None:
    with office.policies():
        job_id = office.submit(starts(), task())
        sub = child(office, job_id)
        office.cancel(job_id)
        office.ends(sub)
        office.restart(sub)
    for path in office.settings.policies.iterdir():
        path.unlink()
    with office.policies():
        child(office, office.submit(starts()))
    assert office.state(sub).status.is_active
    assert len(office.events(sub, JobSubmitted)) == 1


def test_many_sub_jobs_are_started_and_waited_for(office: Office) -> None:
    with office.policies():
        job_id = office.submit(task(each=Each(list="sequence(0, 30)", task=starts(task(condition="false")))))
        assert office.ends(job_id) == "COMPLETED"


def test_commands_to_one_job_keep_their_order_when_one_can_not_be_sent(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.policies.clerk.RETRY", 0.05)
    failures = [OSError("the disk is full")] * 2
    put = office.vault.put

    def puts(*given: Any) -> None:
        if failures:
            raise failures.pop()
        put(*given)

    job_id = office.submit(starts())
    office.cancel(job_id)
    monkeypatch.setattr(office.vault, "put", puts)
    with office.policies():
        sub = office.attempt(job_id, "1").job
        assert sub
        assert office.ends(sub) == "CANCELLED"
    assert not failures


def test_to_send_a_command_twice_does_no_harm(office: Office) -> None:
    job_id = office.submit(starts(secrets={"token": "{{ secrets.outer }}"}), secrets={"outer": "outer-value"})
    follower = Follower(office.log, office.settings.policies / "agenda.db", 60.0)
    follower.start(lambda _: None)
    until(lambda: follower.position == office.log.acknowledged)
    follower.stop()
    with closing(Desk(office.settings.policies / "agenda.db")) as desk:
        (errand,) = desk.errands(time.time())
    errands = Errands(office.log, office.vault, office.settings.output)
    errands.run(errand)
    office.vault.forget(job_id)  # now the job could not be submitted any more
    errands.run(errand)
    assert len(office.events(errand.stream, JobSubmitted)) == 1
    assert office.state(job_id).status.is_active
