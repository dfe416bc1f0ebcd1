"""What a job and a task must be like: one rule for each field."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from domain import definition, fields, names
from domain.amounts import ALL
from domain.definition import Definition, JobDefinition, TaskDefinition, parse_duration
from domain.errors import Invalid, Missing, Problem, Refused
from domain.rules import Gpus, parse_cpus, parse_gpus, parse_memory


def broken(field: Any, text: str) -> list[str]:
    """Return the codes of the rules that a text breaks."""
    meta = field.__metadata__[-1]
    return [problem.code for problem in meta.extra["rule"](text)]


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("5s", 5),
        ("1h30m", 5400),
        ("1.5h", 5400),
        ("300ms", 0.3),
        (".5m", 30),
        ("2.m", 120),
        ("+1s", 1),
        ("1m1m", 120),
        ("1us", 1e-6),
        ("1µs", 1e-6),
        ("1μs", 1e-6),
        ("1ns", 1e-9),
        ("8760h", 365 * 24 * 3600),
        ("1h2m3s4ms", 3723.004),
    ],
)
def test_a_duration_is_read_as_go_reads_it(text: str, seconds: float) -> None:
    assert parse_duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "not a duration"),
        ("5", "not a duration"),
        ("s", "not a duration"),
        (".s", "not a duration"),
        ("5 s", "not a duration"),
        ("5s ", "not a duration"),
        ("5s\n", "not a duration"),
        ("5S", "not a duration"),
        ("5d", "not a duration"),
        ("-1s", "not a duration"),
        ("1e9s", "not a duration"),
        ("\u0661s", "not a duration"),
        ("1.2.3s", "not a duration"),
        ("9" * 100 + "s", "not a duration"),
        ("0s", "longer than nothing"),
        ("0h0m", "longer than nothing"),
        ("8761h", "a year"),
        ("9999999h", "a year"),
    ],
)
def test_what_is_no_duration_is_refused(text: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        parse_duration(text)


GPUS: dict[str, Gpus] = {
    "all": Gpus(count=ALL),
    "2": Gpus(count=2),
    "count=2": Gpus(count=2),
    "device=0,1": Gpus(devices=("0", "1")),
    '"device=0,1"': Gpus(devices=("0", "1")),
    "device=0,1,driver=nvidia": Gpus(devices=("0", "1"), driver="nvidia"),
    "driver=amd": Gpus(count=1, driver="amd"),
    '"capabilities=compute,utility"': Gpus(count=1, capabilities=("compute", "utility", "gpu")),
    "device=MIG-GPU-12/1/0": Gpus(devices=("MIG-GPU-12/1/0",)),
}
MEMORY = {"512m": 512 * 2**20, "1gb": 2**30, "1MB": 1_048_576, "1 KiB": 1024, ".5k": 512, "7": 7, "7b": 7, "1p": 2**50}
CPUS = {"1.5": 1.5, ".5": 0.5, "2.": 2.0, "1024": 1024.0, "0.01": 0.01}


@pytest.mark.parametrize(("text", "gpus"), GPUS.items())
def test_gpus_are_read_as_docker_reads_them(text: str, gpus: Gpus) -> None:
    assert parse_gpus(text) == gpus


def test_no_word_asks_for_no_gpus() -> None:
    with pytest.raises(ValueError, match="1 to 2,048 characters"):
        parse_gpus("")


@pytest.mark.parametrize(("text", "size"), MEMORY.items())
def test_memory_is_read_as_docker_reads_it(text: str, size: int) -> None:
    assert parse_memory(text) == size


@pytest.mark.parametrize(("text", "cpus"), CPUS.items())
def test_processors_are_read_as_docker_reads_them(text: str, cpus: float) -> None:
    assert parse_cpus(text) == cpus


GOOD = {
    "JobName": ["a", "a" * 256, "{{ x }}", "<script>\u202e", "日本 👩\u200d🚀"],
    "Description": ["", "a\nb\tc\r\n", "a" * 65_536, "{{ x }}"],
    "Tag": ["", "a" * 64],
    "TaskName": ["a", "{{", "}} {{", "a" * 256, "chunk {{ item.index }}", "{{ x }}\n"],
    "SubjobName": ["a", "a" * 256, "{{ x }}\n"],
    "Image": [
        "",
        "a",
        "ubuntu:mantic",
        "busybox:1.36",
        "team/app",
        "a__b/c-d--e.f",
        "evil.tld/x",
        "127.0.0.1:22/x",
        "localhost:5000/x/y:Tag_1.0",
        "Registry.Example.com/x",
        "[::1]:5000/x",
        "x@sha256:" + "0a" * 32,
        "a.b/c:d@sha256:" + "0a" * 32,
        "a" * 512,
        "{{ inputs.image }}",
        "UPPER:{{ inputs.tag }}",
    ],
    "Script": ["", "echo {{ x }}\n\techo\r\n", "a" * 262_144],
    "Argument": ["", "a\nb", "{{", "{{ x }}"],
    "EnvironmentName": ["A", "LD_PRELOAD", "a b", "é", "1", "{{ x }}"],
    "EnvironmentValue": ["", "a=b\n", "日" * 20_000, "{{ x }}"],
    "FileName": ["a", "a/b/c.txt", ".hidden", "..a", "a..", "日" * 85, "a b", "CON", "\\", "a/" * 300 + "a"],
    "FileContent": ["", "a\n" * 100_000, "{{ x }}"],
    "Queue": ["default", "a" * 128, "A.b_c-9", "X-a", "x", "q-{{ x }}", "x-{{ x }}"],
    "DefaultQueue": ["", "default"],
    "Timeout": ["", "5s"],
    "AuxiliaryTimeout": ["", "5s"],
    "Variable": ["", "a", "_a9", "a" * 64, "my-var", "a__b", "v{{ x }}"],
    "Condition": ["", "true", "{{ x }}"],
    "Workdir": ["", "/", "/work", "/tork/workdir", "/tork/workdir/a", "/a b", "/processes", "/" + "a" * 255],
    "Network": ["bridge", "a" * 128, "my_net-1.2", "hosts", "jobledger-net"],
    "Gpus": [
        "",
        "all",
        "2",
        "device=0,1",
        '"device=0,1"',
        "count=2,capabilities=utility",
        "driver=nvidia,device=GPU-1",
    ],
    "Cpus": ["", "1.5", ".5", "1024", "0.01"],
    "Memory": ["", "512m", "1gb", "6m", "6291456", "1.5 GiB", "1P"],
    "RetryDelay": ["", "1s"],
    "MaxDelay": ["", "1s"],
    "User": ["", "robot", "{{ secrets.user }}"],
    "Password": ["", "abcd", "{{ secrets.x }}"],
    "MountType": ["volume", "bind", "tmpfs"],
    "MountSource": ["", "/", "/srv/data", "/a b/c_d-e.f=g"],
    "MountTarget": ["/data", "/a/b/"],
    "OptionName": ["size"],
    "OptionValue": ["", "addr=10.0.0.1,rw"],
    "ProbePath": ["/", "/health?full=1", "/" + "a" * 255],
    "ProbeTimeout": ["", "30s"],
    "Url": [
        "http://a",
        "HTTPS://a.b:65535/c?d=e#f",
        "http://[::1]:8000/",
        "http://169.254.169.254/",
        "https://{{ inputs.host }}/x",
        "{{ secrets.url }}",
        "http://a/" + "b" * 2_000,
        "http://a?b@c",
    ],
    "HeaderName": ["Authorization", "X-A_b.c!", "a" * 128, "web-hook"],
    "HeaderValue": ["", "Bearer abc", "a" * 8_192, "{{ secrets.x }}", "é {{ x }}"],
    "WebhookEvent": ["", "job.StateChange", "job.Progress", "task.StateChange", "task.Progress"],
    "WebhookCondition": ["", "{{ job.State == 'FAILED' }}"],
    "WebhookSecret": ["", "abcd", "{{ secrets.x }}"],
    "After": ["1s", "8760h"],
    "WaitTimeout": ["1ns", "1h"],
    "ItemList": ["{{ sequence(1, 3) }}", "[1, 2]"],
    "ItemVariable": ["", "chunk", "input"],
    "Output": ["", "{{ tasks.a }}!"],
    "InputName": ["a", "a b", "é", "a" * 256],
    "InputValue": ["", "a" * 65_536, "{{ x }}"],
    "SecretName": ["a", "_b"],
    "SecretValue": ["abcd", "a" * 65_536, "a\nb c", "{{ x }}"],
    "PassedSecret": ["abcd", "{{x}}"],
}
NO_IMAGES = [
    "-v",
    "a b",
    " a",
    "a\n",
    "UPPER/Case",
    "a/B",
    "a//b",
    "a/",
    "/a",
    "a:",
    "a:-b",
    "a:b:c",
    "a@b",
    "x@sha256:zz",
]
NO_IMAGES += ["-x.io/a", "a..b/c", "a" * 513, "é", "a\0b", "http://a/b", "a___b", "a:" + "t" * 129, "{{", "}}{{"]
NO_FILES = ["", "/abs", "../a", "a/../b", "..", ".", "./a", "a//b", "a/", "a" * 256, "日" * 86, "a/" * 600 + "a"]
NO_URLS = ["", "://x", "a", "file:///etc/passwd", "gopher://a", "http:/a", "http://", "http://%zz", "http://a:65536"]
NO_URLS += ["http://a:0", "http://a b", "http://a/b c", "http://a\n", "http://é", "http://a/é", "http:///a", "//a"]
NO_GPUS = [
    "all,--privileged",
    "device=../../x",
    "0",
    "1025",
    "1,2",
    "options=a",
    "count=1,device=0",
    "device=",
    "a",
    "-1",
]
NO_GPUS += [
    "device=0" + ",0" * 2_000,
    '"device=0',
    '"count=1,2"',
    "driver=",
    "driver=cdi",
    "capabilities=A",
    "device=0,device=1",
    '""',
    "\u0661",
]
NO_NAMES = ["a.b", "9a", "é", "a" * 65, "a\n", "__class__"]
BAD = {
    "JobName": {"": "required", "a" * 257: "too_long", "a\nb": "control_character", "a\x1b[0m": "control_character"},
    "Description": {"a\0": "control_character", "a" * 65_537: "too_long", "日" * 22_000: "too_long"},
    "Tag": {"a" * 65: "too_long", "a\u2028b": "control_character", "a\x9bb": "control_character"},
    "TaskName": {"": "required", "a\tb": "control_character", "a" * 257: "too_long", "{{ x }}\0": "control_character"},
    "SubjobName": {"": "required", "a" * 257: "too_long", "a\nb": "control_character"},
    "Image": dict.fromkeys(NO_IMAGES, "image")
    | {"{{ x }}\0": "control_character", "{{ x }}" + "a" * 65_536: "too_long"},
    "Script": {"a\0b": "control_character", "a\x07": "control_character", "a" * 262_145: "too_long"},
    "Argument": {"a\x0b": "control_character", "a" * 65_537: "too_long"},
    "EnvironmentName": {"": "env", "A=B": "env", "A\0": "control_character", "A\nB": "control_character"},
    "EnvironmentValue": {"\0": "control_character", "a" * 65_537: "too_long", "{{x}}\0": "control_character"},
    "FileName": dict.fromkeys(NO_FILES, "file_name") | {"a\0b": "control_character", "a\nb": "control_character"},
    "FileContent": {"\0": "control_character"},
    "Queue": dict.fromkeys(
        ["", "x-", "x-exclusive", "../a", "a b", "a" * 129, "é", "a\n", *sorted(names.COORDINATOR_QUEUES)], "queue"
    ),
    "DefaultQueue": dict.fromkeys(["x-a", "jobs", "{{ x }}"], "queue"),
    "Timeout": dict.fromkeys(["5", "-1s", "9999999h", "1e9s", "{{ x }}"], "duration"),
    "AuxiliaryTimeout": {"5": "duration"},
    "Variable": dict.fromkeys([*NO_NAMES, "-a"], "var"),
    "Condition": {"\0": "control_character"},
    "Workdir": dict.fromkeys(
        ["x", "../x", "/a/../b", "/proc", "/proc/1", "/sys", "//sys/", "/dev/shm", "/tork", "/tork/x", "/./tork"],  # noqa: S108
        "workdir",
    )
    | {"/" + "a" * 256: "too_long", "/a\n": "control_character"},
    "Network": dict.fromkeys(
        [
            "",
            "host",
            "NONE",
            "default",
            "jobledger-" + "0a" * 16,
            "container:abc",
            "bridge; rm",
            "-a",
            "a" * 129,
            "a\n",
        ],
        "network",
    ),
    "Gpus": dict.fromkeys(NO_GPUS, "gpus"),
    "Cpus": dict.fromkeys(["0", "-1", "1e30", "0x10", "1025", ".", "0.001", "1,5", "a", "\u0661"], "range"),
    "Memory": dict.fromkeys(
        ["0", "-1", "1", "1e30", "10Q", "0x10", "5m", "1MB", "2p", "m", "1 0m", "\u0667m"], "range"
    ),
    "RetryDelay": {"5": "duration"},
    "MaxDelay": {"5": "duration"},
    "User": {"a\0": "control_character"},
    "Password": {"abc": "secret_too_short", "abc\0": "control_character", "a" * 65_537: "too_long"},
    "MountType": dict.fromkeys(["", "npipe", "Volume", "cluster"], "mount"),
    "MountSource": dict.fromkeys(["a", "./a", "/a:b", "/a,b", "/a/../b", "/..", "C:\\a", "/é", "/a\n"], "mount"),
    "MountTarget": {"": "required", "data": "mount", "/a:ro": "mount", "/a/..": "mount"},
    "OptionName": {"": "required", "a\0": "control_character"},
    "OptionValue": {"a\nb": "control_character"},
    "ProbePath": {
        "": "required",
        "a": "probe",
        "/a b": "probe",
        "/é": "probe",
        "/a\r\n": "probe",
        "/" + "a" * 256: "too_long",
    },
    "ProbeTimeout": {"1": "duration"},
    "Url": dict.fromkeys(NO_URLS, "url")
    | {"": "required", "http://user:pw@h": "url", "ftp://user@h": "url", "http://a/" + "b" * 2_048: "url"},
    "HeaderName": dict.fromkeys(
        ["", "X\r\nHost", "a b", "é", "a:", "Host", "content-LENGTH", "Transfer-Encoding", "Connection", "Webhook-Id"],
        "header",
    ),
    "HeaderValue": {"a\r\nb": "header", "é": "header", "a" * 8_193: "too_long", "{{ x }}\0": "control_character"},
    "WebhookEvent": {"job.Started": "event", "JOB.PROGRESS": "event"},
    "WebhookCondition": {"\0": "control_character"},
    "WebhookSecret": {"abc": "secret_too_short"},
    "After": dict.fromkeys(["-1h", "1ns", "0.9s", "5", "8761h", "{{ x }}"], "duration") | {"": "required"},
    "WaitTimeout": dict.fromkeys(["0s", "100h", "61m", "5"], "duration") | {"": "required"},
    "ItemList": {"": "required", "{{ x }}\0": "control_character"},
    "ItemVariable": dict.fromkeys([*NO_NAMES, "a-b", "inputs", "secrets", "tasks", "job", "{{ x }}"], "var"),
    "Output": {"\0": "control_character"},
    "InputName": {"": "required", "a\n": "control_character", "a" * 257: "too_long"},
    "InputValue": {"\0": "control_character", "a" * 65_537: "too_long"},
    "SecretName": dict.fromkeys([*NO_NAMES, "a-b"], "var") | {"": "required"},
    "SecretValue": {"": "secret_too_short", "abc": "secret_too_short", "abcd\0": "control_character"},
    "PassedSecret": {"": "secret_too_short", "abc": "secret_too_short", "{{ x }}\0": "control_character"},
}
KINDS = {name: kind for name, kind in vars(fields).items() if hasattr(kind, "__metadata__")}
TEXTS = {name for name, kind in KINDS.items() if kind.__origin__ is str}


def test_every_text_has_its_tests() -> None:
    assert set(GOOD) == set(BAD) == TEXTS


@pytest.mark.parametrize(("name", "text"), [(name, text) for name, texts in GOOD.items() for text in texts])
def test_what_keeps_the_rules_is_accepted(name: str, text: str) -> None:
    assert broken(getattr(fields, name), text) == []


@pytest.mark.parametrize(
    ("name", "text", "code"), [(name, text, code) for name, texts in BAD.items() for text, code in texts.items()]
)
def test_what_breaks_a_rule_is_refused(name: str, text: str, code: str) -> None:
    assert broken(getattr(fields, name), text) == [code]


def test_all_that_is_wrong_with_a_text_is_told() -> None:
    assert broken(fields.TaskName, "a\n" * 200) == ["too_long", "control_character"]


NUMBERS = {
    "RetryLimit": (1, 10),
    "Backoff": (1, 100),
    "ProbePort": (1, 65_535),
    "Concurrency": (0, 99_999),
    "Priority": (0, 9),
}


@pytest.mark.parametrize("name", NUMBERS)
def test_a_number_has_its_bounds(name: str) -> None:
    kind = getattr(fields, name)
    least, most = NUMBERS[name]
    rule = (kind if isinstance(kind, msgspec.Meta) else kind.__metadata__[0]).extra["rule"]
    assert [[problem.code for problem in rule(number)] for number in (least - 1, least, most, most + 1)] == [
        ["range"],
        [],
        [],
        ["range"],
    ]


STRUCTS = [kind for kind in vars(definition).values() if isinstance(kind, type) and issubclass(kind, Definition)]


@pytest.mark.parametrize(
    "field", [field for kind in STRUCTS for field in msgspec.structs.fields(kind)], ids=lambda field: str(field.name)
)
def test_every_field_is_described_for_users(field: msgspec.structs.FieldInfo) -> None:
    assert any(isinstance(each, msgspec.Meta) and each.description for each in field.type.__metadata__)


def test_a_definition_encodes_to_what_was_written_and_no_more() -> None:
    job = JobDefinition(name="n", tasks=(TaskDefinition(name="t", image="a"),))
    assert msgspec.json.encode(job) == b'{"name":"n","tasks":[{"name":"t","image":"a"}]}'


def test_history_stays_readable_when_rules_become_stricter() -> None:
    stored = b'{"name":"","tasks":[{"name":"{{ x }}","timeout":"soon"}]}'
    assert msgspec.json.decode(stored, type=JobDefinition).tasks[0].timeout == "soon"


def test_an_unknown_field_is_not_lost_in_silence() -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(b'{"name":"n","tasks":[],"nmae":1}', type=JobDefinition)


def test_invalid_says_the_first_problem_and_how_many_more_there_are() -> None:
    first = Problem("is wrong", path="a[0].b", line=2, column=3)
    assert str(Invalid([first])) == "a[0].b: is wrong (line 2, column 3)"
    assert str(Invalid([first, Problem("too")])) == "a[0].b: is wrong (line 2, column 3), and 1 more problem"
    assert str(Invalid([Problem("is wrong")] * 3)) == "is wrong, and 2 more problems"
    assert Invalid([first], status=415).status == 415


@pytest.mark.parametrize("kind", [Refused, Missing])
def test_a_refusal_is_its_message(kind: type[Refused | Missing]) -> None:
    assert str(kind("no")) == kind("no").message == "no"
