"""Every example does what it says, on a real Docker Engine."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any, NamedTuple

import docker
import pytest
from standardwebhooks.webhooks import Webhook

from scripts import private_engine
from scripts.containers import free_port
from scripts.packages import as_root
from tests.registry import Registry
from tests.server import ROOT, Api, running
from tests.test_up import Up, wait_until
from tests.waiting import end

EXAMPLES = ROOT / "examples"
ENDED = {"COMPLETED", "FAILED", "CANCELLED"}


class Outcome(NamedTuple):
    """How a job shall end."""

    state: str = "COMPLETED"
    printed: str = ""
    """All that its tasks print, the lines in alphabetical order, where they run side by side."""
    result: str | None = None
    error: str = ""
    """A pattern for its beginning."""
    runs: str = ""
    """The states of all runs, in their order."""


OUTCOMES = {
    "hello": Outcome(printed="hello, world\nstep 1 of 3\nstep 2 of 3\nstep 3 of 3\nthe answer goes into the history\n"),
    "failure": Outcome("FAILED", error=r"exit code 3: this line goes with the error", runs="COMPLETED FAILED"),
    "timeout": Outcome("FAILED", "this takes a minute\n", error=r"timed out after 2s"),
    "inputs": Outcome(result="hello WORLD, 6 times (20 letters)"),
    "condition": Outcome(printed="deployed\n", runs="COMPLETED SKIPPED COMPLETED"),
    "defaults": Outcome(printed=f"at most {64 * 2**20} bytes\nfine\n"),
    "files": Outcome(printed="/srv/app\nwritten in the job file\ncolour = green\n"),
    "pre-post": Outcome(printed="prepared\nprepared\nworked\n"),
    "post-always": Outcome("FAILED", "working\ncleaning up\n", error=r"exit code 3"),
    "sidecar": Outcome(printed="served beside the task\n"),
    "mounts": Outcome(printed="one\ntwo\n /fast tmpfs\n"),
    "limits": Outcome("FAILED", error=r"(killed, probably )?out of memory: exit code 137"),
    "retry": Outcome("FAILED", "no luck\n" * 3, error=r"exit code 1: no luck", runs="FAILED FAILED FAILED"),
    "parallel": Outcome(printed="one, other\n", result="one and other", runs="COMPLETED " * 4),
    "each": Outcome(printed="rendering 1366x768\nrendering 1920x1080\nrendering 800x600\n", runs="COMPLETED " * 4),
    "each-empty": Outcome(runs="COMPLETED"),
    "nested": Outcome(
        printed="build bsd\nbuild linux\ncheck bsd 1\ncheck bsd 2\ncheck linux 1\ncheck linux 2\n",
        runs="COMPLETED " * 11,
    ),
    "data": Outcome(printed="from 0 to 10\nfrom 10 to 15\n", result="15"),
    "subjob": Outcome(result="hello world"),
    "subjob-detached": Outcome(runs="COMPLETED"),
    "secrets": Outcome(printed="the token has 24 letters\nprinted it is [REDACTED]\n"),
    "queue": Outcome(printed="rendering\n"),
    "gpu": Outcome("FAILED", error=r"the container can not be started: .*(gpu|device driver)"),
}
"""Of the examples that need nothing but a runner; the others have a test of their own below."""
OWN = {"command", "bind", "network", "webhooks", "auto-delete", "wait", "progress", "registry", "process"}
UNORDERED = {"each", "nested", "data"}


class Installation(NamedTuple):
    """An API, and a runner beside the Engine, where the addresses of containers can be reached."""

    api: Api
    folder: Path


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory, docker_host: str) -> Iterator[Installation]:
    """Give a service that allows what the examples need."""
    folder = tmp_path_factory.mktemp("examples")
    (folder / "bound").mkdir()
    (folder / "bound" / "from-the-host").touch()
    allowed = ["--bind-root", str(folder / "bound"), "--queue", "default", "--queue", "gpu"]
    with running(folder / "data") as api, running_runner(folder / "data", docker_host, *allowed):
        yield Installation(api, folder)


@contextmanager
def running_runner(data: Path, docker_host: str, *options: str) -> Iterator[None]:
    engine = Path(docker_host.removeprefix("unix://")).parent
    beside = as_root("nsenter", f"--net=/proc/{private_engine.first_process(engine)}/ns/net")
    command = [sys.executable, "-m", "app", "runner", "--data", str(data), "--slots", "4", *options]
    environment = os.environ | {"DOCKER_HOST": docker_host}
    with subprocess.Popen([*beside, *command], cwd=ROOT, env=environment) as process:
        try:
            yield
        finally:
            end(process)


def submitted(up: Installation | Up, name: str, **replaced: str) -> str:
    """Submit an example, with some of its text replaced by what is there on this machine."""
    text = (EXAMPLES / f"{name}.yaml").read_text()
    for old, new in replaced.items():
        assert old in text
        text = text.replace(old, new)
    answer = up.api.submit(text)
    assert answer.status == 200, answer.body
    identifier: str = answer.json["id"]
    return identifier


def ended(up: Installation | Up, identifier: str) -> Any:
    """Wait for a job's end and return its document."""
    wait_until(lambda: up.api.get(f"/jobs/{identifier}").json["state"] in ENDED)
    return up.api.get(f"/jobs/{identifier}").json


