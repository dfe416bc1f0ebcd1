"""What the OpenAPI document says where the code can not tell it: answers made of ready JSON, queries, bodies."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec
from litestar.openapi.datastructures import ResponseSpec
from litestar.openapi.spec import (
    Example,
    OpenAPIMediaType,
    OpenAPIResponse,
    OpenAPIType,
    Operation,
    Parameter,
    RequestBody,
    Schema,
)

from app.api.errors import PROBLEM, ProblemDocument
from app.api.request import FORMATS
from app.output import Part
from domain.definition import (
    AutoDelete,
    AuxiliaryTask,
    Defaults,
    Each,
    Limits,
    Mount,
    Parallel,
    PostTask,
    Registry,
    Retry,
    Sidecar,
    Subjob,
    TaskDefinition,
    Webhook,
)
from domain.event import Actor
from projections.document import Name
from projections.wire import Document, JobSummary, TaskRun

EXAMPLE = """\
name: sample job
tasks:
  - name: sample task
    image: ubuntu:mantic
    run: echo hello world
"""


class RetryState(Retry, frozen=True, kw_only=True):
    """How often a task is tried again, and which time it is."""

    attempts: int = 0


class ParallelState(Parallel, frozen=True, kw_only=True):
    """Tasks that run at the same time, and how many of them are done."""

    completions: int = 0


class EachState(Each, frozen=True, kw_only=True):
    """A task that is run once for each item of a list, how many those are, and how many are done."""

    size: int = 0
    completions: int = 0


class Execution(TaskRun, frozen=True, kw_only=True):
    """One attempt of a task, with the fields of the task as it was run."""

    name: str
    description: str = ""
    image: str = ""
    run: str = ""
    cmd: tuple[str, ...] = ()
    entrypoint: tuple[str, ...] = ()
    env: dict[str, str] = {}  # noqa: RUF012 - msgspec copies it
    files: dict[str, str] = {}  # noqa: RUF012 - as above
    registry: Registry | None = None
    queue: str = ""
    pre: tuple[AuxiliaryTask, ...] = ()
    post: tuple[PostTask, ...] = ()
    sidecars: tuple[Sidecar, ...] = ()
    mounts: tuple[Mount, ...] = ()
    networks: tuple[str, ...] = ()
    retry: RetryState | None = None
    limits: Limits | None = None
    timeout: str = ""
    var: str = ""
    condition: str = msgspec.field(default="", name="if")
    parallel: ParallelState | None = None
    each: EachState | None = None
    subjob: Subjob | None = None
    """With the `id` of the job that was started."""
    gpus: str = ""
    tags: tuple[str, ...] = ()
    workdir: str = ""
    priority: int = 0


class ContextDocument(Document, frozen=True):
    """What expressions of a job's tasks see."""

    job: Name
    inputs: dict[str, str] = {}  # noqa: RUF012 - as above
    secrets: dict[str, str] = {}  # noqa: RUF012 - as above
    tasks: dict[str, str] = {}  # noqa: RUF012 - as above
    """What tasks returned, by the names of their variables."""


class JobDetail(JobSummary, frozen=True, kw_only=True):
    """A job in full. The values of its secrets are nowhere to be seen."""

    tasks: tuple[TaskDefinition, ...]
    """As submitted."""
    execution: tuple[Execution, ...]
    """Every attempt of every task, in the order in which they began; a composite task comes before its children."""
    context: ContextDocument
    output: str = ""
    defaults: Defaults | None = None
    webhooks: tuple[Webhook, ...] = ()
    auto_delete: AutoDelete | None = None
    delete_at: str | None = None
    """When the job will be gone."""
    secrets: dict[str, str] = {}  # noqa: RUF012 - as above


class EventDocument(Document, frozen=True):
    """Something that happened to a job."""

    number: int
    """Its place in the job's history, from 1."""
    time: str
    type: str
    actor: Actor
    data: Any
    """What happened, in full."""
    request_id: str = ""
    correlation_id: str = ""
    causation_id: str = ""
    reason: str = ""


class PageDocument(Document, frozen=True):
    """What every page of a list says of itself."""

    number: int
    """Of this page, from 1."""
    size: int
    """Items on this page."""
    total_pages: int
    total_items: int


class JobPage(PageDocument, frozen=True):
    """A page of jobs, the newest first."""

    items: tuple[JobSummary, ...]


class LogPage(PageDocument, frozen=True):
    """A page of output, the newest first."""

    items: tuple[Part, ...]


class EventPage(PageDocument, frozen=True):
    """A page of events, the oldest first."""

    items: tuple[EventDocument, ...]


def answers_with(success: Any, *errors: int) -> dict[int, ResponseSpec]:
    """Describe a handler's answers: its success, its errors, and that the log or the views may be away."""
    bad = ResponseSpec(ProblemDocument, generate_examples=False, description="Refused", media_type=PROBLEM)
    good = ResponseSpec(success, generate_examples=False, description="Done")
    return {200: good} | dict.fromkeys((*errors, 503), bad)


def _query(name: str, description: str, kind: OpenAPIType = OpenAPIType.INTEGER) -> Parameter:
    return Parameter(name=name, param_in="query", description=description, schema=Schema(type=kind))


def _content(operation: Operation) -> dict[str, OpenAPIMediaType]:
    """Return what the answer to a success may be."""
    done = (operation.responses or {}).get("200")
    return done.content or {} if isinstance(done, OpenAPIResponse) else {}


PAGE = _query("page", "The number of the page, from 1.")
SIZE = _query("size", "How many items a page may hold.")
QUERY = _query("q", "Words that all must be found; `tag:x` and `tags:x,y` ask for tags.", OpenAPIType.STRING)
FROM = _query("from", "With `Accept: text/plain`: how many bytes to leave out, which the client has already.")


@dataclass
class SubmitOperation(Operation):
    """The body of a submission, in any of the formats that are read."""

    def __post_init__(self) -> None:
        """Add what the handler reads by itself."""
        example = Example(summary="A job of one task", value=EXAMPLE)
        media = OpenAPIMediaType(schema=Schema(type=OpenAPIType.STRING), examples={"sample": example})
        self.request_body = RequestBody(
            content=dict.fromkeys(FORMATS, media), description="The job, in YAML or JSON", required=True
        )
        done = _content(self)["application/json"].schema
        if isinstance(done, Schema):  # a job in full is a summary as well
            done.any_of, done.one_of = done.one_of, None


@dataclass
class PagedOperation(Operation):
    """The query of a list."""

    def __post_init__(self) -> None:
        """Add what the handler reads by itself."""
        self.parameters = [*(self.parameters or ()), PAGE, SIZE]


@dataclass
class SearchOperation(PagedOperation):
    """The query of a list that can be searched."""

    def __post_init__(self) -> None:
        """Add what the handler reads by itself."""
        super().__post_init__()
        self.parameters = [*(self.parameters or ()), QUERY]


@dataclass
class LogOperation(SearchOperation):
    """The query of a log, and its two forms: pages of JSON, or the whole text."""

    def __post_init__(self) -> None:
        """Add what the handler reads by itself, and the form that it has for those who ask for it."""
        super().__post_init__()
        self.parameters = [*(self.parameters or ()), FROM]
        _content(self)["text/plain"] = OpenAPIMediaType(schema=Schema(type=OpenAPIType.STRING))
