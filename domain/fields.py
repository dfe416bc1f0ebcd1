# long: a table with one entry for each field of the language
"""The fields of a job by their kinds: what each is for, the rule it must keep, and how that is told to people.

What is empty in a definition is left out: `default` says what that means.
"""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from domain import amounts, names
from domain.described import mapping, number, several, shape, text
from domain.errors import Problem
from domain.rules import (
    CPUS,
    DURATION,
    GPUS,
    LONGEST_TEXT,
    MEMORY,
    TEXT,
    at_most_bytes,
    at_most_characters,
    evaluated,
    every,
    first,
    given,
    lasting,
    matching,
    one_line,
    one_of,
    optional,
    printable,
)

LONGEST_NAME = 256
LONGEST_TAG = 64
LONGEST_SCRIPT = 256 * 1024
LONGEST_PATH = 256
MOST_TASKS = 1000
MOST_TAGS = 64
MOST_AUXILIARIES = 10
MOST_MOUNTS = 20
MOST_WEBHOOKS = 20
MOST_HEADERS = 50
MOST_FILES = 100
MOST_INPUTS = 1000
MOST_SECRETS = 100
HOUR = 3600.0

TEXT_SAYS = "at most 64 KB"
NAME_SAYS = "1 to 256 characters, in one line"
SECRET_SAYS = "at least 4 characters, at most 64 KB"  # noqa: S105 - words about secrets
DURATION_SAYS = "a duration: numbers with the units `h`, `m`, `s`, `ms`, `us` and `ns`; at most a year"
DURATION_PATTERN = amounts.DURATION.pattern


_name = every(given, at_most_characters(LONGEST_NAME), one_line)
_evaluated_name = evaluated(given, at_most_characters(LONGEST_NAME), one_line)
_script = every(at_most_bytes(LONGEST_SCRIPT, "put it into an image, or fetch it in the task"), printable)
_duration = every(optional(DURATION))
_wait = lasting(0, HOUR, "at most an hour, 1h")
_after = lasting(1, None, "at least a second, 1s")
_file = every(first(names.file_name, one_line))
_no_path = Problem("not a path of HTTP", "probe", hint="begin it with /, and write %20 for a space")
_probe_path = every(first(given, at_most_characters(LONGEST_PATH), matching(names.PROBE_PATH, _no_path)))
_no_value = Problem("not a value of a header", "header", hint="use letters, digits and signs of ASCII, in one line")
_header_value = evaluated(at_most_bytes(names.LONGEST_HEADER), matching(names.HEADER_VALUE, _no_value))

