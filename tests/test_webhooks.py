"""Webhooks from the log to their receivers, over real HTTP."""

from __future__ import annotations

import base64
import json
import sqlite3
import time
from contextlib import closing
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import standardwebhooks

from domain import webhook
from domain.definition import Parallel, Webhook
from domain.job import Complete, JobCompleted, RecordDelivery, WebhookAttempted, WebhookDelivered, WebhookGaveUp
from projections import agenda
from tests.receiver import Answer, Office, Receiver, breaks, hangs, redirects, task
from tests.waiting import until

STATES = ["PENDING", "SCHEDULED", "RUNNING", "COMPLETED"]
OUTCOMES = (WebhookDelivered, WebhookAttempted, WebhookGaveUp)
COUNTS = [f"SELECT count(*) FROM {name}" for name in agenda.TABLES]  # noqa: S608 - constants


@pytest.fixture
def _hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the tries follow each other soon."""
    monkeypatch.setattr(webhook, "FIRST_PAUSE", 0.01)


def outcomes(office: Office, job_id: UUID) -> list[tuple[str, int, int, int | None]]:
    """Return what was recorded: the kind, the cause, the number of the try and the status."""
    found = office.events(job_id, OUTCOMES)
    return [(type(each).__name__.removeprefix("Webhook"), each.cause, each.number, each.status) for each in found]


def rows(office: Office) -> int:
    """Count what the agenda holds."""
    with closing(sqlite3.connect(office.settings.policies / "agenda.db")) as connection:
        return sum(connection.execute(statement).fetchone()[0] for statement in COUNTS)


def settles(office: Office, job_id: UUID, count: int = 1) -> list[Any]:
    """Wait until so many deliveries are settled."""
    until(lambda: len(office.events(job_id, (WebhookDelivered, WebhookGaveUp))) >= count)
    return office.events(job_id, OUTCOMES)


def test_all_states_of_a_job_arrive_in_order_and_signed(office: Office) -> None:
    key = "whsec_" + base64.b64encode(b"a key of twenty-four byte").decode()
    with Receiver() as receiver, office.policies():
        job_id = office.submit(task(), webhooks=(Webhook(url=receiver.url, secret=key),))
        office.complete(job_id)
        receiver.has(4)
        until(lambda: rows(office) == 1)  # the secret's
    assert receiver.states() == STATES
    for each in receiver.received:
        assert standardwebhooks.Webhook(key).verify(each.body, each.headers)["id"] == job_id.hex
    causes = [each.cause for each in settles(office, job_id)]
    assert causes == sorted(causes)
    names = [str(webhook.message_id(job_id, cause, 0)) for cause in causes]
    assert [each.headers["webhook-id"] for each in receiver.received] == names


def test_who_recorded_a_delivery_and_why_is_in_the_log(office: Office) -> None:
    with Receiver() as receiver, office.policies():
        job_id = office.submit(task(), webhooks=(Webhook(url=receiver.url),))
        settles(office, job_id)
    submitted, *_, delivered = [office.log.open(each) for each in office.log.recorder.select_notifications(0, 10)]
    assert (delivered.context.actor.kind, delivered.context.actor.id) == ("system", "policy")
    assert delivered.context.causation_id == str(submitted.position)
    assert delivered.context.correlation_id == submitted.context.correlation_id


@pytest.mark.usefixtures("_hasty")
def test_what_fails_for_now_is_tried_again_and_nothing_overtakes_it(office: Office) -> None:
    with Receiver(500, 429, breaks) as receiver, office.policies():
        job_id = office.submit(task(), webhooks=(Webhook(url=receiver.url),))
        office.complete(job_id)
        receiver.has(7)
        settles(office, job_id, 4)
    assert receiver.states() == ["PENDING"] * 3 + STATES
    assert len({each.headers["webhook-id"] for each in receiver.received}) == 4
    assert outcomes(office, job_id)[:4] == [
        ("Attempted", 1, 1, 500),
        ("Attempted", 1, 2, 429),
        ("Attempted", 1, 3, None),
        ("Delivered", 1, 4, 200),
    ]


def test_the_second_try_comes_two_seconds_after_the_first(office: Office) -> None:
    with Receiver(503) as receiver, office.policies():
        job_id = office.submit(task(), webhooks=(Webhook(url=receiver.url),))
        first, second = receiver.has(2)
        settles(office, job_id)
    assert second.at - first.at > 1.9
    (attempted,) = office.events(job_id, WebhookAttempted)
    assert (attempted.due - attempted.at).total_seconds() == 2.0
    assert attempted.error == "HTTP 503 Service Unavailable"


@pytest.mark.usefixtures("_hasty")
def test_after_five_tries_it_is_given_up_and_the_next_one_begins(office: Office) -> None:
    with Receiver(500, 500, 500, 500, 500) as receiver, office.policies():
        job_id = office.submit(task(), webhooks=(Webhook(url=receiver.url),))
        office.complete(job_id)
        settles(office, job_id, 4)
    assert receiver.states() == ["PENDING"] * 5 + STATES[1:]
    assert outcomes(office, job_id)[4] == ("GaveUp", 1, 5, 500)


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (404, "HTTP 404 Not Found"),
        (redirects("http://169.254.169.254/"), "HTTP 307 Temporary Redirect: redirects are not followed"),
    ],
)
def test_what_will_not_pass_is_given_up_at_once(office: Office, answer: Answer, error: str) -> None:
    with Receiver(answer) as receiver, office.policies():
        job_id = office.submit(task(), webhooks=(Webhook(url=receiver.url),))
        (gave_up,) = settles(office, job_id)
    assert (gave_up.number, gave_up.error) == (1, error)


@pytest.mark.parametrize(
    ("given", "error"),
    [
        ({"url": "http://{{ inputs.host }}/"}, "url: not an address of the web"),
        ({"if": "job.State ==="}, "if: "),
        ({"headers": {"X": "{{ fromJSON(inputs.host) }}"}}, "headers.X: "),
        ({"secret": "whsec_!"}, "secret: what follows whsec_ is not base64"),
    ],
)
def test_what_can_not_be_sent_is_given_up_and_all_else_goes_on(
    office: Office, given: dict[str, Any], error: str
) -> None:
    condition = given.pop("if", "")
    with Receiver() as receiver, office.policies():
        bad = Webhook(**{"url": receiver.url, "condition": condition} | given)
        good = Webhook(url=f"{receiver.url}/good")
        job_id = office.submit(task(), webhooks=(bad, good), inputs={"host": "%zz"})
        office.complete(job_id)
        settles(office, job_id, 8)
    assert [each.path for each in receiver.received] == ["/hook/good"] * 4
    gave_up = office.events(job_id, WebhookGaveUp)
    assert len(gave_up) == 4
    assert gave_up[0].error.startswith(error)


def test_an_address_that_is_not_public_is_not_sent_to(tmp_path: Path) -> None:
    office = Office(tmp_path, host="0.0.0.0")  # noqa: S104 - an API that is served to others
    with Receiver() as receiver, office.policies():
        job_id = office.submit(task(), webhooks=(Webhook(url=receiver.url),))
        (gave_up,) = settles(office, job_id)
    office.close()
    assert gave_up.error.startswith("address_not_allowed: 127.0.0.1")
    assert receiver.received == []


def test_what_a_condition_rules_out_is_neither_sent_nor_recorded(office: Office) -> None:
    with Receiver() as receiver, office.policies():
        job_id = office.submit(task(), webhooks=(Webhook(url=receiver.url, condition="job.State == 'RUNNING'"),))
        office.complete(job_id)
        receiver.has(1)
        until(lambda: rows(office) == 0)
    assert receiver.states() == ["RUNNING"]
    assert len(outcomes(office, job_id)) == 1


def test_webhooks_with_one_address_are_told_in_one_order(office: Office) -> None:
    with Receiver() as receiver, office.policies():
        hooks = (Webhook(url=receiver.url, event="task.StateChange"), Webhook(url=receiver.url))
        job_id = office.submit(task(), webhooks=hooks)
        office.complete(job_id)
        receiver.has(7)
    told = ["task" if "jobId" in each.json else "job" for each in receiver.received]
    assert told == ["job", "task", "job", "task", "job", "task", "job"]


def test_secrets_reach_the_receiver_and_nothing_else(office: Office) -> None:
    hook = {"headers": {"Authorization": "Bearer {{ secrets.token }}"}, "secret": "{{ secrets.key }}"}
    secrets = {"token": "canary-one", "key": "canary-two"}
    with Receiver(404) as receiver, office.policies():
        url = f"{receiver.url}/{{{{ secrets.token }}}}"
        job_id = office.submit(task(), webhooks=(Webhook(url=url, **hook),), secrets=secrets)
        settles(office, job_id)
        (received,) = receiver.received
        standardwebhooks.Webhook(b"canary-two").verify(received.body, received.headers)
    assert received.headers["authorization"] == "Bearer canary-one"
    assert received.path == "/hook/canary-one"
    assert b"canary" not in received.body
    for path in office.settings.data.rglob("*"):
        assert path.is_dir() or b"canary" not in path.read_bytes()


def test_an_error_does_not_show_a_secret(office: Office) -> None:
    with office.policies():
        hook = Webhook(url="http://{{ secrets.host }}/")
        job_id = office.submit(task(), webhooks=(hook,), secrets={"host": "10.9.8.7"})
        (gave_up,) = settles(office, job_id)
    assert gave_up.error == "address_not_allowed: [REDACTED] is not an address of the public internet"


def test_receivers_that_do_not_answer_do_not_hold_up_others(office: Office) -> None:
    with Receiver(always=hangs) as dead, Receiver() as receiver, office.policies():
        for _ in range(8):
            office.submit(task(), webhooks=(Webhook(url=dead.url),))
        dead.has(4)
        began = time.monotonic()
        job_id = office.submit(task(), webhooks=(Webhook(url=receiver.url),))
        settles(office, job_id)
        assert time.monotonic() - began < 4.0
        assert len(dead.received) == 4


def test_what_was_told_is_not_told_again_by_the_next_process(office: Office) -> None:
    with Receiver() as receiver:
        for _ in range(2):
            with office.policies():
                job_id = office.submit(task(), webhooks=(Webhook(url=receiver.url),))
                settles(office, job_id)
        assert len(receiver.received) == 2


@pytest.mark.usefixtures("_hasty")
def test_an_agenda_that_is_deleted_comes_back_without_what_was_settled(office: Office) -> None:
    with Receiver(200, 404, 500) as receiver:
        hook = Webhook(url=receiver.url)
        with office.policies():
            job_id = office.submit(task(), webhooks=(hook,))
            office.start(job_id)
            settles(office, job_id, 3)
        for path in office.settings.policies.iterdir():
            path.unlink()
        office.report(job_id, "1", Complete)
        with office.policies():
            settles(office, job_id, 4)
    assert receiver.states() == ["PENDING", "SCHEDULED", "RUNNING", "RUNNING", "COMPLETED"]


def test_what_happened_while_nobody_followed_is_told_at_the_next_start(office: Office) -> None:
    with Receiver() as receiver:
        job_id = office.submit(task(), webhooks=(Webhook(url=receiver.url),))
        office.complete(job_id)
        with office.policies():
            receiver.has(4)
    assert receiver.states() == STATES


def test_ending_does_not_wait_for_receivers_and_the_next_start_tells_them_again(office: Office) -> None:
    with Receiver(hangs) as receiver:
        with office.policies():
            job_id = office.submit(task(), webhooks=(Webhook(url=receiver.url),))
            receiver.has(1)
            began = time.monotonic()
        assert time.monotonic() - began < 3.5
        assert outcomes(office, job_id) == []
        with office.policies():
            settles(office, job_id)
    assert receiver.states() == ["PENDING", "PENDING"]
    assert outcomes(office, job_id) == [("Delivered", 1, 1, 200)]


@pytest.mark.usefixtures("_hasty")
def test_of_many_messages_for_one_event_those_that_arrived_are_not_sent_again(office: Office) -> None:
    with Receiver() as receiver, office.policies():
        hook = Webhook(url=receiver.url, event="task.StateChange", condition="task.State == 'CANCELLED'")
        job_id = office.submit(task(parallel=Parallel(tasks=(task(), task()))), webhooks=(hook,))
        receiver.answers = [200, 500]
        office.cancel(job_id)
        settles(office, job_id)
    assert [json.loads(each.body)["path"] for each in receiver.received] == ["1", "1.1", "1.1", "1.2"]


def cancels_two(office: Office, receiver: Receiver, *answers: Answer, condition: str = "") -> Any:
    """Call off a job with a composite task of two, and return how the one delivery for all three was settled."""
    wanted = " && ".join(filter(None, ("task.State == 'CANCELLED'", condition)))
    hook = Webhook(url=receiver.url, event="task.StateChange", condition=wanted)
    job_id = office.submit(task(parallel=Parallel(tasks=(task(), task()))), webhooks=(hook,))
    receiver.answers = [*answers]
    office.cancel(job_id)
    return settles(office, job_id)[-1]


def paths(receiver: Receiver) -> list[str]:
    return [json.loads(each.body)["path"] for each in receiver.received]


def test_of_many_messages_for_one_event_one_that_is_refused_does_not_keep_back_the_others(office: Office) -> None:
    with Receiver() as receiver, office.policies():
        settled = cancels_two(office, receiver, 400)
    assert paths(receiver) == ["1", "1.1", "1.2"]
    assert isinstance(settled, WebhookGaveUp)
    assert (settled.number, settled.status) == (1, 400)
    assert settled.error == "HTTP 400 Bad Request (1 of 3 messages)"


@pytest.mark.usefixtures("_hasty")
def test_of_many_messages_for_one_event_one_that_fails_five_times_does_not_keep_back_the_others(
    office: Office,
) -> None:
    with Receiver() as receiver, office.policies():
        settled = cancels_two(office, receiver, 404, 500, 500, 500, 500, 500)
    assert paths(receiver) == ["1", "1.1", "1.1", "1.1", "1.1", "1.1", "1.2"]
    assert isinstance(settled, WebhookGaveUp)
    assert (settled.number, settled.status) == (5, 500)
    assert settled.error == "HTTP 404 Not Found (1 of 3 messages); HTTP 500 Internal Server Error (1 of 3 messages)"


def test_a_condition_that_has_no_value_for_one_task_does_not_keep_back_what_is_told_of_others(office: Office) -> None:
    with Receiver() as receiver, office.policies():
        condition = "(task.Path == '1.1' ? fromJSON('x') : true)"
        settled = cancels_two(office, receiver, condition=condition)
    assert paths(receiver) == ["1", "1.2"]
    assert isinstance(settled, WebhookGaveUp)
    assert settled.error.startswith("if: ")
    assert settled.error.endswith(" (1 of 3 messages)")


def test_a_restart_is_told_also_when_all_before_it_was_settled(office: Office) -> None:
    with Receiver() as receiver, office.policies():
        job_id = office.submit(task(), webhooks=(Webhook(url=receiver.url),))
        office.cancel(job_id)
        until(lambda: rows(office) == 0)
        office.restart(job_id)
        receiver.has(3)
    assert receiver.states() == ["PENDING", "CANCELLED", "PENDING"]


def test_a_long_history_is_told_in_order(office: Office) -> None:
    with Receiver() as receiver:
        hook = Webhook(url=receiver.url, event="task.StateChange")
        job_id = office.submit(*[task() for _ in range(40)], webhooks=(hook,))
        for place in range(1, 41):
            office.complete(job_id, str(place))
        assert office.events(job_id, JobCompleted)
        with office.policies():
            settles(office, job_id, 120)
    told = [(each.json["position"], each.json["state"]) for each in receiver.received]
    assert told == [(place, state) for place in range(1, 41) for state in ("SCHEDULED", "RUNNING", "COMPLETED")]


def test_a_delivery_that_can_not_be_recorded_now_is_not_made_again(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.policies.clerk.RETRY", 0.05)
    failures = [OSError("the disk is full")] * 2
    execute = office.log.execute

    def executes(decider: Any, stream: UUID, command: Any, context: Any) -> Any:
        if failures and isinstance(command, RecordDelivery):
            raise failures.pop()
        return execute(decider, stream, command, context)

    monkeypatch.setattr(office.log, "execute", executes)
    with Receiver() as receiver, office.policies():
        job_id = office.submit(task(), webhooks=(Webhook(url=receiver.url),))
        settles(office, job_id)
    assert not failures
    assert len(receiver.received) == 1
