"""Submissions that wait for the end of their job, and what else only shows from inside the service."""

from __future__ import annotations

import asyncio
import socket
import sqlite3
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from typing import NamedTuple
from uuid import UUID, uuid4

import pytest
import uvicorn

from app import rebuild
from app.api.application import application
from app.api.protocol import PatientProtocol
from app.log import Log
from app.settings import Settings
from app.vault import Vault
from app.views import Views
from domain import job
from domain.definition import JobDefinition, TaskDefinition
from projections import document
from tests.controls import CLIENT, NOON
from tests.server import Answer, Api, running
from tests.steps import SAMPLE, advance, finish, shown, submitted
from tests.waiting import until


def waiting(timeout: str = "30s", tag: str = "") -> str:
    """Write a job whose submission waits for its end."""
    return SAMPLE + f"wait: {{timeout: {timeout}}}\n" + (f"tags: [{tag}]\n" if tag else "")


@contextmanager
def submitting(api: Api) -> Iterator[tuple[str, Future[Answer]]]:
    """Submit a job in another thread, and give its id and the answer to come."""
    tag = f"w{uuid4().hex[:8]}"
    with ThreadPoolExecutor(1) as thread:
        answer = thread.submit(api.submit, waiting(tag=tag))
        until(lambda: api.get(f"/jobs?q=tag:{tag}").json["items"])
        yield api.get(f"/jobs?q=tag:{tag}").json["items"][0]["id"], answer


@pytest.mark.parametrize(
    ("reports", "given", "state"),
    [
        (("intend", "start", "complete"), {}, "COMPLETED"),
        (("intend", "start", "fail"), {"error": "no"}, "FAILED"),
    ],
)
def test_a_submission_that_waits_is_answered_with_the_job_in_full_at_its_end(
    api: Api, log: Log, reports: tuple[str, ...], given: dict[str, str], state: str
) -> None:
    with submitting(api) as (job_id, answer):
        advance(log, job_id, *reports, **given)
        ended = answer.result()
    assert (ended.status, ended.json["state"]) == (200, state)
    assert ended.body == api.get(f"/jobs/{job_id}").body


def test_who_waits_is_told_of_a_cancel(api: Api) -> None:
    with submitting(api) as (job_id, answer):
        api.put(f"/jobs/{job_id}/cancel")
        assert answer.result().json["state"] == "CANCELLED"


def test_a_job_that_is_over_at_once_keeps_nobody_waiting(api: Api) -> None:
    answer = api.submit(waiting().replace("    image", "    if: '{{ 1 == 2 }}'\n    image"))
    assert (answer.status, answer.json["state"]) == (200, "COMPLETED")
    assert answer.json["execution"][0]["state"] == "SKIPPED"


def test_who_waits_too_long_is_told_which_job_goes_on(api: Api) -> None:
    answer = api.submit(waiting("50ms"))
    assert (answer.status, answer.json["message"]) == (408, "timeout waiting for job to complete")
    assert "retry-after" not in answer.headers
    job_id = answer.json["job_id"]
    assert shown(api, job_id, "PENDING")["execution"][0]["state"] == "SCHEDULED"
    events = api.get(f"/jobs/{job_id}/events").json["items"]
    assert "wait" not in events[0]["data"]["definition"]


def test_who_waits_when_the_service_ends_is_told_so(tmp_path: Path) -> None:
    with ThreadPoolExecutor(1) as thread:
        with running(tmp_path) as api:
            answer = thread.submit(api.submit, waiting())
            until(lambda: api.get("/jobs").json["items"])
            job_id = api.get("/jobs").json["items"][0]["id"]
        ended = answer.result()
    assert (ended.status, ended.json["message"]) == (503, "server shutting down")
    assert ended.json["job_id"] == job_id
    assert "retry-after" not in ended.headers


class Inside(NamedTuple):
    """A service in a thread of this process, so that it can be looked into."""

    api: Api
    views: Views
    log: Log
    vault: Vault

    def waiting(self) -> int:
        return len(self.views._ends)


@pytest.fixture
def inside(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Inside]:
    """Give a service of this process."""
    settings = Settings(data=tmp_path, runtime=getattr(request, "param", "docker"))
    with (
        closing(Log(settings.log)) as log,
        Views(log, settings.views) as views,
        closing(Vault(settings.secrets)) as vault,
        socket.create_server(("127.0.0.1", 0), backlog=1_000) as listener,
    ):
        app = application(log, views, vault, settings)
        server = uvicorn.Server(uvicorn.Config(app, http=PatientProtocol, lifespan="off", log_config=None))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        api = Api(listener.getsockname()[1], settings)
        yield Inside(api, views, log, vault)
        api.close()
        server.should_exit = True
        thread.join()


def sent(inside: Inside, body: str) -> socket.socket:
    """Send a submission, and do not wait for the answer."""
    connection = socket.create_connection(("127.0.0.1", inside.api.port), timeout=30)
    head = f"POST /jobs HTTP/1.1\r\nHost: x\r\nContent-Type: text/yaml\r\nContent-Length: {len(body)}\r\n\r\n"
    connection.sendall(head.encode() + body.encode())
    return connection


def test_a_client_that_goes_away_costs_nothing_and_its_job_goes_on(inside: Inside) -> None:
    with sent(inside, waiting()):
        until(inside.waiting)
    until(lambda: not inside.waiting())
    assert inside.api.get("/jobs").json["items"][0]["state"] == "PENDING"


