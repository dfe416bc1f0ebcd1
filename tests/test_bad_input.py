"""Hostile and broken input: each gets its 4xx with a message that says where and why, and nothing is stored."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from collections.abc import Iterator
from typing import NamedTuple
from uuid import UUID, uuid4

import pytest

from app.log import Log
from domain import job
from tests.controls import CLIENT, NOON, RUNNER
from tests.server import Api
from tests.test_api import SAMPLE, advance, submitted
from tests.waiting import until

OK = '{"name": "n", "tasks": [{"name": "t", "image": "a"}]}'
TASK = "name: n\ntasks:\n  - name: t\n    image: a\n"


class Case(NamedTuple):
    """A request and the answer that it deserves."""

    name: str
    body: bytes | str
    status: int = 400
    code: str = ""
    says: str = ""
    """Words of the message."""
    content_type: str = "application/json"
    headers: dict[str, str] = {}  # noqa: RUF012 - never changed


def yaml(name: str, body: bytes | str, code: str, says: str = "", status: int = 400) -> Case:
    return Case(name, body, status, code, says, "text/yaml")


def laughs(levels: int = 8, width: int = 10) -> str:
    lines = ["a0: &a0 [" + ",".join(["lol"] * width) + "]"]
    lines += [f"a{level}: &a{level} [" + ",".join([f"*a{level - 1}"] * width) + "]" for level in range(1, levels)]
    return "\n".join(lines)


MANY_INSIDE = "  - name: p\n    parallel:\n      tasks:\n" + "      - {name: u, image: a}\n" * 999
NINE_DEEP = "{name: t, parallel: {tasks: [" * 9 + "{name: u, image: a}" + "]}}" * 9

BODIES = [
    Case("B01 empty body", "", code="body_empty"),
    Case("B02 no content type", OK, 415, "content_type", "missing content type", ""),
    Case("B04 xml", OK, 415, "content_type", "application/xml", "application/xml"),
    Case("B04 plain text", OK, 415, "content_type", "text/plain", "text/plain"),
    Case("B04 multipart", OK, 415, "content_type", "multipart/form-data", "multipart/form-data; boundary=x"),
    Case("B05 gzip", OK, 415, "content_type", "encodings", headers={"Content-Encoding": "gzip"}),
    Case("B06 one byte too many", OK + " " * (500_001 - len(OK)), 413),
    Case("B08 UTF-16", OK.encode("utf-16"), code="encoding"),
    Case("B08 byte order mark", b"\xef\xbb\xbf" + OK.encode(), code="encoding"),
    Case("B08 not UTF-8", OK.replace('"n"', '"\xff"').encode("latin-1"), code="encoding"),
    Case("B09 two values", "{} {}", code="syntax", says="line 1, column 4"),
    Case("B09 trailing comma", '{"name": "n",}', code="syntax", says="line 1"),
    Case("B09 NaN", '{"name": NaN}', code="syntax"),
    Case("B09 unterminated", '{"name": "n"', code="syntax"),
    Case("B09 a number too large for anything", '{"name": "n", "tasks": 1e999}', code=""),
    Case("B10 100,000 brackets", "[" * 100_000, code="too_deep"),
    Case("B11 the same key twice", '{"name": "a", "name": "b"}', code="duplicate_key", says="name"),
    Case("B12 unknown field", '{"nmae": "n", "tasks": []}', code="unknown_field", says="nmae"),
    *[
        Case(f"B12 {field}", json.dumps({**json.loads(OK), field: value}), code="unknown_field", says=field)
        for field, value in {
            "privileged": True,
            "actor": "me",
            "id": "1",
            "state": "COMPLETED",
            "createdBy": {},
        }.items()
    ],
    Case("B13 30 digits", '{"name": "n", "tasks": [{"name": "t", "image": 123456789012345678901234567890}]}'),
    Case("B13 5,000 digits", '{"name": ' + "9" * 5_000 + "}"),
    Case("B14 NUL", '{"name": "a\\u0000b", "tasks": [{"name": "t", "image": "a"}]}', code="control_character"),
    Case("B15 lone surrogate", '{"name": "\\ud800", "tasks": [{"name": "t", "image": "a"}]}'),
    Case("B17 tasks is no list", '{"name": "n", "tasks": {}}', code="type", says="tasks"),
    Case("B17 name is no text", '{"name": 7, "tasks": [{"name": "t", "image": "a"}]}', code="type", says="name"),
    Case("B17 null where something is required", '{"name": null, "tasks": [{"name": "t", "image": "a"}]}', says="name"),
    Case("B18 a list", "[]", code="type"),
    Case("B18 a text", '"x"', code="type"),
    Case("B18 a number", "5", code="type"),
    yaml("Y01 billion laughs", laughs(), "alias"),
    yaml("Y02 200,000 brackets", "[" * 200_000, "too_deep"),
    yaml("Y02 200,000 brackets in a field", "name: " + "[" * 200_000, "too_deep"),
    yaml("Y03 480 KB of small mappings", "- b: c\n" * 68_000, "too_many_nodes"),
    yaml("Y04 merge keys by the thousand", "a: &a {b: c}\nd: {<<: [" + ",".join(["*a"] * 8_000) + "]}", ""),
    yaml("Y05 an anchor within itself", "&a [*a]", "alias"),
    yaml("Y06 a Python object", "!!python/object/apply:os.system [id]", "tag"),
    yaml("Y06 binary", "name: !!binary aGk=\ntasks: [{name: t, image: a}]", "tag"),
    yaml("Y06 a set", "name: n\ntasks: !!set {a}", "tag"),
    yaml("Y08 the same key twice", "name: a\nname: b\ntasks: [{name: t, image: a}]", "duplicate_key", "line 2"),
    yaml("Y09 two documents", f"{TASK}---\n{TASK}", ""),
    yaml("Y10 nothing but comments", "# nothing\n# at all\n", "body_empty"),
    yaml("Y10 no document", "   \n", "body_empty"),
    yaml("Y11 a list for a key", "? [1, 2]\n: x\n", "key_type"),
    yaml("Y12 tabs", "name: n\ntasks:\n\t- name: t\n", "syntax", "line 3"),
    yaml("Y12 a version that is not there", f"%YAML 9.9\n---\n{TASK}", ""),
    yaml("J01 no name", "tasks: [{name: t, image: a}]", "required", "name"),
    yaml("J01 an empty name", "name: ''\ntasks: [{name: t, image: a}]", "", "name"),
    yaml("J01 a name of 10 KB", f"name: {'n' * 10_000}\ntasks: [{{name: t, image: a}}]", "", "name"),
    yaml("J01 a line break in a name", 'name: "a\\nb"\ntasks: [{name: t, image: a}]', "control_character", "name"),
    yaml("J01 an escape sequence in a name", 'name: "a\\e[31mb"\ntasks: [{name: t, image: a}]', "control_character"),
    yaml("J02 no tasks", "name: n\ntasks: []", "", "tasks"),
    yaml("J02 1,001 tasks", "name: n\ntasks:\n" + "- {name: t, image: a}\n" * 1_001, "", "tasks"),
    yaml("J12 a variable with =", f"{TASK}    env: {{'A=B': x}}\n", "env", "env"),
    yaml("J12 a variable without a name", f"{TASK}    env: {{'': x}}\n", "env", "env"),
    yaml("J12 a value of 100 KB", f"{TASK}    env: {{A: {'x' * 100_000}}}\n", "too_long", "env"),
    yaml("J12 NUL in a value", f'{TASK}    env: {{A: "a\\0b"}}\n', "control_character", "env"),
    *[
        yaml(f"{row}: {lines}", f"{TASK}{lines}\n", code, says)
        for row, code, says, every in [
            ("J02 no tasks inside", "min", "tasks", ["    parallel: {tasks: []}"]),
            (
                "J03",
                "duration",
                "timeout",
                [f"    timeout: {text}" for text in ("5", "-1s", "9999999h", "1e9s", "\u0661s")],
            ),
            ("J04", "range", "retry", [f"    retry: {{limit: {text}}}" for text in ("-1", "0", "11", "1000000000")]),
            ("J04", "range", "retry", ["    retry: {limit: 1, delay: 2s, maxDelay: 1s}"]),
            ("J04", "range", "retry", ["    retry: {limit: 1, delay: 1s, backoff: 0.5}"]),
            ("J04", "range", "priority", ["    priority: 10", "    priority: -1", "defaults: {priority: 10}"]),
            ("J05", "range", "cpus", [f"    limits: {{cpus: '{text}'}}" for text in ("-1", "0", "1e30", "0x10")]),
            (
                "J05",
                "range",
                "memory",
                [f"    limits: {{memory: '{text}'}}" for text in ("1", "1e30", "10Q", "0x10", "5m")],
            ),
            (
                "J07",
                "queue",
                "queue",
                [f"    queue: {text}" for text in ("x-exclusive", "../a", "''", "q" * 1_000, "jobs")],
            ),
            ("J09", "mount", "mounts", ["    mounts: [{type: npipe, target: /a, source: /b}]"]),
            (
                "J09",
                "mount",
                "target",
                [
                    f"    mounts: [{{type: volume, target: {text}}}]"
                    for text in ("/", "/tork", "a", "/a/../b", "'/a,b'")
                ],
            ),
            ("J09", "mount", "target", ["    mounts: [{type: volume, target: /a}, {type: tmpfs, target: //a/}]"]),
            ("J09", "mount", "source", ["    mounts: [{type: bind, target: /a, source: '/b:/c'}]"]),
            (
                "J09 a volume that is the host's",
                "mount",
                "opts",
                ["    mounts: [{type: volume, target: /a, opts: {type: none, o: bind, device: /}}]"],
            ),
            (
                "J10",
                "file_name",
                "files",
                [f"    files: {{{text}: x}}" for text in ("../../etc/cron.d/x", "/abs", "''", "a/../b", "f" * 256)],
            ),
            ("J10 a file and a folder", "file_name", "files", ["    files: {a: x, a/b: y}"]),
            ("J10 NUL", "control_character", "files", ['    files: {"a\\0b": x}']),
            ("J11", "workdir", "workdir", [f"    workdir: {text}" for text in ("../x", "/tork", "/proc", "/a/../sys")]),
            (
                "J13",
                "network",
                "networks",
                [f"    networks: ['{text}']" for text in ("host", "none", "container:a", "b; rm")],
            ),
            ("J14", "gpus", "gpus", ["    gpus: all,--privileged", "    gpus: device=../../x"]),
            ("J15", "var", "var", [f"    var: {text}" for text in ("__class__", "a.b", "a" * 65)]),
            (
                "J15",
                "var",
                "each.var",
                [
                    f"  - {{name: e, each: {{list: '[1]', var: {text}, task: {{name: u, image: a}}}}}}"
                    for text in ("inputs", "job")
                ],
            ),
            (
                "J16",
                "expression",
                "cmd",
                [
                    f"    cmd: ['{{{{ {text} }}}}']"
                    for text in ("().__class__.__mro__", "nosuch.x", "1 +", "(" * 5_000, "secrets.a", "$env")
                ],
            ),
            (
                "J17",
                "url",
                "url",
                [
                    f"webhooks: [{{url: '{text}'}}]"
                    for text in (
                        "file:///etc/passwd",
                        "gopher://a",
                        "http://user:pw@h",
                        "://x",
                        "http://%zz",
                        "http://",
                    )
                ],
            ),
            (
                "J18",
                "header",
                "headers",
                [
                    f"webhooks: [{{url: http://a, headers: {{{text}: a}}}}]"
                    for text in ('"X\\r\\nHost"', "Host", "Content-Length", "Webhook-Id")
                ],
            ),
            ("J18 100 KB", "too_long", "headers", [f"webhooks: [{{url: http://a, headers: {{A: {'a' * 100_000}}}}}]"]),
            ("J18 an event", "event", "event", ["webhooks: [{url: http://a, event: job.Started}]"]),
            ("J19", "secret_too_short", "secrets", ["secrets: {a: ''}", "secrets: {a: b}"]),
            (
                "J19 1,000 of them",
                "too_many",
                "secrets",
                [f"secrets: {{{','.join(f'a{i}: long' for i in range(1_000))}}}"],
            ),
            ("J20 a short password", "secret_too_short", "password", ["    registry: {password: abc}"]),
            ("J21", "unsupported", "permissions", ["permissions: [{user: x, role: y}]"]),
            ("J22", "duration", "wait", ["wait: {timeout: 0s}", "wait: {timeout: 100h}"]),
            ("J23", "unsupported", "schedule", ["schedule: {cron: '* * * * *'}"]),
            ("J24", "duration", "autoDelete", ["autoDelete: {after: -1h}", "autoDelete: {after: 1ns}"]),
        ]
        for lines in every
    ],
    yaml("J02 1,001 tasks, most of them inside", f"{TASK}{MANY_INSIDE}", "too_many", "tasks"),
    yaml("J02 nested nine deep", f"name: n\ntasks: [{NINE_DEEP}]", "too_deep"),
    *[
        yaml(f"J06 {text[:20]}", f"name: n\ntasks: [{{name: t, image: '{text}'}}]", "image", "image")
        for text in ("-v", "a b", "UPPER/Case", "a" * 5_000, "x@sha256:zz")
    ],
    yaml("J10 101 files", f"{TASK}    files: {{{','.join(f'f{i}: x' for i in range(101))}}}", "too_many", "files"),
    yaml(
        "a composite task with an image",
        f"{TASK}    parallel: {{tasks: [{{name: u, image: b}}]}}",
        "composite",
        "image",
    ),
]


@pytest.mark.parametrize("case", BODIES, ids=[case.name for case in BODIES])
def test_a_bad_job_is_refused_and_nothing_is_stored(api: Api, case: Case) -> None:
    before = api.get("/jobs").json["totalItems"]
    began = api.worked()
    headers = case.headers | ({"Content-Type": case.content_type} if case.content_type else {})
    answer = api.ask("POST", "/jobs", case.body, **headers)
    assert api.worked() - began <= 1
    assert answer.status == case.status, answer.body
    problem = answer.json
    assert problem["message"]
    assert problem["status"] == case.status
    assert case.code in {problem["code"], "", *(error["code"] for error in problem.get("errors", []))}, problem
    assert case.says in problem["message"], problem
    assert api.get("/jobs").json["totalItems"] == before
    until(lambda: api.get("/health").status == 200)


GOOD = [
    Case("B03 a charset", OK, 200, content_type="application/json; charset=utf-8"),
    Case(
        "B16 a dictionary that looks like a stored object",
        json.dumps({"name": "n", "tasks": [{"name": "t", "image": "a", "env": {"_type_": "x", "_data_": "y"}}]}),
        200,
    ),
    Case("J01 markup and a change of direction", json.dumps({**json.loads(OK), "name": "<script>\u202egnp"}), 200),
    Case("J12 LD_PRELOAD", f"{TASK}    env: {{LD_PRELOAD: x}}\n", 200, content_type="text/yaml"),
    Case(
        "Y07 scalars",
        f"{TASK}    env: {{A: NO, B: 0777, C: 1:30, D: 2024-01-01, E: 1e3}}\n",
        200,
        content_type="text/yaml",
    ),
    Case(
        "J20 a password of a registry",
        f"{TASK}    registry: {{username: a, password: abcd}}\n",
        200,
        content_type="text/yaml",
    ),
    Case("J15 a dash in a name of a result", f"{TASK}    var: my-result\n", 200, content_type="text/yaml"),
    Case("J16 a brace that is never closed", f"{TASK}    env: {{A: '{{{{ inputs.x'}}\n", 200, content_type="text/yaml"),
    Case(
        "J17 an address that will be refused when it is delivered to",
        f"{TASK}webhooks: [{{url: 'http://169.254.169.254/'}}]\n",
        200,
        content_type="text/yaml",
    ),
    Case("B06 exactly 500,000 bytes", OK + " " * (500_000 - len(OK)), 200),
]


@pytest.mark.parametrize("case", GOOD, ids=[case.name for case in GOOD])
def test_what_only_looks_bad_is_accepted(api: Api, case: Case) -> None:
    answer = api.submit(case.body, case.content_type)
    assert answer.status == 200, answer.body
    assert api.get(f"/jobs/{answer.json['id']}").status == 200


def test_what_was_written_comes_back_byte_for_byte(api: Api) -> None:
    env = {"_type_": "x", "_data_": "y", "A": "NO", "B": "0777", "C": "1:30", "D": "2024-01-01", "E": "1e3"}
    body = TASK + "    env: {" + ", ".join(f"{name}: {value}" for name, value in env.items()) + "}\n"
    shown = api.get(f"/jobs/{api.submit(body).json['id']}").json
    assert shown["tasks"][0]["env"] == shown["execution"][0]["env"] == env


def test_what_is_secret_by_its_name_is_neither_in_the_job_nor_in_its_events(api: Api) -> None:
    lines = '    env: {DB_PASSWORD: hunter2}\n    registry: {username: u, password: "{{ inputs.word }}-two"}\n'
    job_id = api.submit(f"{TASK}{lines}inputs: {{word: hunter, my_secret: hunter2}}\n").json["id"]
    shown, events = api.get(f"/jobs/{job_id}"), api.get(f"/jobs/{job_id}/events")
    submitted, scheduled = (event["data"] for event in events.json["items"])
    for seen in (shown.json["execution"][0], scheduled["task"]):
        assert (seen["env"], seen["registry"]["password"]) == ({"DB_PASSWORD": "[REDACTED]"}, "[REDACTED]")
    assert shown.json["inputs"] == submitted["definition"]["inputs"] == {"word": "hunter", "my_secret": "[REDACTED]"}


def test_every_problem_is_told_at_once_with_line_column_path_and_hint(api: Api) -> None:
    first, second = "  - nmae: t\n    image: UPPER\n    timeout: soon\n", "  - name: u\n    image: a\n    queue: x-1\n"
    body = f"name: ''\ntasks:\n{first}{second}"
    errors = api.submit(body).json["errors"]
    places = {(error["path"], error["line"]) for error in errors}
    assert {
        ("name", 1),
        ("tasks[0].nmae", 3),
        ("tasks[0].image", 4),
        ("tasks[0].timeout", 5),
        ("tasks[1].queue", 8),
    } <= places
    assert all(error["column"] and error["code"] and error["message"] for error in errors)
    assert any("name" in error.get("hint", "") for error in errors if error["path"] == "tasks[0].nmae")


IDS = [
    "abc",
    "%00",
    "..%2f..%2fetc",
    "a" * 10_000,
    str(uuid4()).upper(),
    uuid4().hex.upper(),
    "123'%20OR%201=1",
    "' OR 1=1".replace(" ", "%20"),
]


@pytest.mark.parametrize("path", ["", "/log", "/events"])
@pytest.mark.parametrize("given", IDS, ids=range(len(IDS)))
def test_q01_what_is_no_id_is_not_found_like_any_other_job(api: Api, given: str, path: str) -> None:
    answer = api.get(f"/jobs/{given}{path}")
    assert answer.status in {404, 400}
    assert answer.json["message"]


@pytest.mark.parametrize("command", ["cancel", "restart"])
@pytest.mark.parametrize("given", [*IDS, uuid4().hex], ids=range(len(IDS) + 1))
def test_q01_nothing_can_be_asked_of_a_job_that_is_not_there(api: Api, given: str, command: str) -> None:
    answer = api.put(f"/jobs/{given}/{command}")
    assert answer.status == 404
    assert answer.json["message"]


@pytest.mark.parametrize(
    "query", ["page=abc", "page=9999999999999999999", "page=1&page=2", "size=abc", "page=", "page=1e9", "page=%D9%A1"]
)
def test_q02_a_page_that_is_no_number_is_refused(api: Api, query: str) -> None:
    answer = api.get(f"/jobs?{query}")
    assert (answer.status, answer.json["code"]) == (400, "query")
    assert query.split("=", maxsplit=1)[0] in answer.json["message"]


def test_q02_a_page_far_behind_the_last_is_empty(api: Api) -> None:
    assert api.get("/jobs?page=999999999").json["items"] == []


QUERIES = [
    "%25",
    "_",
    "%5C",
    "*" * 256,
    "a%20%26%20!",
    "NEAR(",
    '"',
    "%22%22%22",
    "AND",
    "name:x",
    "^",
    "%00",
    "a%00b",
    "{}",
    "tag:",
    "tags:,,",
]


@pytest.mark.parametrize("query", QUERIES)
def test_q03_a_query_is_text_and_never_an_error(api: Api, query: str) -> None:
    began = api.worked()
    assert api.get(f"/jobs?q={query}").status == 200
    assert api.worked() - began <= 0.5


def test_q03_a_query_has_at_most_256_characters(api: Api) -> None:
    answer = api.get(f"/jobs?q={'q' * 257}")
    assert (answer.status, answer.json["code"]) == (400, "query")


def test_q05_cancelling_twice_is_cancelling_once(api: Api) -> None:
    job_id = submitted(api)
    assert [api.put(f"/jobs/{job_id}/cancel").status for _ in range(3)] == [200, 200, 200]
    assert api.get(f"/jobs/{job_id}/events").json["totalItems"] == 3


def test_q06_a_job_restarts_while_its_container_is_still_being_stopped(api: Api, log: Log) -> None:
    job_id = submitted(api)
    attempt = advance(log, job_id, "intend", "start")
    assert api.put(f"/jobs/{job_id}/cancel").status == 200
    assert api.put(f"/jobs/{job_id}/restart").status == 200
    assert api.put(f"/jobs/{job_id}/restart").status == 400
    log.execute(job, UUID(job_id), job.Stop(at=NOON, attempt=attempt, runner=RUNNER, epoch=1), CLIENT)
    assert api.get(f"/jobs/{job_id}").json["state"] == "RUNNING"


@pytest.mark.parametrize(
    ("method", "path"),
    [("DELETE", "/jobs"), ("PATCH", "/jobs"), ("POST", "/jobs/x"), ("POST", "/health"), ("GET", "/jobs/x/cancel")],
)
def test_a_wrong_method_is_told_so(api: Api, method: str, path: str) -> None:
    answer = api.ask(method, path)
    assert answer.status == 405
    assert answer.json["message"]


def test_an_unknown_path_is_not_found(api: Api) -> None:
    answer = api.get("/nope")
    assert (answer.status, answer.json["message"]) == (404, "Not Found")


def raw(api: Api, request: bytes) -> bytes:
    """Send bytes as they are, and return the first line of the answer."""
    with socket.create_connection(("127.0.0.1", api.port), timeout=10) as connection:
        connection.sendall(request)
        return connection.recv(4096).partition(b"\r\n")[0]


def test_b06_a_body_without_end_is_cut_at_the_limit(api: Api) -> None:
    head = b"POST /jobs HTTP/1.1\r\nHost: x\r\nContent-Type: text/yaml\r\nTransfer-Encoding: chunked\r\n\r\n"
    chunk = b"10000\r\n" + b" " * 0x10000 + b"\r\n"
    with socket.create_connection(("127.0.0.1", api.port), timeout=10) as connection:
        connection.sendall(head)
        received = b""
        for _ in range(64):
            try:
                connection.sendall(chunk)
            except (BrokenPipeError, ConnectionResetError):
                break
        with contextlib.suppress(ConnectionResetError):
            received = connection.recv(4096)
    assert received.startswith(b"HTTP/1.1 413") or received == b""
    assert api.get("/health").status == 200


def test_b06_a_length_that_lies_is_refused_before_the_body_comes(api: Api) -> None:
    head = b"POST /jobs HTTP/1.1\r\nHost: x\r\nContent-Type: text/yaml\r\nContent-Length: 99999999\r\n\r\nname"
    assert b"413" in raw(api, head)


@pytest.fixture
def _attack(api: Api) -> Iterator[None]:
    """Send hostile bodies from four clients for as long as the test lasts."""
    over = threading.Event()
    bodies = ["[" * 200_000, laughs(), "- b: c\n" * 68_000, "name: " + "x" * 490_000, SAMPLE.replace("hello", "h" * 9)]

    def send() -> None:
        while not over.is_set():
            for body in bodies:
                api.submit(body)

    threads = [threading.Thread(target=send) for _ in range(4)]
    for thread in threads:
        thread.start()
    yield
    over.set()
    for thread in threads:
        thread.join()


@pytest.mark.usefixtures("_attack")
def test_health_answers_within_100_ms_under_hostile_bodies(api: Api) -> None:
    """Whatever it works at, an answer never waits longer for that."""
    times = []
    for _ in range(40):
        began = api.worked()
        assert api.get("/health").status == 200
        times.append(api.worked() - began)
    assert sorted(times)[int(len(times) * 0.9)] <= 0.1
