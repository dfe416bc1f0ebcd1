"""How messages of webhooks are named, signed, put in order and tried again, and what is seen by their conditions."""

from __future__ import annotations

import base64
import json
import time
from typing import Any
from uuid import UUID

import pytest
import standardwebhooks

from app import __version__
from app.policies.address import Unacceptable
from app.policies.message import Letter, envelope, letters, message
from app.policies.story import Story as Told
from domain import job, webhook
from domain.definition import JobDefinition, Parallel, Webhook
from domain.event import Recorded
from tests import controls as c
from tests.story import Story, task

URL = "https://example.com/hook"
KEY = base64.b64encode(b"a key of twenty-four byte").decode()
BAD_FOR_THE_FIRST = "task.Path == '1' ? fromJSON('x') : true"
LETTER = Letter(UUID(int=7), b'{"id":"1"}')


@pytest.mark.parametrize(("number", "seconds"), [(1, 2.0), (2, 4.0), (3, 8.0), (4, 16.0), (5, None)])
def test_a_try_that_failed_is_followed_by_four_more_each_after_twice_the_time(number: int, seconds: Any) -> None:
    assert webhook.pause(number, 500) == seconds
    assert webhook.pause(number, None) == seconds


@pytest.mark.parametrize(
    ("status", "is_final"),
    [(None, False), (429, False), (500, False), (503, False), (599, False), (302, True), (400, True), (404, True)],
)
def test_only_what_may_pass_is_tried_again(status: int | None, *, is_final: bool) -> None:
    assert (webhook.pause(1, status) is None) == is_final


def test_a_message_has_the_same_name_each_time_and_no_other_has_it() -> None:
    names = {
        webhook.message_id(c.JOB, cause, number, task_id)
        for cause in (1, 11)
        for number in (0, 1)
        for task_id in (None, c.ATTEMPT_1, c.ATTEMPT_2)
    }
    assert len(names) == 12


@pytest.mark.parametrize("key", [f"whsec_{KEY}", f"whsec_{KEY.rstrip('=')}"])
def test_a_signature_is_as_the_standard_has_it(key: str) -> None:
    second = int(time.time())
    headers = {
        "webhook-id": str(LETTER.id),
        "webhook-timestamp": str(second),
        "webhook-signature": webhook.signature(key, LETTER.id, second, LETTER.body),
    }
    assert standardwebhooks.Webhook(key).verify(LETTER.body, headers) == {"id": "1"}


def test_a_key_that_is_a_plain_text_is_taken_as_it_is() -> None:
    second = int(time.time())
    headers = {
        "webhook-id": str(LETTER.id),
        "webhook-timestamp": str(second),
        "webhook-signature": webhook.signature("a plain text", LETTER.id, second, LETTER.body),
    }
    assert standardwebhooks.Webhook(b"a plain text").verify(LETTER.body, headers) == {"id": "1"}


def test_a_key_that_says_it_is_base64_must_be() -> None:
    with pytest.raises(webhook.BadKey, match="not base64"):
        webhook.signature("whsec_not base64!", LETTER.id, 1, b"")


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://example.com/x", "example.com"),
        ("http://10.0.0.1:8080", "10.0.0.1:8080"),
        ("https://{{ inputs.host }}:1/x", "b.example:1"),
        ("{{ tasks.a }}", ""),
        ("{{ nonsense }}", "{{ nonsense }}"),
        ("https://{{ secrets.s }}/x", "\0secret:s\0"),
    ],
)
def test_the_host_of_a_webhook_is_known_as_far_as_the_job_tells(url: str, host: str) -> None:
    definition = JobDefinition(name="n", tasks=(task(),), inputs={"host": "b.example"}, secrets={"s": "\0secret:s\0"})
    assert webhook.host(Webhook(url=url), c.JOB, definition) == host


def told(story: Story) -> Told:
    """Tell a whole story."""
    teller = Told()
    for number, event in enumerate(story.events, 1):
        teller.tell(Recorded(c.JOB, number, event, c.NOON, c.CLIENT, number))
    return teller


def begun(**given: Any) -> Told:
    """Tell of a job that was just handed in, up to its first event."""
    story = Story(task(), webhooks=(Webhook(**{"url": URL} | given),), inputs={"a": "b"}, secrets={"s": "\0secret:s\0"})
    story.events = story.events[:1]
    return told(story)


def running(kind: str, condition: str) -> Told:
    """Tell of a job whose first task is at 12 percent."""
    story = Story(task(tags=("a",)), task(), webhooks=(Webhook(url=URL, event=kind, condition=condition),))
    story.start("1")
    story.report("1", job.Progress, progress=12.0)
    return told(story)


@pytest.mark.parametrize(
    ("condition", "is_sent"),
    [
        ("job.State == 'PENDING'", True),
        ("{{ job.State == 'PENDING' }}", True),
        ("{{ job.State == 'COMPLETED' }}", False),
        ("job.state == 'PENDING' && job.Name == job.name", True),
        (f"job.ID == '{c.JOB.hex}' && job.id == job.ID", True),
        ("job.CompletedAt != nil", False),
        ("job.Progress < 1 && job.Position == 0", True),
        ("job.Error == '' && job.Result == '' && job.ParentID == ''", True),
    ],
)
def test_a_condition_sees_the_job_by_the_names_of_go_and_of_json(condition: str, *, is_sent: bool) -> None:
    assert bool(letters(begun(condition=condition), 0)) == is_sent


