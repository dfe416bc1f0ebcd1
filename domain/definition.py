"""What a user writes: a job, its tasks, and the rules they must keep.

The rules are asked once, at the door, and never when an event is read back: so they may become stricter without
making the history unreadable. Those of a single field stand in its type (`fields`); those that need more than one
field, or the whole job, in `checks`.
"""

from __future__ import annotations

from typing import Annotated, ClassVar

import msgspec
from msgspec import Meta

from domain import fields, slips
from domain.amounts import parse_duration
from domain.described import mapping, several

__all__ = ["parse_duration"]

COMPOSITE = ("parallel", "each", "subjob")
"""Fields of tasks that start other tasks instead of a container."""


class Definition(
    msgspec.Struct, frozen=True, gc=False, kw_only=True, omit_defaults=True, forbid_unknown_fields=True, rename="camel"
):
    """What a user wrote: defaults are empty, so that it encodes to what was written."""

    LATER: ClassVar[frozenset[str]] = frozenset()
    """Fields of Tork's language that are not supported yet."""
    SLIPS: ClassVar[dict[str, str]] = {}
    """Fields that people write though there are none such, and what to write instead."""


class Limits(Definition, frozen=True, kw_only=True):
    """What a container may use at most."""

    SLIPS = slips.LIMITS

    cpus: fields.Cpus = ""
    memory: fields.Memory = ""


class Retry(Definition, frozen=True, kw_only=True):
    """How often, and after what time, a task that failed is tried again."""

    SLIPS = slips.RETRY

    limit: fields.RetryLimit
    delay: fields.RetryDelay = ""
    backoff: fields.Backoff = 1.0
    max_delay: fields.MaxDelay = ""


class Registry(Definition, frozen=True, kw_only=True):
    """How to sign in where the image comes from."""

    username: fields.User = ""
    password: fields.Password = ""


SignIn = Annotated[Registry | None, Meta(description="How to sign in where the image comes from.")]


class Mount(Definition, frozen=True, kw_only=True):
    """A volume, a folder of the host, or a file system in memory, within the container."""

    type: fields.MountType
    source: fields.MountSource = ""
    target: fields.MountTarget = ""
    opts: Annotated[
        dict[fields.OptionName, fields.OptionValue],
        mapping("Settings of the mount; which there are depends on its type.", fields.MOST_MOUNTS, "option"),
    ] = {}


class Probe(Definition, frozen=True, kw_only=True):
    """How it is known that a sidecar is ready."""

    path: fields.ProbePath
    port: fields.ProbePort
    timeout: fields.ProbeTimeout = ""


class AuxiliaryTask(Definition, frozen=True, kw_only=True):
    """A container that runs before a task's own."""

    SLIPS = slips.AUXILIARY

    name: fields.TaskName
    description: fields.Description = ""
    image: fields.Image = ""
    run: fields.Script = ""
    cmd: fields.Arguments = ()
    entrypoint: fields.Program = ()
    env: fields.Environment = {}
    files: fields.Files = {}
    registry: SignIn = None
    timeout: fields.AuxiliaryTimeout = ""


class PostTask(AuxiliaryTask, frozen=True, kw_only=True):
    """A container that runs after a task's own."""

    always: Annotated[bool, Meta(description="Whether it runs also when the task has failed.")] = False


class Sidecar(AuxiliaryTask, frozen=True, kw_only=True):
    """A container that runs beside a task's own, as a service for it."""

    probe: Annotated[Probe | None, Meta(description="What tells that it is ready, before the task begins.")] = None


class Webhook(Definition, frozen=True, kw_only=True):
    """Whom to tell of what happens to the job."""

    url: fields.Url
    headers: Annotated[
        dict[fields.HeaderName, fields.HeaderValue],
        mapping(
            "Headers of the request.",
            fields.MOST_HEADERS,
            "header",
            {"Authorization": "Bearer {{ secrets.token }}"},
        ),
    ] = {}
    event: fields.WebhookEvent = ""
    condition: fields.WebhookCondition = msgspec.field(default="", name="if")
    secret: fields.WebhookSecret = ""


class AutoDelete(Definition, frozen=True, kw_only=True):
    """When a completed job is deleted."""

    after: fields.After


class Wait(Definition, frozen=True, kw_only=True):
    """That the answer to the submission waits for the job's end."""

    timeout: fields.WaitTimeout


Webhooks = Annotated[tuple[Webhook, ...], several("Whom to tell of it.", fields.MOST_WEBHOOKS, "webhook")]
Deletion = Annotated[AutoDelete | None, Meta(description="When it is deleted, once it has completed.")]


class Defaults(Definition, frozen=True, kw_only=True):
    """What holds for each task that does not say otherwise."""

    retry: Annotated[Retry | None, Meta(description="How often, and when, a task that failed is tried again.")] = None
    limits: Annotated[Limits | None, Meta(description="What a container may use at most.")] = None
    timeout: fields.Timeout = ""
    queue: fields.DefaultQueue = ""
    priority: Annotated[int, fields.Priority] = 0