def printed(up: Installation | Up, identifier: str) -> str:
    return up.api.get(f"/jobs/{identifier}/log", Accept="text/plain").body.decode()


def test_every_example_is_run() -> None:
    assert {path.stem for path in EXAMPLES.glob("*.yaml")} == OUTCOMES.keys() | OWN


@pytest.mark.parametrize("name", OUTCOMES)
def test_an_example_ends_as_it_says(up: Installation, name: str) -> None:
    outcome = OUTCOMES[name]
    identifier = submitted(up, name)
    document = ended(up, identifier)
    assert document["state"] == outcome.state, document.get("error")
    assert re.match(outcome.error, document.get("error", ""), re.DOTALL)
    assert document.get("result") == outcome.result
    if outcome.runs:
        assert [run["state"] for run in document["execution"]] == outcome.runs.split()
    if outcome.printed:
        text = printed(up, identifier)
        assert ("".join(sorted(text.splitlines(keepends=True))) if name in UNORDERED else text) == outcome.printed


def test_a_command_runs_without_a_shell(up: Installation) -> None:
    identifier = submitted(up, "command")
    assert ended(up, identifier)["state"] == "COMPLETED"
    assert re.fullmatch(r"\d+ /etc/hosts\n\w+day, \d\d:\d\d\n", printed(up, identifier))


def test_a_folder_of_the_host_is_mounted_where_it_is_allowed(up: Installation) -> None:
    identifier = submitted(up, "bind", **{"/var/tmp/jobledger-example": str(up.folder / "bound")})  # noqa: S108 - a name in a file
    document = ended(up, identifier)
    assert document["state"] == "COMPLETED", document.get("error")
    assert printed(up, identifier) == "from-the-host\n"


def test_a_folder_that_is_not_allowed_is_not_mounted(up: Installation) -> None:
    document = ended(up, submitted(up, "bind"))
    assert document["state"] == "FAILED"
    assert "--bind-root" in document["error"]


def test_a_task_joins_a_network_that_is_there(up: Installation, docker_client: docker.DockerClient) -> None:
    name = f"example-{up.api.port}"
    network = docker_client.networks.create(name)
    try:
        identifier = submitted(up, "network", **{"jobledger-example": name})
        assert ended(up, identifier)["state"] == "COMPLETED"
        assert int(printed(up, identifier)) >= 2
    finally:
        network.remove()


def test_an_image_comes_from_a_registry_that_asks_for_a_password(up: Installation, registry: Registry) -> None:
    known = {"robot": registry.credentials["username"], "the-password": registry.credentials["password"]}
    identifier = submitted(up, "registry", **{"localhost:5000/team/tool:1": registry.offer(), **known})
    document = ended(up, identifier)
    assert document["state"] == "COMPLETED", document.get("error")
    assert printed(up, identifier).endswith("pulled\n")


def test_a_waiting_submission_is_answered_with_the_end(up: Installation) -> None:
    document = up.api.submit((EXAMPLES / "wait.yaml").read_text()).json
    assert (document["state"], document["result"]) == ("COMPLETED", "42")
    assert document["execution"][0]["result"] == "42"


def test_a_task_tells_how_far_it_is(up: Installation) -> None:
    identifier = submitted(up, "progress")
    assert ended(up, identifier)["progress"] == 100
    events = up.api.get(f"/jobs/{identifier}/events?size=100").json["items"]
    told = [event["data"]["progress"] for event in events if event["type"] == "TaskProgressed"]
    assert told == sorted(told)
    assert told[-1] == 100
    assert len(told) >= 3


def test_a_job_is_deleted_some_time_after_it_completed(up: Installation) -> None:
    identifier = submitted(up, "auto-delete")
    wait_until(lambda: up.api.get(f"/jobs/{identifier}").status == 404)
    assert up.api.get(f"/jobs/{identifier}/events?size=100").json["items"][-1]["type"] == "JobDeleted"


class Receiver(BaseHTTPRequestHandler):
    """Keeps what it is told."""

    told: list[tuple[dict[str, str], bytes]]

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.told.append((dict(self.headers.items()), body))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def receiving() -> Iterator[tuple[str, list[tuple[dict[str, str], bytes]]]]:
    told: list[tuple[dict[str, str], bytes]] = []
    port = free_port()
    with HTTPServer(("127.0.0.1", port), type("Own", (Receiver,), {"told": told})) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{port}/hook", told
        server.shutdown()


def test_a_webhook_tells_of_the_end_and_is_signed(up: Installation) -> None:
    with receiving() as (url, told):
        ended(up, submitted(up, "webhooks", **{"http://127.0.0.1:9000/hook": url}))
        wait_until(lambda: told)
    ((headers, body),) = told
    assert json.loads(body)["state"] == "COMPLETED"
    lower = {name.lower(): value for name, value in headers.items()}
    assert lower["x-job"] == "webhooks"
    assert Webhook("whsec_c2VjcmV0LW9mLXRoZS1yZWNlaXZlcg==").verify(body, lower)


def test_a_job_runs_without_docker_where_the_runner_does(tmp_path: Path) -> None:
    service = Up(tmp_path / "data", "unix:///nowhere", "--runtime", "process")
    service.start()
    try:
        identifier = submitted(service, "process")
        assert ended(service, identifier)["result"] == "Linux"
        assert printed(service, identifier) == "where am I?"
    finally:
        service.stop()
        service.api.close()