@pytest.mark.parametrize(
    ("condition", "is_sent"),
    [
        ("task.State == 'RUNNING' && job.State == 'RUNNING'", True),
        ("task.Progress > 10 && task.progress < 13", True),
        ("task.Position == 1 && task.position == 1", True),
        (f"task.JobID == '{c.JOB.hex}' && task.jobId == job.id", True),
        ("'a' in task.Tags", True),
        ("task.StartedAt != nil && task.CompletedAt == nil", True),
        ("task.StartedAt.Year() == 2026", True),
        ("task.State == 'FAILED'", False),
    ],
)
def test_a_condition_sees_the_task_where_there_is_one(condition: str, *, is_sent: bool) -> None:
    assert bool(letters(running(webhook.TASK_PROGRESS, condition), 0)) == is_sent


@pytest.mark.parametrize("condition", ["task.State == 'RUNNING'", "nonsense", "1 +", "fromJSON('x')"])
def test_a_condition_that_has_no_value_says_why(condition: str) -> None:
    (letter,) = letters(begun(condition=condition), 0)
    assert letter.problem.startswith("if: ")
    with pytest.raises(Unacceptable, match=r"^if: "):
        message(letter, envelope(begun(), 0, {}), 99)


def test_a_condition_that_has_no_value_for_one_task_says_nothing_about_the_others() -> None:
    hook = Webhook(url=URL, event=webhook.TASK_STATE, condition=BAD_FOR_THE_FIRST)
    story = Story(task(parallel=Parallel(tasks=(task(), task()))), webhooks=(hook,))
    story.do(job.Cancel(at=c.NOON))
    first, *others = letters(told(story), 0)
    assert first.problem.startswith("if: ")
    assert [(json.loads(each.body)["path"], each.problem) for each in others] == [("1.1", ""), ("1.2", "")]


def test_of_each_task_that_one_event_ends_there_is_a_message_of_its_own() -> None:
    hook = Webhook(url=URL, event=webhook.TASK_STATE)
    story = Story(task(parallel=Parallel(tasks=(task(), task()))), webhooks=(hook,))
    story.do(job.Cancel(at=c.NOON))
    written = letters(told(story), 0)
    assert [json.loads(letter.body)["path"] for letter in written] == ["1", "1.1", "1.2"]
    assert len({letter.id for letter in written}) == 3


def test_a_body_is_what_the_api_shows() -> None:
    (letter,) = letters(begun(), 0)
    assert json.loads(letter.body) == {
        "id": c.JOB.hex,
        "name": "story",
        "inputs": {"a": "b"},
        "state": "PENDING",
        "createdAt": "2026-11-24T12:00:00.000001Z",
        "position": 0,
        "taskCount": 1,
    }


def test_a_message_says_what_it_is_and_from_whom() -> None:
    sent = message(LETTER, envelope(begun(), 0, {}), 99)
    assert sent.headers == {
        "content-type": "application/json; charset=UTF-8",
        "user-agent": f"jobledger/{__version__}",
        "webhook-id": str(LETTER.id),
        "webhook-timestamp": "99",
    }


def test_headers_url_and_key_are_written_with_what_the_job_knows_and_with_its_secrets() -> None:
    hook = begun(
        url="https://example.com/{{ inputs.a }}?k={{ secrets.s }}",
        headers={"Authorization": "Bearer {{ secrets.s }}", "X-Job": "{{ job.name }} {{ inputs.a }}"},
        secret="{{ secrets.s }}",  # noqa: S106 - it is the place of one
    )
    cover = envelope(hook, 0, {"s": "pa55word"})
    assert cover.to.path == "/b?k=pa55word"
    assert cover.headers["authorization"] == "Bearer pa55word"
    assert cover.headers["x-job"] == "story b"
    assert cover.key == "pa55word"


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"url": "{{ inputs.a }}"}, "url: not an address of the web"),
        ({"url": "http://%zz"}, "url: not an address of the web"),
        ({"url": "ftp://example.com/"}, "url: not an address of the web"),
        ({"url": "http://user:pa55word@example.com/"}, "url: an address with a user name in it"),
        ({"secret": "\0secret:gone\0"}, "secret: the secret gone is no longer kept"),
        ({"headers": {"X": "{{ nosuch }}"}}, "headers.X: unknown name nosuch"),
        ({"headers": {"X": "{{ inputs.a }}\r\nHost: evil"}}, "headers.X: not a value of a header"),
        ({"headers": {"Host": "evil"}}, "headers.Host: this header can not be set"),
        ({"headers": {"webhook-id": "1"}}, "headers.webhook-id: this header can not be set"),
    ],
)
def test_what_can_not_be_sent_says_why(given: dict[str, Any], why: str) -> None:
    with pytest.raises(Unacceptable) as refused:
        envelope(begun(**given), 0, {"s": "pa55word"})
    assert str(refused.value).startswith(why)
    assert "pa55word" not in str(refused.value)
