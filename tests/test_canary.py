"""No secret is to be seen anywhere: canaries are put wherever a secret may be, and sought wherever one could be seen.

What is no secret is put there as well, and has to be found: who finds nothing may just have looked badly.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import secrets
import signal
import subprocess
import sys
import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID

import pytest
import urllib3

from app.settings import Settings
from domain import webhook
from scripts.containers import family, free_port
from tests.server import ROOT, Answer, Api
from tests.waiting import until

IMAGE = "busybox:stable"
OVER = {"COMPLETED", "FAILED", "CANCELLED"}
EVENTS = ("job.StateChange", "job.Progress", "task.StateChange", "task.Progress")
KINDS = {"file", "answer", "line of a process", "message", "command line"}
"""Where something can be seen."""

SPEAK = 'echo "$WORD"; echo "$WORD" >&2'
TELL = f"""
{SPEAK}
echo "$LINES"
head=${{WORD%????????}}
printf %s "$head"; sh -c true; printf '%s\\n' "${{WORD#"$head"}}"
printf %s "$head" >&2; sh -c true; printf '%s\\n' "${{WORD#"$head"}}" >&2
echo "$WORD" > $TORK_PROGRESS
printf %s "$WORD" | sha256sum
printf '{{"it": "%s"}}' "$WORD" > $TORK_OUTPUT
"""
"""Says a word in each way that a task has."""

wait_until = partial(until, seconds=90)


Words = defaultdict[str, str]
"""Random words, by what they are for."""


class Seen(NamedTuple):
    """Something that can be seen."""

    kind: str
    where: str
    content: bytes


class Evidence(list[Seen]):
    """All that can be seen of an installation."""

    def add(self, kind: str, where: str, content: bytes) -> None:
        self.append(Seen(kind, where, content))

    def of(self, word: str) -> list[str]:
        """Say where a word can be seen, in clear, in hex or in base64."""
        sought = forms(word.encode())
        return [f"{seen.kind} {seen.where}" for seen in self if any(form in seen.content for form in sought)]

    def kinds(self, word: str) -> set[str]:
        return {kind for kind in KINDS for where in self.of(word) if where.startswith(f"{kind} ")}

    def files(self, folder: Path) -> None:
        for inside, _, names in os.walk(folder):
            for name in names:
                with suppress(FileNotFoundError):  # removed just now
                    self.add("file", name, Path(inside, name).read_bytes())


def forms(word: bytes) -> set[bytes]:
    """Return how a word may be written, in base64 wherever in a longer text it begins."""
    found = {word, word.hex().encode(), word.hex().upper().encode()}
    for before in range(3):
        coded = base64.b64encode(bytes(before) + word)
        found.add(coded[(before * 8 + 5) // 6 : (before + len(word)) * 8 // 6])
    return found


class Receiver:
    """Takes the messages of webhooks."""

    def __init__(self) -> None:
        self.messages: list[tuple[str, dict[str, str], bytes]] = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                receiver.messages.append((self.path, {name.lower(): text for name, text in self.headers.items()}, body))
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def to(self, path: str) -> list[tuple[dict[str, str], bytes]]:
        """Return the headers and bodies of what came to a path."""
        return [(headers, body) for sent_to, headers, body in self.messages if sent_to == path]

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


class Installation:
    """A `jobledger up`, of which all that can be seen is noted down."""

    def __init__(self, data: Path, docker_host: str = "", runtime: str = "docker") -> None:
        self.data = data
        self.runtime = runtime
        self.evidence = Evidence()
        self.port = free_port()
        self.said = data.with_name("said.txt")
        self._api = Api(self.port, Settings(data=data, port=self.port))
        self._environment = {**os.environ, "PYTHONPATH": str(ROOT), "DOCKER_HOST": docker_host}

    @contextmanager
    def running(self, *, until_killed: bool = False) -> Iterator[None]:
        command = [sys.executable, "-m", "app", "up", "--data", self.data, "--port", str(self.port), "--slots", "4"]
        with self.said.open("ab") as said:
            process = subprocess.Popen(
                [*command, "--runtime", self.runtime], env=self._environment, cwd=ROOT, stdout=said, stderr=said
            )
        try:
            with self._watching(process.pid):
                wait_until(self._answers)
                yield
                if not until_killed:
                    process.send_signal(signal.SIGTERM)
                    assert process.wait(60) == 0
        finally:
            _kill(process)
            self._api.close()
            sys.stderr.write(self.said.read_text())  # for the report of a failure
        self.evidence.add("line of a process", self.said.name, self.said.read_bytes())

    @contextmanager
    def _watching(self, pid: int) -> Iterator[None]:
        stopped = threading.Event()
        watcher = threading.Thread(target=self._watch, args=(pid, stopped))
        watcher.start()
        try:
            yield
        finally:
            stopped.set()
            watcher.join()

    def ask(self, method: str, path: str, body: str | None = None, **headers: str) -> Answer:
        answer = self._api.ask(method, path, body, **headers)
        heads = "\n".join(f"{name}: {text}" for name, text in answer.headers.items()).encode()
        self.evidence.add("answer", f"{method} {path}", heads + answer.body)
        return answer

    def submit(self, document: dict[str, Any]) -> Answer:
        return self.ask("POST", "/jobs", json.dumps(document), Content_Type="application/json")

    def run(self, document: dict[str, Any]) -> str:
        """Submit a job and wait until it, and all that it started, is over and cleaned up."""
        answer = self.submit(document)
        assert answer.status == 200, answer.body
        job_id: str = answer.json["id"]
        self.ends(job_id)
        return job_id

    def ends(self, job_id: str) -> None:
        wait_until(lambda: self._state(job_id) in OVER)
        wait_until(lambda: not any((self.data / "runner").glob("*/attempts/*")))

    def printed(self, job_id: str) -> bytes:
        return self.ask("GET", f"/jobs/{job_id}/log", Accept="text/plain").body

    def look_everywhere(self) -> None:
        """Ask for everything that the API has to give, of each job and each attempt of a task."""
        jobs = [each["id"] for each in self.ask("GET", "/jobs?size=20").json["items"]]
        attempts = [run["id"] for each in jobs for run in self.ask("GET", f"/jobs/{each}").json["execution"]]
        for path, methods in self.ask("GET", "/openapi.json").json["paths"].items():
            if "get" in methods:
                kept = attempts if path.startswith("/tasks") else jobs
                for each in kept if "{" in path else [""]:
                    asked = f"{path.partition('{')[0]}{each}{path.partition('}')[2]}"
                    self.ask("GET", asked)
                    self.ask("GET", asked, Accept="text/plain")
        self.evidence.files(self.data)

    def _state(self, job_id: str) -> str:
        state: str = self._api.get(f"/jobs/{job_id}").json["state"]
        return state

    def _answers(self) -> bool:
        with suppress(urllib3.exceptions.HTTPError):
            return self._api.get("/health").status == 200
        return False

    def _watch(self, pid: int, stopped: threading.Event) -> None:
        """Note down the command lines of all processes, which everyone on the machine can read."""
        seen: set[bytes] = set()
        while not stopped.wait(0.02):
            for each in family(pid):
                with suppress(OSError):
                    seen.add(Path(f"/proc/{each}/cmdline").read_bytes())
        for line in seen:
            self.evidence.add("command line", line[:40].decode(), line)


def _kill(process: subprocess.Popen[bytes]) -> None:
    """End it with all its processes, if it still runs."""
    if process.poll() is None:
        for pid in family(process.pid):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        process.wait()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    opened = Receiver()
    yield opened
    opened.close()


@pytest.fixture
def canaries() -> Words:
    return defaultdict(lambda: secrets.token_hex(16))


@pytest.fixture
def plant() -> str:
    """Give a word that is no secret: it is in the names of the data folder and of all jobs and tasks."""
    return secrets.token_hex(16)


@pytest.fixture
def installation(tmp_path: Path, docker_host: str, plant: str) -> Installation:
    return Installation(tmp_path / plant, docker_host)


def container(name: str, run: str, **given: Any) -> dict[str, Any]:
    return {"name": name, "image": IMAGE, "run": run, **given}


def word(secret: str) -> dict[str, str]:
    return {"WORD": f"{{{{ secrets.{secret} }}}}"}


def told(receiver: Receiver, path: str, header: str, key: str) -> list[dict[str, Any]]:
    return [
        {"url": f"{receiver.url}/{path}", "event": event, "headers": {"Authorization": header}, "secret": key}
        for event in EVENTS
    ]


def loquacious(canaries: Words, plant: str, receiver: Receiver) -> dict[str, Any]:
    """Write a job with a secret in each field that may have one, whose tasks tell all they know."""
    lines = f"{canaries['first line']}\n{canaries['second line']}\n"
    beside = {"env": word("beside"), "registry": {"username": "me", "password": canaries["pull beside"]}}
    child = {
        "name": f"child {plant}",
        "secrets": {"own": canaries["own"], "handed": "{{ secrets.handed }}"},
        "tasks": [
            container("owner", TELL, env=word("own"), registry={"username": "me", "password": canaries["child pull"]}),
            container(f"heir {plant}", TELL, env=word("handed"), var="heir"),
        ],
        "output": "{{ tasks.heir }}",
        "webhooks": told(receiver, "child", "Bearer {{ secrets.hook }}", canaries["child sign"]),
    }
    own = container(
        plant,
        TELL,
        env=word("word") | {"LINES": "{{ secrets.lines }}", "URL": "https://{{ secrets.word }}@example.com"},
        registry={"username": "{{ secrets.user }}", "password": canaries["pull"]},
        pre=[container("before", SPEAK, **beside)],
        post=[container("after", SPEAK, **beside)],
        sidecars=[container("beside", f"{SPEAK}; exec sleep 1000", **beside)],
        var="told",
    )
    inner = container("each", TELL, env=word("word"), registry={"username": "me", "password": "{{ secrets.user }}"})
    return {
        "name": plant,
        "secrets": {
            "lines": lines,
            **{name: canaries[name] for name in ("word", "beside", "user", "handed", "hook", "path")},
        },
        "tasks": [
            own,
            {
                "name": "side by side",
                "parallel": {"tasks": [inner, {"name": "i", "each": {"list": "{{ [1] }}", "task": inner}}]},
            },
            {"name": "child", "subjob": child, "var": "heir"},
        ],
        "output": "{{ tasks.told }} {{ tasks.heir }}",
        "webhooks": told(receiver, "{{ secrets.path }}", "Bearer {{ secrets.hook }}", canaries["sign"]),
    }


def as_processes(document: Any) -> Any:
    """Leave out of a job what only containers can have."""
    if isinstance(document, dict):
        kept = {name: each for name, each in document.items() if name not in ("image", "registry", "sidecars")}
        return {name: as_processes(each) for name, each in kept.items()}
    return [as_processes(each) for each in document] if isinstance(document, list) else document


def failing(canaries: Words, plant: str, receiver: Receiver) -> dict[str, Any]:
    """Write a job whose last words are a secret; it is tried again, and its submission is answered at its end."""
    run = f'{TELL}printf %s "$WORD"; printf "\\n$WORD" >&2; exit 3'
    return {
        "name": plant,
        "secrets": {"last": canaries["last words"]},
        "tasks": [container(plant, run, env=word("last"), retry={"limit": 1})],
        "wait": {"timeout": "60s"},
        "webhooks": told(receiver, "failing", "none", "a key of no importance"),
    }


def refused(canaries: Words, plant: str) -> list[dict[str, Any]]:
    """Write jobs in which something is wrong, beside a secret or with it."""
    good = container("t", "echo")
    bad = canaries["refused"]
    kept = {"name": plant, "secrets": {"bad": bad}}
    return [
        kept | {"tasks": [good | {"cmd": ["{{ secrets.bad }}"]}]},
        kept | {"tasks": [good | {"nonsense": bad}]},
        {"name": plant, "secrets": {"bad": [bad]}, "tasks": [good]},
        {"name": plant, "secrets": {"bad": f"{bad}\0"}, "tasks": [good]},
        {"name": plant, "secrets": bad, "tasks": [good]},
        {"name": plant, "secrets": {"bad": bad * 3_000}, "tasks": [good]},
        {"name": plant, "tasks": [good | {"registry": {"username": "me", "password": [bad]}}]},
        {"name": plant, "tasks": [good | {"registry": bad}]},
        {"name": plant, "tasks": [good], "webhooks": [{"url": "https://example.com", "secret": f"{bad}\0"}]},
    ]


def prove(installation: Installation, canaries: Words, plant: str, receiver: Receiver) -> None:
    """See that what is no secret was found in all kinds of places, and what is one in none."""
    for _, headers, body in receiver.messages:
        installation.evidence.add("message", headers["webhook-id"], body)
    installation.evidence.files(installation.data)
    assert installation.evidence.kinds(plant) == KINDS
    assert {purpose: where for purpose, each in canaries.items() if (where := installation.evidence.of(each))} == {}


@pytest.mark.parametrize("form", [str, lambda word: word.encode().hex(), lambda word: word.encode().hex().upper()])
def test_a_word_that_can_be_seen_is_found(tmp_path: Path, form: Any) -> None:
    evidence = Evidence()
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "leak.db").write_bytes(b"\xff\0" + form("canary").encode() + b"\0")
    evidence.files(tmp_path)
    evidence.add("answer", "GET /", b"{}")
    assert evidence.of("canary") == ["file leak.db"]


@pytest.mark.parametrize("before", [b"", b"a", b"ab", b"user:"])
def test_a_word_is_found_in_base64_wherever_it_begins(before: bytes) -> None:
    evidence = Evidence()
    evidence.add("answer", "GET /", base64.b64encode(before + b"0123456789abcdef" + b"&more"))
    assert evidence.of("0123456789abcdef") == ["answer GET /"]


def test_no_secret_of_a_job_that_tells_all_it_knows_can_be_seen_anywhere(
    installation: Installation, canaries: Words, plant: str, receiver: Receiver
) -> None:
    with installation.running():
        job_id = installation.run(loquacious(canaries, plant, receiver))
        wait_until(lambda: len(receiver.to("/child")) > 4)
        installation.look_everywhere()
        shown = installation.ask("GET", f"/jobs/{job_id}").json
        printed = installation.printed(job_id).decode()
    prove(installation, canaries, plant, receiver)
    assert (shown["state"], shown["result"]) == ("COMPLETED", '{"it": "[REDACTED]"} {"it": "[REDACTED]"}')
    assert set(shown["secrets"].values()) == {"[REDACTED]"}
    assert hashlib.sha256(canaries["word"].encode()).hexdigest() in printed  # it did get there


def test_no_secret_of_a_job_whose_tasks_are_processes_can_be_seen_anywhere(
    tmp_path: Path, canaries: Words, plant: str, receiver: Receiver
) -> None:
    installation = Installation(tmp_path / plant, runtime="process")
    with installation.running():
        job_id = installation.run(as_processes(loquacious(canaries, plant, receiver)))
        wait_until(lambda: len(receiver.to("/child")) > 4)
        installation.look_everywhere()
        shown = installation.ask("GET", f"/jobs/{job_id}").json
    prove(installation, canaries, plant, receiver)
    assert (shown["state"], shown["result"]) == ("COMPLETED", '{"it": "[REDACTED]"} {"it": "[REDACTED]"}')


def test_webhooks_get_the_secrets_that_they_need(
    installation: Installation, canaries: Words, plant: str, receiver: Receiver
) -> None:
    with installation.running():
        installation.run(loquacious(canaries, plant, receiver))
        wait_until(lambda: len(receiver.to("/child")) > 4)
    for path, key in ((f"/{canaries['path']}", canaries["sign"]), ("/child", canaries["child sign"])):
        for headers, body in receiver.to(path):
            assert headers["authorization"] == f"Bearer {canaries['hook']}"
            second = int(headers["webhook-timestamp"])
            assert headers["webhook-signature"] == webhook.signature(key, UUID(headers["webhook-id"]), second, body)


def test_the_last_words_of_a_job_that_failed_do_not_tell_its_secret(
    installation: Installation, canaries: Words, plant: str, receiver: Receiver
) -> None:
    with installation.running():
        job_id = installation.run(failing(canaries, plant, receiver))
        assert installation.ask("PUT", f"/jobs/{job_id}/restart").status == 200
        wait_until(lambda: len(installation.ask("GET", f"/jobs/{job_id}").json["execution"]) == 4)
        wait_until(lambda: installation.ask("GET", f"/jobs/{job_id}").json["state"] == "FAILED")
        installation.look_everywhere()
        shown = installation.ask("GET", f"/jobs/{job_id}").json
    prove(installation, canaries, plant, receiver)
    assert "exit code 3" in shown["error"]
    assert "[REDACTED]" in shown["error"]


def test_a_secret_that_was_half_printed_when_all_was_killed_can_not_be_seen(
    installation: Installation, canaries: Words, plant: str
) -> None:
    half = "?" * 20
    run = f'printf "ready\\n%.20s" "$WORD"; until [ -e /tork/go ]; do sleep 0.1; done; echo "${{WORD#{half}}}"'
    document = {
        "name": plant,
        "secrets": {"word": canaries["word"]},
        "tasks": [container(plant, run, env=word("word"))],
    }
    with installation.running(until_killed=True):
        job_id: str = installation.submit(document).json["id"]
        wait_until(lambda: installation.printed(job_id) == b"ready\n")
    (folder,) = (installation.data / "runner").glob("*/attempts/*")
    (folder / "go").touch()
    with installation.running():
        installation.ends(job_id)
        assert installation.printed(job_id) == b"ready\n[REDACTED]\n"
        installation.look_everywhere()
    installation.evidence.files(installation.data)
    assert installation.evidence.kinds(plant) == KINDS - {"message"}
    assert installation.evidence.of(canaries["word"][:20]) == []


def test_a_job_that_is_refused_does_not_tell_its_secret(
    installation: Installation, canaries: Words, plant: str
) -> None:
    with installation.running():
        answers = [installation.submit(each) for each in refused(canaries, plant)]
    installation.evidence.files(installation.data)
    assert [answer.status for answer in answers] == [400] * len(answers)
    assert installation.evidence.of(canaries["refused"]) == []


def test_what_is_deleted_is_gone_with_its_secrets(installation: Installation, canaries: Words, plant: str) -> None:
    printed = secrets.token_hex(16)
    task = container("t", f"echo {printed}; {SPEAK}", env=word("word"))
    document = {"name": plant, "secrets": {"word": canaries["word"]}, "tasks": [task], "autoDelete": {"after": "1s"}}
    with installation.running():
        job_id = installation.submit(document).json["id"]
        wait_until(lambda: installation.ask("GET", f"/jobs/{job_id}").status == 404)
        wait_until(lambda: printed.encode() not in _content(installation.data, "output.db*"))
        wait_until(lambda: UUID(job_id).hex.encode() not in _content(installation.data, "secrets.db*"))


def _content(folder: Path, pattern: str) -> bytes:
    return b"".join(path.read_bytes() for path in folder.glob(pattern))
