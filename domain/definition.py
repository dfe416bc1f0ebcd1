"""What a user writes: a job, its tasks, and the rules they must keep.

The rules are asked once, at the door, and never when an event is read back: so they may become stricter without
making the history unreadable. A field's type carries them in `Meta.extra`; whoever reads a document finds them there:

- `rule`: the problems of a text;
- `count`: the problems of a list of so many items;
- `unless`: the field must be given, unless one of these others is.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Annotated, ClassVar

import msgspec
from msgspec import Meta

from domain.errors import Problem

Rule = Callable[[str], Iterable[Problem]]
Count = Callable[[int], Iterable[Problem]]
Check = Callable[[str], Problem | None]

MOST_TASKS = 1000
MOST_TAGS = 64
LONGEST_NAME = 256
LONGEST_TAG = 64
LONGEST_IMAGE = 512
LONGEST_TEXT = 64 * 1024
"""Bytes of a text in UTF-8."""
LONGEST_SCRIPT = 256 * 1024
LONGEST_TIMEOUT = 365 * 24 * 3600.0

COORDINATOR_QUEUES = frozenset(
    {"pending", "started", "completed", "error", "heartbeat", "jobs", "logs", "progress", "redeliveries"}
)
"""Names that Tork keeps for itself: a job file that uses one would not move between the two."""

COMPOSITE = frozenset({"parallel", "each", "subjob"})
"""Fields of tasks that start other tasks instead of a container."""

CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f]")
CONTROL_OR_BREAK = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
QUEUE = re.compile(r"[A-Za-z0-9._-]{1,128}")
VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")
DURATION = re.compile(r"\+?(?:(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:ns|us|µs|μs|ms|s|m|h))+")
AMOUNT = re.compile(r"([0-9.]+)([a-zµμ]+)")
SECONDS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
LONGEST_DURATION = 64
"""Characters: ample for every unit, and a bound for the work of reading it."""

LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?"
HOST = rf"(?:{LABEL}(?:\.{LABEL})+|{LABEL}(?=:)|\[[0-9A-Fa-f:]+\])(?::[0-9]{{1,5}})?"
PART = r"[a-z0-9]+(?:(?:\.|__?|-+)[a-z0-9]+)*"
TAG = r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}"
DIGEST = r"[A-Za-z][A-Za-z0-9+._-]*:[0-9A-Fa-f]{32,128}"
IMAGE = re.compile(rf"(?:{HOST}/)?{PART}(?:/{PART})*(?::{TAG})?(?:@{DIGEST})?")


def parse_duration(text: str) -> float:
    """Read a duration as Go writes it (`5s`, `1h30m`, `1.5h`, `300ms`) and return its seconds."""
    if len(text) > LONGEST_DURATION or not DURATION.fullmatch(text):
        msg = "not a duration: it is numbers with units, of which there are h, m, s, ms, us and ns"
        raise ValueError(msg)
    seconds = sum(float(number) * SECONDS[unit] for number, unit in AMOUNT.findall(text))
    if seconds <= 0:
        msg = "a duration must be longer than nothing"
        raise ValueError(msg)
    if seconds > LONGEST_TIMEOUT:
        msg = "a duration can not be longer than a year, 8760h"
        raise ValueError(msg)
    return seconds


def _given(text: str) -> Problem | None:
    return None if text else Problem("must not be empty", "required", hint="give a value")


def _at_most_characters(most: int) -> Check:
    def check(text: str) -> Problem | None:
        if len(text) <= most:
            return None
        return Problem(f"{len(text):,} characters are too many", "too_long", hint=f"use at most {most:,}")

    return check


def _at_most_bytes(most: int, hint: str = "") -> Check:
    def check(text: str) -> Problem | None:
        # a character takes four bytes at most: short texts need no encoding to be measured
        if len(text) * 4 <= most or len(text.encode()) <= most:
            return None
        return Problem(f"{len(text.encode()):,} bytes are too many", "too_long", hint=hint or f"use at most {most:,}")

    return check


def _printable(text: str) -> Problem | None:
    found = None if text.isprintable() else CONTROL.search(text)
    return _control_character(found[0]) if found else None


def _one_line(text: str) -> Problem | None:
    found = None if text.isprintable() else CONTROL_OR_BREAK.search(text)
    if not found:
        return None
    if found[0] in "\n\r\u2028\u2029":
        return Problem("must be a single line", "control_character", hint="remove the line break")
    return _control_character(found[0])


def _control_character(character: str) -> Problem:
    return Problem(f"contains the control character U+{ord(character):04X}", "control_character", hint="remove it")


def _no_expression(text: str) -> Problem | None:
    start = text.find("{{")
    if start < 0 or text.find("}}", start) < 0:
        return None
    return Problem("expressions ({{ … }}) are not supported yet", "unsupported", hint="write the value itself")


def _queue(text: str) -> Problem | None:
    hint = "use 1 to 128 letters, digits, dots, dashes and underscores, not beginning with x-"
    if text in COORDINATOR_QUEUES or text.startswith("x-"):
        return Problem("this queue is not for tasks", "queue", hint="choose another name")
    return None if QUEUE.fullmatch(text) else Problem("not a name of a queue", "queue", hint=hint)


def _image(text: str) -> Problem | None:
    if len(text) > LONGEST_IMAGE:
        return Problem("too long for an image", "image", hint=f"use at most {LONGEST_IMAGE} characters")
    if IMAGE.fullmatch(text):
        return None
    if IMAGE.fullmatch(text.lower()):
        return Problem("not an image", "image", hint="its name must be in lower case")
    return Problem("not an image", "image", hint="write it like alpine:3.20 or registry.example.com/team/image:tag")


def _variable(text: str) -> Problem | None:
    if not text or VARIABLE.fullmatch(text):
        return None
    return Problem("not a name of a variable", "var", hint="use at most 64 letters, digits and underscores")


def _duration(text: str) -> Problem | None:
    try:
        _ = text and parse_duration(text)
    except ValueError as error:
        return Problem(str(error), "duration", hint="write it like 5s, 1h30m or 300ms")
    return None


def _environment_name(text: str) -> Problem | None:
    if not text:
        return Problem("the name of an environment variable must not be empty", "env", hint="write NAME: value")
    if "=" in text:
        return Problem("the name of an environment variable must not contain =", "env", hint="write NAME: value")
    return None


def _few(most: int, what: str, fewest: int = 0) -> Count:
    def rule(count: int) -> Iterable[Problem]:
        if count < fewest:
            yield Problem(f"must hold at least {fewest}", "min", hint=f"add a {what}")
        if count > most:
            yield Problem(f"{count:,} {what}s are too many", "too_many", hint=f"use at most {most:,}")

    return rule


def _first(*checks: Check) -> Check:
    """Make one check of several, of which each makes sense only when those before it are kept."""

    def check(text: str) -> Problem | None:
        return next((problem for each in checks if (problem := each(text))), None)

    return check


def _all(*checks: Check) -> Rule:
    def rule(text: str) -> Iterable[Problem]:
        return [problem for check in checks if (problem := check(text))]

    return rule


NAME = (_given, _at_most_characters(LONGEST_NAME), _one_line)
TEXT = (_at_most_bytes(LONGEST_TEXT), _printable)
SCRIPT = (_at_most_bytes(LONGEST_SCRIPT, "put it into an image, or fetch it in the task"), _printable)

JobName = Annotated[str, Meta(description="What the job is called in lists.", extra={"rule": _all(*NAME)})]
Description = Annotated[str, Meta(description="What the job is for.", extra={"rule": _all(*TEXT)})]
Tag = Annotated[
    str, Meta(description="A word to find jobs by.", extra={"rule": _all(_at_most_characters(LONGEST_TAG), _one_line)})
]
TaskName = Annotated[
    str, Meta(description="What the task is called.", extra={"rule": _all(*NAME, _no_expression)}, examples=["build"])
]
Image = Annotated[
    str,
    Meta(
        description="The container image to run. Required.",
        examples=["busybox:stable"],
        extra={"rule": _all(_first(_given, _no_expression, _image)), "unless": COMPOSITE},
    ),
]
Script = Annotated[
    str,
    Meta(description="A shell script that the container runs.", examples=["echo hi"], extra={"rule": _all(*SCRIPT)}),
]
Argument = Annotated[str, Meta(extra={"rule": _all(*TEXT, _no_expression)})]
Word = Annotated[str, Meta(extra={"rule": _all(*TEXT)})]
EnvironmentName = Annotated[str, Meta(extra={"rule": _all(_environment_name, _at_most_bytes(LONGEST_TEXT), _one_line)})]
EnvironmentValue = Annotated[str, Meta(extra={"rule": _all(*TEXT, _no_expression)})]
Queue = Annotated[
    str,
    Meta(
        description="The queue of the runners that may take the task; `default` when left out.",
        examples=["default"],
        extra={"rule": _all(_first(_no_expression, _queue))},
    ),
]
Timeout = Annotated[
    str,
    Meta(
        description="How long the task may run, as Go writes durations; unbounded when left out.",
        examples=["5s", "1h30m"],
        extra={"rule": _all(_duration)},
    ),
]
Variable = Annotated[
    str,
    Meta(
        description="The name under which later tasks find the result.",
        examples=["answer"],
        extra={"rule": _all(_first(_no_expression, _variable))},
    ),
]


class Definition(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True, rename="camel"
):
    """What a user wrote: defaults are empty, so that it encodes to what was written."""

    LATER: ClassVar[frozenset[str]] = frozenset()
    """Fields of Tork's language that are not supported yet."""