def test_many_may_wait(inside: Inside) -> None:
    body = waiting()
    connections = [sent(inside, body) for _ in range(300)]
    until(lambda: inside.waiting() == len(connections))
    until(lambda: inside.api.get("/health").status == 200)
    for job_id in tuple(inside.views._ends):
        inside.log.execute(job, UUID(job_id), job.Cancel(at=NOON), CLIENT)
    for connection in connections:
        with connection:
            assert connection.recv(12) == b"HTTP/1.1 200"
    assert not inside.waiting()


def test_who_waits_hears_of_an_end_that_came_with_rebuilt_read_models(tmp_path: Path) -> None:
    settings = Settings(data=tmp_path)
    job_id = uuid4()
    definition = JobDefinition(name="x", tasks=(TaskDefinition(name="t", image="a"),))

    async def wait(log: Log) -> None:
        views = Views(log, settings.views)  # that do not follow
        with views.end_of(job_id) as ended:
            log.execute(job, job_id, job.Submit(at=NOON, job=job_id, definition=definition), CLIENT)
            log.execute(job, job_id, job.Cancel(at=NOON), CLIENT)
            rebuild.run(settings, lambda _: None, verify=False)
            assert views._has_changed_over()
            await asyncio.wait_for(ended, 30)
        views._store.close()

    with closing(Log(settings.log)) as log:
        asyncio.run(wait(log))


WORDS = "the horse is correct"
SECRETIVE = f"""
name: secretive
secrets: {{k: {WORDS}}}
tasks:
  - name: t
    image: busybox
    registry: {{username: u, password: {WORDS} too}}
    env: {{K: "{{{{ secrets.k }}}}"}}
"""


def test_the_values_of_secrets_are_in_the_vault_and_nowhere_else(inside: Inside) -> None:
    job_id = submitted(inside.api, SECRETIVE)
    assert inside.vault.values(UUID(job_id)) == {"k": WORDS, "tasks.0.registry.password": f"{WORDS} too"}
    for path in (f"/jobs/{job_id}", f"/jobs/{job_id}/events", "/jobs"):
        body = inside.api.get(path).body
        assert WORDS.encode() not in body
        assert b"secret:" not in body
    (run,) = inside.api.get(f"/jobs/{job_id}").json["execution"]
    assert (run["env"]["K"], run["registry"]["password"]) == ("[REDACTED]", "[REDACTED]")
    assert WORDS.encode() not in b"".join(path.read_bytes() for path in inside.api.settings.data.glob("log.db*"))


def test_the_secrets_of_a_job_that_was_perhaps_not_stored_stay_until_the_vault_is_swept(inside: Inside) -> None:
    """What failed may have been stored after all, and the job would then be without them."""
    with closing(sqlite3.connect(inside.api.settings.log, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        assert inside.api.submit(SECRETIVE).status == 503
        other.execute("ROLLBACK")
    with closing(sqlite3.connect(inside.api.settings.secrets)) as secrets:
        assert secrets.execute("SELECT count(*) FROM secrets").fetchone() == (2,)


def test_a_job_whose_secrets_are_gone_is_not_restarted(inside: Inside) -> None:
    job_id = submitted(inside.api, SECRETIVE)
    inside.api.put(f"/jobs/{job_id}/cancel")
    until(lambda: inside.api.get(f"/jobs/{job_id}").json["state"] == "CANCELLED")
    inside.vault.forget(UUID(job_id))
    answer = inside.api.put(f"/jobs/{job_id}/restart")
    assert (answer.status, answer.json["code"]) == (400, "state")
    assert "secrets are no longer kept (k, tasks.0.registry.password)" in answer.json["message"]


def test_a_job_whose_secrets_are_kept_is_restarted(inside: Inside) -> None:
    job_id = submitted(inside.api, SECRETIVE)
    inside.api.put(f"/jobs/{job_id}/cancel")
    assert inside.api.put(f"/jobs/{job_id}/restart").status == 200


def test_what_has_no_more_to_run_is_refused_in_its_own_words_whatever_became_of_its_secrets(inside: Inside) -> None:
    job_id = submitted(inside.api, SECRETIVE)
    finish(inside.log, job_id, "1")
    inside.vault.forget(UUID(job_id))
    answer = inside.api.put(f"/jobs/{job_id}/restart")
    assert (answer.status, answer.json["message"]) == (400, "job is COMPLETED and can not be restarted")


@pytest.mark.parametrize(("inside", "status"), [("docker", 400), ("process", 200)], indirect=["inside"])
def test_images_are_needed_where_tasks_run_in_containers(inside: Inside, status: int) -> None:
    assert inside.api.submit("name: x\ntasks: [{name: t, run: echo hi}]\n").status == status


def test_a_job_of_many_attempts_is_put_together_beside_the_others(
    inside: Inside, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads: list[tuple[bool, str]] = []
    find = document.find

    def noted(connection: sqlite3.Connection, job_id: str, most: int = document.ALL) -> bytes | None:
        found = find(connection, job_id, most)
        threads.append((bool(found), threading.current_thread().name))
        return found

    monkeypatch.setattr(document, "find", noted)
    few, many = (submitted(inside.api, looping(count)) for count in (document.FEW - 1, document.FEW))
    assert len(inside.api.get(f"/jobs/{few}").json["execution"]) == document.FEW
    assert len(inside.api.get(f"/jobs/{many}").json["execution"]) == document.FEW + 1
    (found, here), (found_too, there) = threads
    assert found
    assert found_too
    assert here != there


def looping(count: int) -> str:
    task = "{name: t, image: a}"
    return f"name: x\ntasks: [{{name: l, each: {{list: '{{{{ sequence(0, {count}) }}}}', task: {task}}}}}]\n"
