"""The rules of webhooks: of which events they tell, how a message is named and signed, when it is tried again."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from uuid import UUID, uuid5

from domain.definition import JobDefinition, Webhook
from domain.expression import ExpressionError, render
from domain.job.scope import job_scope

JOB_STATE = "job.StateChange"
"""What a webhook is told of when it does not say."""
JOB_PROGRESS = "job.Progress"
TASK_STATE = "task.StateChange"
TASK_PROGRESS = "task.Progress"

TOPICS = {
    JOB_STATE: frozenset(
        {"JobSubmitted", "TaskClaimed", "TaskStarted", "SubjobStarted"}
        | {"JobCompleted", "JobFailed", "JobCancelled", "JobRestarted"}
    ),
    JOB_PROGRESS: frozenset({"TaskCompleted", "TaskSkipped", "TaskProgressed"}),
    TASK_STATE: frozenset(
        {"TaskScheduled", "TaskExpanded", "SubjobStarted", "TaskSkipped", "TaskRejected", "TaskStarted"}
        | {"TaskCompleted", "TaskFailed", "TaskLost", "JobFailed", "JobCancelled"}
    ),
    TASK_PROGRESS: frozenset({"TaskProgressed"}),
}
"""The tags of the events that may be told of; whether there is something to tell, the job's story up to it says."""

TRIES = 5
FIRST_PAUSE = 2.0
"""Seconds before a second try; each time twice as many."""
TOO_MANY_REQUESTS = 429
SERVER_ERROR = 500
PREFIX = "whsec_"
"""Marks a key that is written in base64."""


class BadKey(Exception):
    """The key of a signature can not be read."""


def kind(webhook: Webhook) -> str:
    """Return the kind of events that a webhook wants to be told of."""
    return webhook.event or JOB_STATE


def lane(webhooks: tuple[Webhook, ...], number: int) -> int:
    """Return the place of the first webhook with the same address: what goes there goes in one order."""
    return next(place for place, webhook in enumerate(webhooks) if webhook.url == webhooks[number].url)


def host(webhook: Webhook, job: UUID, definition: JobDefinition) -> str:
    """Return to whom an address leads, as far as is known from the start: what goes there shares what it can take."""
    try:
        url = render(webhook.url, job_scope(job, definition, {}))
    except ExpressionError:
        url = webhook.url
    return url.rpartition("://")[2].partition("/")[0]


def pause(number: int, status: int | None) -> float | None:
    """Return the seconds between a try that failed and the next one; nothing when there is to be none."""
    is_passing = status is None or status == TOO_MANY_REQUESTS or status >= SERVER_ERROR
    return FIRST_PAUSE * 2.0 ** (number - 1) if is_passing and number < TRIES else None


def message_id(job: UUID, cause: int, webhook: int, task: UUID | None = None) -> UUID:
    """Compute the name of a message, which is the same each time that it is sent.

    An event has one message, unless it ended several tasks: then each of them has its own.
    """
    return uuid5(job, f"{cause}:{webhook}" if task is None else f"{cause}:{webhook}:{task.hex}")


def signature(key: str, message: UUID, second: int, body: bytes) -> str:
    """Sign a message as the Standard Webhooks specification says, version 1."""
    signed = f"{message}.{second}.".encode() + body
    return f"v1,{base64.b64encode(hmac.digest(_key(key), signed, hashlib.sha256)).decode()}"


def _key(text: str) -> bytes:
    if not text.startswith(PREFIX):
        return text.encode()
    key = text.removeprefix(PREFIX)
    try:
        return base64.b64decode(key + "=" * (-len(key) % 4), validate=True)  # some leave the padding out
    except binascii.Error:
        raise BadKey(f"what follows {PREFIX} is not base64") from None