class Parallel(Definition, frozen=True, kw_only=True):
    """Tasks that run at the same time."""

    tasks: Annotated[tuple[TaskDefinition, ...], several("What to run.", fields.MOST_TASKS, "task", fewest=1)]


class Each(Definition, frozen=True, kw_only=True):
    """A task that is run once for each item of a list."""

    list: fields.ItemList
    task: Annotated[TaskDefinition, Meta(description="What to run for each item.")]
    var: fields.ItemVariable = ""
    concurrency: fields.Concurrency = 0


class Subjob(Definition, frozen=True, kw_only=True):
    """A job of its own, started by a task."""

    id: Annotated[fields.InputValue, Meta(description="Ignored: Tork's own files have it.")] = ""
    name: fields.SubjobName
    description: fields.Description = ""
    tasks: Annotated[
        tuple[TaskDefinition, ...], several("What it runs, one after another.", fields.MOST_TASKS, "task", fewest=1)
    ]
    inputs: fields.Inputs = {}
    secrets: Annotated[
        dict[fields.SecretName, fields.PassedSecret],
        mapping(
            "What its expressions find as `secrets.NAME`.",
            fields.MOST_SECRETS,
            "secret",
            {"token": "{{ secrets.token }}"},
        ),
    ] = {}
    auto_delete: Deletion = None
    output: fields.Output = ""
    detached: Annotated[bool, Meta(description="Whether the task ends at once, and the new job goes its own way.")] = (
        False
    )
    webhooks: Webhooks = ()


class TaskDefinition(Definition, frozen=True, kw_only=True):
    """One container to run, or several tasks in the place of one."""

    SLIPS = slips.TASK

    name: fields.TaskName
    description: fields.Description = ""
    image: fields.Image = ""
    run: fields.Script = ""
    cmd: fields.Arguments = ()
    entrypoint: fields.Program = ()
    env: fields.Environment = {}
    files: fields.Files = {}
    registry: SignIn = None
    queue: fields.Queue = ""
    pre: Annotated[
        tuple[AuxiliaryTask, ...],
        several("Containers that run before the task's own, one after another.", fields.MOST_AUXILIARIES, "task"),
    ] = ()
    post: Annotated[
        tuple[PostTask, ...],
        several("Containers that run after the task's own, one after another.", fields.MOST_AUXILIARIES, "task"),
    ] = ()
    sidecars: Annotated[
        tuple[Sidecar, ...],
        several("Containers that run beside the task's own, as services for it.", fields.MOST_AUXILIARIES, "sidecar"),
    ] = ()
    mounts: Annotated[
        tuple[Mount, ...],
        several("Volumes and folders, in all containers of the task.", fields.MOST_MOUNTS, "mount"),
    ] = ()
    networks: Annotated[
        tuple[fields.Network, ...],
        several("Networks of the Docker Engine that the containers join.", fields.MOST_MOUNTS, "network"),
    ] = ()
    retry: Annotated[Retry | None, Meta(description="How often, and when, it is tried again after a failure.")] = None
    limits: Annotated[Limits | None, Meta(description="What each of its containers may use at most.")] = None
    timeout: fields.Timeout = ""
    var: fields.Variable = ""
    condition: fields.Condition = msgspec.field(default="", name="if")
    parallel: Annotated[Parallel | None, Meta(description="Tasks to run at the same time, in its place.")] = None
    each: Annotated[Each | None, Meta(description="A task to run for each item of a list, in its place.")] = None
    subjob: Annotated[Subjob | None, Meta(description="A job to start, in its place.")] = None
    gpus: fields.Gpus = ""
    tags: fields.Tags = ()
    workdir: fields.Workdir = ""
    priority: Annotated[int | None, fields.Priority] = None


class JobDefinition(Definition, frozen=True, kw_only=True):
    """Tasks to run, one after another."""

    LATER = frozenset({"permissions", "schedule"})

    name: fields.JobName
    description: fields.Description = ""
    tags: fields.Tags = ()
    tasks: Annotated[
        tuple[TaskDefinition, ...], several("What to run, one after another.", fields.MOST_TASKS, "task", fewest=1)
    ]
    inputs: fields.Inputs = {}
    secrets: Annotated[
        dict[fields.SecretName, fields.SecretValue],
        mapping(
            "What expressions find as `secrets.NAME`; kept encrypted, and shown to nobody.",
            fields.MOST_SECRETS,
            "secret",
            {"token": "a long random text"},
        ),
    ] = {}
    output: fields.Output = ""
    defaults: Annotated[Defaults | None, Meta(description="What holds for each task that does not say otherwise.")] = (
        None
    )
    webhooks: Webhooks = ()
    auto_delete: Deletion = None
    wait: Annotated[Wait | None, Meta(description="That the answer to `POST /jobs` waits for the job's end.")] = None