JobName = Annotated[
    str,
    text(
        "What the job is called in lists.",
        _name,
        NAME_SAYS,
        "nightly build",
        trimmed=True,
        minLength=1,
        maxLength=LONGEST_NAME,
    ),
]
TaskName = Annotated[
    str,
    text(
        "What the task is called.",
        _evaluated_name,
        NAME_SAYS,
        "build",
        "chunk {{ item.index }}",
        trimmed=True,
        minLength=1,
    ),
]
SubjobName = Annotated[
    str,
    text(
        "What the new job is called.",
        _evaluated_name,
        NAME_SAYS,
        "render {{ inputs.id }}",
        trimmed=True,
        minLength=1,
    ),
]
Description = Annotated[str, text("What it is for, in words for people.", TEXT, TEXT_SAYS, maxLength=LONGEST_TEXT)]
Tag = Annotated[
    str,
    text(
        "A word to find jobs by.",
        every(at_most_characters(LONGEST_TAG), one_line),
        "",
        "nightly",
        maxLength=LONGEST_TAG,
    ),
]
Image = Annotated[
    str,
    text(
        "The container image to run.",
        evaluated(optional(names.image)),
        "a reference to an image; required where a container runs",
        "busybox:stable",
        "registry.example.com/team/image:1.2",
        pattern=shape(names.IMAGE.pattern, template=True),
    ),
]
Script = Annotated[
    str,
    text("A shell script that the container runs.", _script, "at most 256 KB", "echo hi", maxLength=LONGEST_SCRIPT),
]
Argument = Annotated[str, text("An argument of the program.", TEXT, TEXT_SAYS, maxLength=LONGEST_TEXT)]
EnvironmentName = Annotated[
    str, text("", every(names.environment_name, at_most_bytes(LONGEST_TEXT), one_line), pattern="^[^=]+$")
]
EnvironmentValue = Annotated[str, text("", TEXT, maxLength=LONGEST_TEXT)]
FileName = Annotated[str, text("", _file, pattern=r"^(?!/)(?!(?:.*/)?\.{0,2}(?:/|$)).+$")]
FileContent = Annotated[str, text("", every(printable))]
Queue = Annotated[
    str,
    text(
        "The queue of the runners that may take the task.",
        evaluated(names.queue),
        "1 to 128 letters, digits, dots, dashes and underscores; not beginning with `x-`",
        "default",
        "gpu",
        default="`default`",
        pattern=shape(rf"(?!x-){names.QUEUE.pattern}", template=True, empty=False),
    ),
]
DefaultQueue = Annotated[
    str,
    text(
        "The queue of tasks that name none.",
        every(optional(names.queue)),
        "as for a task",
        "gpu",
        default="`default`",
        pattern=shape(rf"(?!x-){names.QUEUE.pattern}"),
    ),
]
Timeout = Annotated[
    str,
    text(
        "How long the task may take, from the pull of its image to the end of its last container.",
        _duration,
        DURATION_SAYS,
        "5s",
        "1h30m",
        default="no end",
        pattern=shape(DURATION_PATTERN),
    ),
]
AuxiliaryTimeout = Annotated[
    str,
    text(
        "How long this container may run, within the time of the task.",
        _duration,
        DURATION_SAYS,
        "30s",
        default="no end of its own",
        pattern=shape(DURATION_PATTERN),
    ),
]
Variable = Annotated[
    str,
    text(
        "The name under which later tasks find the result, as `tasks.NAME` or `tasks['NAME']`.",
        evaluated(optional(names.result)),
        "at most 64 letters, digits, dashes and underscores, not beginning with a digit or a dash",
        "answer",
        pattern=shape(names.RESULT.pattern, template=True),
    ),
]
Condition = Annotated[
    str,
    text(
        "An expression; where it comes to false, the task is skipped, and counts as done.",
        TEXT,
        "an expression",
        "{{ inputs.deploy == 'yes' }}",
        default="it runs",
    ),
]
Workdir = Annotated[
    str,
    text(
        "The folder in which the program starts, and into which `files` are put.",
        every(optional(at_most_characters(LONGEST_PATH), one_line, names.folder)),
        "an absolute path of at most 256 characters; not in `/proc`, `/sys`, `/dev` or `/tork`",
        "/work",
        default="the image's own; with `files` it is `/tork/workdir`",
        pattern="^(?:/.*)?$",
        maxLength=LONGEST_PATH,
    ),
]
Network = Annotated[
    str,
    text("A network of the Docker Engine.", every(names.network), pattern=shape(names.NETWORK.pattern, empty=False)),
]
Gpus = Annotated[
    str,
    text(
        "The GPUs that the container gets, as for `docker run --gpus`.",
        every(optional(GPUS)),
        "`all`, a number, or any of `count=`, `device=`, `driver=` (`nvidia`, `amd`), `capabilities=`",
        "all",
        "2",
        "device=0,1",
        default="none",
    ),
]
Priority = number("Of the tasks that wait in a queue, those with the highest priority go first.", 0, 9, 5, default="0")