class TaskDefinition(Definition, frozen=True, kw_only=True):
    """One container to run."""

    LATER = frozenset(
        {"description", "registry", "files", "pre", "post", "sidecars", "mounts", "networks", "retry", "limits"}
        | {"if", "parallel", "each", "subjob", "gpus", "tags", "workdir", "priority", "probe"}
    )

    name: TaskName
    image: Image = ""
    run: Script = ""
    cmd: Annotated[tuple[Argument, ...], Meta(description="The arguments of the program, without a shell.")] = ()
    entrypoint: Annotated[tuple[Word, ...], Meta(description="The program, in place of the image's own.")] = ()
    env: Annotated[dict[EnvironmentName, EnvironmentValue], Meta(description="The container's environment.")] = {}
    queue: Queue = ""
    timeout: Timeout = ""
    var: Variable = ""


class JobDefinition(Definition, frozen=True, kw_only=True):
    """Tasks to run, one after another."""

    LATER = frozenset(
        {"inputs", "secrets", "output", "defaults", "webhooks", "permissions", "autoDelete", "wait", "schedule"}
    )

    name: JobName
    description: Description = ""
    tags: Annotated[
        tuple[Tag, ...], Meta(description="Words to find the job by.", extra={"count": _few(MOST_TAGS, "tag")})
    ] = ()
    tasks: Annotated[
        tuple[TaskDefinition, ...],
        Meta(description="What to run, in order.", extra={"count": _few(MOST_TASKS, "task", fewest=1)}),
    ]
