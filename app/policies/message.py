"""What a webhook says: its bodies, which of them are wanted, and its headers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

import msgspec

from app import __version__
from app.policies.address import Target, Unacceptable, target
from app.policies.post import Message
from app.policies.story import Story
from app.policies.summaries import TaskSummary
from domain import names, webhook
from domain.definition import Webhook
from domain.expression import ExpressionError, condition, render
from domain.expression.values import Time
from domain.job.scope import job_scope
from domain.secrets import SecretGone, reveal
from projections.wire import JobSummary, shown

HEADERS = {"content-type": "application/json; charset=UTF-8", "user-agent": f"jobledger/{__version__}"}
"""What is sent unless the job says otherwise."""
GO_NAMES = {"id": "ID", "jobId": "JobID", "parentId": "ParentID", "parentJobId": "ParentJobID"}
"""Names that Tork's own expressions use, where they are not just the others with a capital."""
EMPTY: dict[str, Any] = {"position": 0, "taskCount": 0, "progress": 0.0, "tags": [], "inputs": {}}
"""What there is in the place of nothing; of times that is nothing, of texts the empty one."""


class Letter(NamedTuple):
    """One thing to tell."""

    id: UUID
    body: bytes
    problem: str = ""
    """Why it can not be told whether the webhook wants it: then it is not sent."""


class Envelope(NamedTuple):
    """What is the same for all that is told of one event. It has secrets in it, and must not be stored."""

    to: Target
    headers: Mapping[str, str]
    key: str


def letters(story: Story, number: int) -> Sequence[Letter]:
    """Write what one of the job's webhooks has to tell of the last event."""
    subjects = story.news.get(webhook.kind(story.definition.webhooks[number]), ())
    written = (_letter(story, number, subject, len(subjects)) for subject in subjects)
    return [letter for letter in written if letter]


def envelope(story: Story, number: int, values: Mapping[str, str]) -> Envelope:
    """Address what one of the job's webhooks tells of the last event."""
    hook = story.definition.webhooks[number]
    scope = {**job_scope(story.state.id, story.definition, story.state.results), **_chance(story)}

    def rendered(field: str, text: str) -> str:
        try:
            return reveal(render(text, scope), values)
        except (ExpressionError, SecretGone) as error:
            raise Unacceptable(f"{field}: {error}") from None

    headers = {name.lower(): _header(name, rendered(f"headers.{name}", text)) for name, text in hook.headers.items()}
    return Envelope(target(rendered("url", hook.url)), HEADERS | headers, rendered("secret", hook.secret))


def message(letter: Letter, cover: Envelope, second: int) -> Message:
    """Put a letter in its envelope, and sign it if that was asked for."""
    if letter.problem:
        raise Unacceptable(letter.problem)
    headers = {**cover.headers, "webhook-id": str(letter.id), "webhook-timestamp": str(second)}
    if cover.key:
        try:
            headers["webhook-signature"] = webhook.signature(cover.key, letter.id, second, letter.body)
        except webhook.BadKey as error:
            raise Unacceptable(f"secret: {error}") from None
    return Message(headers, letter.body)


def _letter(story: Story, number: int, task: TaskSummary | None, many: int) -> Letter | None:
    """Write what there is to tell of one subject, if it is wanted; each is judged by itself."""
    name = _id(story, number, task, many)
    try:
        is_wanted = _is_wanted(story.definition.webhooks[number], story, task)
    except ExpressionError as error:
        return Letter(name, b"", f"if: {error}")
    return Letter(name, shown(task or story.summary)) if is_wanted else None


def _id(story: Story, number: int, task: TaskSummary | None, many: int) -> UUID:
    return webhook.message_id(story.state.id, story.version, number, UUID(task.id) if task and many > 1 else None)


def _is_wanted(hook: Webhook, story: Story, task: TaskSummary | None) -> bool:
    if not hook.condition:
        return True
    scope = {"job": _seen(story.summary), **({"task": _seen(task)} if task else {}), **_chance(story)}
    return condition(hook.condition, scope)


def _chance(story: Story) -> dict[str, Any]:
    """Return the time and the seed of chance, the same each time that an event is told."""
    return {"$now": story.at, "$seed": webhook.message_id(story.state.id, story.version, 0).int}


def _header(name: str, value: str) -> str:
    problem = names.header_name(name)
    if problem is not None:
        raise Unacceptable(f"headers.{name}: {problem.message}")
    if len(value) > names.LONGEST_HEADER or not names.HEADER_VALUE.fullmatch(value):
        raise Unacceptable(f"headers.{name}: not a value of a header: too long, or not of plain letters")
    return value


def _seen(summary: JobSummary | TaskSummary) -> dict[str, Any]:
    """Return what expressions see of a job or a task: the names of its JSON, and those of Tork's own fields."""
    shown_as = zip(summary.__struct_encode_fields__, msgspec.structs.astuple(summary), strict=True)
    fields = {name: _value(name, value) for name, value in shown_as}
    return fields | {GO_NAMES.get(name, f"{name[0].upper()}{name[1:]}"): value for name, value in fields.items()}


def _value(name: str, value: Any) -> Any:
    if name.endswith("At"):
        return None if value is None else Time(datetime.fromisoformat(value))
    if value is None:
        return EMPTY.get(name, "")
    return list(value) if isinstance(value, tuple) else value