Cpus = Annotated[
    str,
    text(
        "How many processors' time it may take.",
        every(optional(CPUS)),
        "0.01 to 1,024",
        "1.5",
        ".5",
        default="no limit",
        pattern=shape(amounts.CPUS.pattern),
    ),
]
Memory = Annotated[
    str,
    text(
        "How much memory it may use; beyond it, the container is killed.",
        every(optional(MEMORY)),
        "a number with a unit, `b`, `k`, `m`, `g`, `t` or `p`, each 1,024 of the one before; at least `6m`",
        "512m",
        "2g",
        default="no limit",
        pattern=shape(amounts.MEMORY.pattern),
    ),
]
RetryLimit = Annotated[int, number("How many more times it is tried.", 1, 10, 3)]
RetryDelay = Annotated[
    str,
    text(
        "How long to wait before the first new try.",
        _duration,
        DURATION_SAYS,
        "10s",
        default="it is tried again at once",
        pattern=shape(DURATION_PATTERN),
    ),
]
Backoff = Annotated[
    float, number("By what the wait is multiplied from one try to the next; it needs a `delay`.", 1, 100, 2)
]
MaxDelay = Annotated[
    str,
    text(
        "The longest wait, however often it was multiplied; it needs a `delay`, and can not be shorter.",
        _duration,
        DURATION_SAYS,
        "5m",
        default="a year",
        pattern=shape(DURATION_PATTERN),
    ),
]
User = Annotated[str, text("The name to sign in with.", TEXT, TEXT_SAYS, "robot", "{{ secrets.user }}")]
Password = Annotated[
    str,
    text(
        "The password to sign in with. It is kept as a secret.",
        evaluated(optional(names.secret), at_most_bytes(LONGEST_TEXT), printable),
        SECRET_SAYS,
        "{{ secrets.registry }}",
    ),
]
MountType = Annotated[
    str,
    text(
        "What is mounted.",
        every(one_of(names.MOUNT_TYPES, "mount")),
        "`volume`, `tmpfs` or `bind`",
        *names.MOUNT_TYPES,
        enum=list(names.MOUNT_TYPES),
    ),
]
MountSource = Annotated[
    str,
    text(
        "The folder or file of the host, for `bind` alone.",
        every(optional(names.mount_path)),
        "an absolute path of letters, digits, spaces and any of `-_.=/`, without `..`",
        "/srv/data",
        pattern=shape(names.MOUNT_PATH.pattern),
    ),
]
MountTarget = Annotated[
    str,
    text(
        "Where it appears in the container.",
        every(first(given, names.mount_path)),
        "required; like a source, but not `/` or `/dev`, nor in `/proc`, `/sys` or `/tork`; and only once in a task",
        "/data",
        pattern=shape(names.MOUNT_PATH.pattern, empty=False),
    ),
]
OptionName = Annotated[str, text("", every(given, at_most_characters(LONGEST_NAME), one_line), minLength=1)]
OptionValue = Annotated[str, text("", every(at_most_bytes(LONGEST_TEXT), one_line))]
ProbePath = Annotated[
    str,
    text(
        "The path that is asked for, by HTTP.",
        _probe_path,
        "begins with `/`; at most 256 characters",
        "/health",
        pattern="^/[!-~]*$",
        maxLength=LONGEST_PATH,
    ),
]
ProbePort = Annotated[int, number("The port at which the sidecar listens.", 1, 65_535, 8080)]
ProbeTimeout = Annotated[
    str,
    text(
        "How long the sidecar may take until it answers with a status from 200 to 299.",
        _duration,
        DURATION_SAYS,
        "30s",
        default="`1m`",
        pattern=shape(DURATION_PATTERN),
    ),
]
Url = Annotated[
    str,
    text(
        "Where to send it.",
        evaluated(first(given, names.url)),
        "an address that begins with `http://` or `https://`, without user and password",
        "https://example.com/hook",
        pattern=shape(r"[Hh][Tt][Tt][Pp][Ss]?://[!-~]+", template=True, empty=False),
    ),
]
HeaderName = Annotated[str, text("", every(names.header_name), pattern=shape(names.HEADER_NAME.pattern, empty=False))]
HeaderValue = Annotated[str, text("", _header_value)]
WebhookEvent = Annotated[
    str,
    text(
        "Of what it tells.",
        every(optional(one_of(names.WEBHOOK_EVENTS, "event"))),
        "`job.StateChange`, `job.Progress`, `task.StateChange` or `task.Progress`",
        *names.WEBHOOK_EVENTS,
        default="`job.StateChange`",
        enum=["", *names.WEBHOOK_EVENTS],
    ),
]
WebhookCondition = Annotated[
    str,
    text(
        "An expression over `job`, and for events of tasks over `task` too; it is sent only where it comes to true.",
        TEXT,
        "an expression",
        "{{ job.State == 'FAILED' }}",
        default="it is always sent",
    ),
]
WebhookSecret = Annotated[
    str,
    text(
        "The key of the signature. It is kept as a secret.",
        evaluated(optional(names.secret), at_most_bytes(LONGEST_TEXT), printable),
        SECRET_SAYS,
        "{{ secrets.webhook }}",
        default="it is not signed",
    ),
]
After = Annotated[
    str,
    text(
        "How long after its completion.",
        every(first(given, _after)),
        "a duration, from a second to a year",
        "24h",
        pattern=shape(DURATION_PATTERN, empty=False),
    ),
]
WaitTimeout = Annotated[
    str,
    text(
        "How long the answer may take at most.",
        every(first(given, _wait)),
        "a duration of at most an hour",
        "30s",
        pattern=shape(DURATION_PATTERN, empty=False),
    ),
]
ItemList = Annotated[
    str,
    text(
        "An expression that comes to a list.",
        every(given, at_most_bytes(LONGEST_TEXT), printable),
        "an expression",
        "{{ sequence(0, 3) }}",
        "{{ fromJSON(tasks.chunks) }}",
        minLength=1,
    ),
]
ItemVariable = Annotated[
    str,
    text(
        "The name under which the task finds the item: `NAME.value`, and its place from 0, `NAME.index`.",
        every(optional(names.item_variable)),
        "at most 64 letters, digits and underscores; not `inputs`, `secrets`, `tasks` or `job`",
        "chunk",
        default="`item`",
        pattern=shape(names.VARIABLE.pattern),
    ),
]
Concurrency = Annotated[int, number("How many run at the same time.", 0, 99_999, 4, default="0, for all")]
Output = Annotated[
    str,
    text(
        "An expression: what the job returns when its last task has completed.",
        TEXT,
        "an expression",
        "{{ tasks.answer }}",
        default="nothing",
    ),
]
InputName = Annotated[
    str, text("", every(given, at_most_characters(LONGEST_NAME), one_line), minLength=1, maxLength=LONGEST_NAME)
]
InputValue = Annotated[str, text("", TEXT, maxLength=LONGEST_TEXT)]
SecretName = Annotated[
    str, text("", every(first(given, names.variable)), pattern=shape(names.VARIABLE.pattern, empty=False))
]
SecretValue = Annotated[
    str, text("", every(names.secret, at_most_bytes(LONGEST_TEXT), printable), minLength=names.SHORTEST_SECRET)
]
PassedSecret = Annotated[
    str, text("", evaluated(names.secret, at_most_bytes(LONGEST_TEXT), printable), minLength=names.SHORTEST_SECRET)
]
Environment = Annotated[
    dict[EnvironmentName, EnvironmentValue],
    Meta(description="The environment of the program.", examples=[{"WHO": "world", "ID": "{{ inputs.id }}"}]),
]
Files = Annotated[
    dict[FileName, FileContent],
    mapping(
        "Files that are put into the working directory, by their names.",
        MOST_FILES,
        "file",
        {"config.ini": "debug=1\n"},
        says="; 1 MB together; names without `..`",
    ),
]
Inputs = Annotated[
    dict[InputName, InputValue],
    mapping(
        "What expressions find as `inputs.NAME`.",
        MOST_INPUTS,
        "input",
        {"source": "https://example.com/a.mp4"},
    ),
]
Arguments = Annotated[
    tuple[Argument, ...],
    Meta(description="The arguments of the program, without a shell.", examples=[["wc", "-l", "/etc/hosts"]]),
]
Program = Annotated[
    tuple[Argument, ...],
    Meta(description="The program, in place of the image's own.", examples=[["date"], ["sh", "-c"]]),
]
Tags = Annotated[tuple[Tag, ...], several("Words to find it by.", MOST_TAGS, "tag")]
