"""The REST API's contract, asked of a real process."""

from __future__ import annotations

import re
import shutil
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import jsonschema
import pytest

from app import rebuild
from app.log import Log
from app.runner import Runner
from app.settings import Settings
from domain import job, runner
from scripts.containers import free_port
from tests.controls import CLIENT, NOON, RUNNER
from tests.server import ROOT, Answer, Api, running
from tests.steps import EPOCH, SAMPLE, advance, end_subjob, finish, shown, submitted
from tests.waiting import until

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")


def test_the_service_is_up(api: Api) -> None:
    answer = api.get("/health")
    assert (answer.status, answer.json) == (200, {"status": "UP"})


@pytest.mark.parametrize(
    "content_type",
    ["text/yaml", "application/yaml", "application/x-yaml", "text/yaml; charset=utf-8", "Text/YAML;charset=UTF-8"],
)
def test_a_job_in_yaml_is_answered_with_its_summary(api: Api, content_type: str) -> None:
    answer = api.submit(SAMPLE, content_type)
    assert answer.status == 200
    assert answer.headers["content-type"] == "application/json"
    summary = answer.json
    assert re.fullmatch("[0-9a-f]{32}", summary.pop("id"))
    assert TIME.fullmatch(summary.pop("createdAt"))
    assert summary == {"name": "sample job", "state": "PENDING", "position": 0, "taskCount": 1}


@pytest.mark.parametrize("content_type", ["application/json", "application/json; charset=utf-8"])
def test_a_job_in_json_is_the_same(api: Api, content_type: str) -> None:
    answer = api.submit('{"name": "sample job", "tasks": [{"name": "t", "image": "busybox"}]}', content_type)
    assert (answer.status, answer.json["taskCount"]) == (200, 1)


def test_a_client_that_has_an_answer_sees_it_everywhere(api: Api) -> None:
    for _ in range(50):
        job_id = submitted(api)
        assert api.get(f"/jobs/{job_id}").status == 200
        assert job_id in [item["id"] for item in api.get("/jobs").json["items"]]
        assert api.put(f"/jobs/{job_id}/cancel").status == 200
        assert api.get(f"/jobs/{job_id}").json["state"] == "CANCELLED"


def test_the_list_is_in_pages_newest_first(api: Api) -> None:
    tag = f"pages-{uuid4().hex[:8]}"
    ids = [submitted(api, SAMPLE + f"tags: [{tag}]\n") for _ in range(25)]
    pages = [api.get(f"/jobs?q=tag:{tag}&page={number}").json for number in (1, 2, 3, 4)]
    assert [item["id"] for page in pages for item in page["items"]] == ids[::-1]
    assert [(page["number"], page["size"]) for page in pages] == [(1, 10), (2, 10), (3, 5), (4, 0)]
    assert {(page["totalPages"], page["totalItems"]) for page in pages} == {(3, 25)}


@pytest.mark.parametrize(("size", "held"), [("0", 1), ("-5", 1), ("7", 7), ("20", 20), ("21", 20), ("100000", 20)])
def test_the_size_of_a_page_is_between_1_and_20(api: Api, size: str, held: int) -> None:
    for _ in range(20):
        submitted(api)
    assert api.get(f"/jobs?size={size}").json["size"] == held


@pytest.mark.parametrize("page", ["0", "-1"])
def test_before_the_first_page_is_the_first(api: Api, page: str) -> None:
    submitted(api)
    assert api.get(f"/jobs?page={page}").json["number"] == 1


def test_words_find_jobs_in_all_that_they_are_called(api: Api) -> None:
    word = f"w{uuid4().hex[:8]}"
    job_id = submitted(api, f"name: nightly {word}\ntasks: [{{name: dump tables, image: a}}]")
    for query in (word, f"{word.upper()}%20table", f"{word}%20pending", f"nights%20nightly%20{word}"):
        found = [item["id"] for item in api.get(f"/jobs?q={query}").json["items"]]
        assert found == ([] if "nights%20" in query else [job_id])


def test_a_job_runs_through_its_states_to_the_end(api: Api, log: Log) -> None:
    job_id = submitted(api, SAMPLE + "  - {name: second, image: busybox, queue: slow}\n")
    assert shown(api, job_id, "PENDING")["position"] == 0
    attempt = advance(log, job_id, "intend", "start")
    running = shown(api, job_id, "RUNNING")
    assert running["position"] == 1
    assert running["execution"][0]["state"] == "RUNNING"
    log.execute(job, UUID(job_id), job.Complete(at=NOON, attempt=attempt, result="forty-two", **EPOCH), CLIENT)
    advance(log, job_id, "intend", "start", "complete")
    ended = shown(api, job_id, "COMPLETED")
    assert ended["position"] == 3
    assert [run["state"] for run in ended["execution"]] == ["COMPLETED", "COMPLETED"]
    assert ended["execution"][0]["result"] == "forty-two"
    assert ended["execution"][1]["queue"] == "slow"
    assert all(TIME.fullmatch(ended[each]) for each in ("createdAt", "startedAt", "completedAt"))


@pytest.mark.parametrize("reports", [None, (), ("intend", "start")], ids=["pending", "scheduled", "running"])
def test_a_job_that_has_not_ended_can_be_cancelled(api: Api, log: Log, reports: tuple[str, ...] | None) -> None:
    job_id = submitted(api)
    if reports is not None:
        advance(log, job_id, *reports)
    answer = api.put(f"/jobs/{job_id}/cancel")
    assert (answer.status, answer.json) == (200, {"status": "OK"})
    assert api.put(f"/jobs/{job_id}/cancel").status == 200
    assert shown(api, job_id, "CANCELLED")["execution"][0]["state"] == "CANCELLED"


def test_a_job_that_has_ended_can_not_be_cancelled(api: Api, log: Log) -> None:
    job_id = submitted(api)
    advance(log, job_id, "intend", "start", "complete")
    answer = api.put(f"/jobs/{job_id}/cancel")
    assert (answer.status, answer.json["message"]) == (400, "job in not running")


def test_a_failed_job_tells_why_and_restarts_where_it_failed(api: Api, log: Log) -> None:
    job_id = submitted(api, SAMPLE + "  - {name: second, image: busybox}\n")
    advance(log, job_id, "intend", "start", "complete")
    advance(log, job_id, "intend", "start", "fail", error="exit code 3: no space", exit_code=3)
    failed = shown(api, job_id, "FAILED")
    assert failed["error"] == "exit code 3: no space"
    answer = api.put(f"/jobs/{job_id}/restart")
    assert (answer.status, answer.json) == (200, {"status": "OK"})
    restarted = api.get(f"/jobs/{job_id}").json
    assert restarted["state"] == "RUNNING"
    assert [(run["position"], run["state"]) for run in restarted["execution"]] == [
        (1, "COMPLETED"),
        (2, "FAILED"),
        (2, "SCHEDULED"),
    ]
    assert "error" not in restarted
    advance(log, job_id, "intend", "start", "complete")
    assert shown(api, job_id, "COMPLETED")["position"] == 3


@pytest.mark.parametrize(
    ("reports", "state"), [(("intend", "start"), "RUNNING"), (("intend", "start", "complete"), "COMPLETED")]
)
def test_a_job_that_did_not_fail_can_not_be_restarted(api: Api, log: Log, reports: tuple[str, ...], state: str) -> None:
    job_id = submitted(api)
    advance(log, job_id, *reports)
    answer = api.put(f"/jobs/{job_id}/restart")
    assert (answer.status, answer.json["message"]) == (400, f"job is {state} and can not be restarted")


def test_the_events_of_a_job_tell_number_time_type_actor_and_content(api: Api, log: Log) -> None:
    job_id = submitted(api)
    advance(log, job_id, "intend")
    page = api.get(f"/jobs/{job_id}/events").json
    assert [(item["number"], item["type"]) for item in page["items"]] == [
        (1, "JobSubmitted"),
        (2, "TaskScheduled"),
        (3, "TaskClaimed"),
        (4, "TaskStartIntended"),
    ]
    first = page["items"][0]
    assert TIME.fullmatch(first["time"])
    assert first["actor"] == {"kind": "client", "id": "anonymous", "address": "127.0.0.1"}
    assert first["data"]["definition"]["name"] == "sample job"
    assert page["totalItems"] == 4
    second = api.get(f"/jobs/{job_id}/events?page=2&size=3").json
    assert [item["number"] for item in second["items"]] == [4]


def test_a_request_id_of_the_client_is_kept_with_the_events(api: Api) -> None:
    answer = api.ask("POST", "/jobs", SAMPLE, Content_Type="text/yaml", X_Request_Id="my-request-1")
    event = api.get(f"/jobs/{answer.json['id']}/events").json["items"][0]
    assert event["requestId"] == event["correlationId"] == "my-request-1"


@pytest.mark.parametrize("path", ["/log", "/events", ""])
def test_what_belongs_to_an_unknown_job_is_not_found(api: Api, path: str) -> None:
    answer = api.get(f"/jobs/{uuid4().hex}{path}")
    assert (answer.status, answer.json["message"]) == (404, "job not found")


def test_the_log_of_an_unknown_task_is_not_found(api: Api) -> None:
    answer = api.get(f"/tasks/{uuid4().hex}/log")
    assert (answer.status, answer.json["message"]) == (404, "task not found")


def test_a_job_that_printed_nothing_has_an_empty_log(api: Api) -> None:
    job_id = submitted(api)
    assert api.get(f"/jobs/{job_id}/log").json == {
        "items": [],
        "number": 1,
        "size": 0,
        "totalPages": 0,
        "totalItems": 0,
    }
    plain = api.get(f"/jobs/{job_id}/log", Accept="text/plain")
    assert (plain.status, plain.body) == (200, b"")
    assert plain.headers["content-type"].startswith("text/plain")


def test_an_error_carries_the_fields_of_rfc_9457_beside_its_message(api: Api) -> None:
    answer = api.submit("name: x\ntasks:\n  - nmae: y\n    image: a\n")
    assert answer.status == 400
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json
    assert problem.keys() == {"message", "title", "status", "code", "detail", "type", "errors", "request_id"}
    assert {(error["code"], error["path"], error["line"]) for error in problem["errors"]} >= {
        ("unknown_field", "tasks[0].nmae", 3)
    }


COMPOSITE = """
name: composite
inputs: {a: "1"}
output: "{{ tasks.left }}"
defaults: {retry: {limit: 2, delay: 1s}}
webhooks: [{url: "http://example.com", headers: {x: y}}]
autoDelete: {after: 1h}
secrets: {k: a very secret word}
tasks:
  - name: pair
    parallel:
      tasks:
        - {name: left, image: busybox, var: left, env: {K: "{{ secrets.k }}"}}
        - {name: right, image: busybox, if: "{{ 1 == 2 }}"}
  - name: loop
    each: {list: "{{ sequence(0, 3) }}", concurrency: 2, task: {name: "{{ item.index }}", image: busybox}}
  - name: child
    subjob: {name: inner, secrets: {k: "{{ secrets.k }}"}, tasks: [{name: x, image: busybox}]}
"""


def test_the_description_of_the_api_covers_its_answers(api: Api, log: Log) -> None:
    description = api.get("/openapi.json").json
    assert set(description["paths"]) == {
        "/health",
        "/jobs",
        "/jobs/{job_id}",
        "/jobs/{job_id}/cancel",
        "/jobs/{job_id}/restart",
        "/jobs/{job_id}/log",
        "/jobs/{job_id}/events",
        "/tasks/{task_id}/log",
        "/schemas/job.json",
    }
    job_id = submitted(api, COMPOSITE)
    finish(log, job_id, "1.1", "2.1", "2.2", "2.3")
    end_subjob(log, job_id, "3")
    shown(api, job_id, "COMPLETED")
    for path, answer in {
        "/jobs": api.get("/jobs"),
        "/jobs/{job_id}": api.get(f"/jobs/{job_id}"),
        "/jobs/{job_id}/events": api.get(f"/jobs/{job_id}/events"),
        "/jobs/{job_id}/log": api.get(f"/jobs/{job_id}/log"),
        "/health": api.get("/health"),
    }.items():
        schema = described(description, path, answer)
        jsonschema.validate(answer.json, schema | {"components": description["components"]})


def test_no_field_of_an_answer_is_left_out_of_the_description(api: Api, log: Log) -> None:
    schemas = api.get("/openapi.json").json["components"]["schemas"]
    job_id = submitted(api, COMPOSITE)
    finish(log, job_id, "1.1", "2.1")
    until(lambda: len(api.get(f"/jobs/{job_id}").json["execution"]) > 3)
    found = api.get(f"/jobs/{job_id}").json
    for name, answer in {
        "JobDetail": found,
        "ContextDocument": found["context"],
        "Execution": found["execution"][0],
        "ParallelState": found["execution"][0]["parallel"],
        "EachState": found["execution"][3]["each"],
    }.items():
        assert answer.keys() <= schemas[name]["properties"].keys(), name


def test_the_description_tells_of_the_text_of_a_log(api: Api) -> None:
    answers = api.get("/openapi.json").json["paths"]["/tasks/{task_id}/log"]["get"]["responses"]["200"]["content"]
    assert answers.keys() == {"application/json", "text/plain"}


def described(description: Any, path: str, answer: Answer) -> Any:
    response = description["paths"][path]["get"]["responses"][str(answer.status)]
    return response["content"]["application/json"]["schema"]


def test_the_documentation_page_needs_nothing_from_elsewhere(api: Api) -> None:
    page = api.get("/docs").body.decode()
    needed = re.findall(r"(?:src|href)=[\"']([^\"']+)", page)
    assert needed
    for each in needed:
        assert each.startswith("/assets/"), each
        assert api.get(each).status == 200


def test_without_its_read_models_the_service_comes_back_with_the_same_answers(tmp_path: Path) -> None:
    with running(tmp_path) as api:
        job_id = submitted(api)
        for _ in range(30):
            submitted(api)
        api.put(f"/jobs/{job_id}/cancel")
        before = [api.get(path).body for path in (f"/jobs/{job_id}", "/jobs", "/jobs?q=cancelled")]
    shutil.rmtree(tmp_path / "views")
    with running(tmp_path) as api:
        assert [api.get(path).body for path in (f"/jobs/{job_id}", "/jobs", "/jobs?q=cancelled")] == before


def test_the_service_is_down_while_the_log_can_not_be_written_and_up_again_after(tmp_path: Path) -> None:
    with running(tmp_path) as api:
        with sqlite3.connect(tmp_path / "log.db", isolation_level=None) as other:
            other.execute("BEGIN IMMEDIATE")
            sleep_until(lambda: api.get("/health").status == 503)
            answer = api.get("/health")
            assert answer.json["status"] == "DOWN"
            assert "log can not be written" in answer.json["message"]
            other.execute("ROLLBACK")
        other.close()
        sleep_until(lambda: api.get("/health").json == {"status": "UP"})
        assert submitted(api)


sleep_until = partial(until, seconds=15)


def test_the_events_of_a_runner_are_no_job(api: Api, log: Log) -> None:
    log.execute(runner, RUNNER, runner.Start(at=NOON, name="here"), CLIENT)
    assert api.get(f"/jobs/{RUNNER.hex}/events").status == 404


def test_a_second_api_on_the_same_data_is_refused_in_words(tmp_path: Path) -> None:
    with running(tmp_path):
        command = [sys.executable, "-m", "app", "serve", "--data", str(tmp_path), "--port", str(free_port())]
        second = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=30)
    assert second.returncode == 2
    assert "is at work on" in second.stderr


@pytest.mark.parametrize(("known", "command"), [("views", "serve"), ("policies", "serve"), ("runner", "runner")])
def test_read_models_that_know_more_than_an_older_log_are_refused_in_words(
    tmp_path: Path, known: str, command: str
) -> None:
    """Otherwise what is to come would be taken for known: accepted, and neither shown nor run."""
    settings = Settings(data=tmp_path, runtime="process")
    with running(tmp_path, "--runtime", "process") as api, at_work(settings):
        with closing(sqlite3.connect(settings.log)) as log, closing(sqlite3.connect(tmp_path / "older.db")) as older:
            log.backup(older)
        job_id = submitted(api, SAMPLE.replace("    image: ubuntu:mantic\n", "") + "autoDelete: {after: 1h}\n")
        shown(api, job_id, "COMPLETED")
    shutil.move(tmp_path / "older.db", settings.log)
    for other in {"views", "policies", "runner"} - {known}:
        shutil.rmtree(tmp_path / other)
    begin = [sys.executable, "-m", "app", command, "--data", str(tmp_path), "--runtime", "process"]
    where = {"serve": ["--port", str(free_port())], "runner": []}[command]
    begun = subprocess.run([*begin, *where], cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)
    assert begun.returncode == 2
    assert f"{tmp_path}/{known}/" in begun.stderr
    assert "an older log was put back. Delete views/, policies/ and runner/" in begun.stderr


@contextmanager
def at_work(settings: Settings) -> Iterator[None]:
    """Have a runner of this process take what waits; at the end it drains."""
    with closing(Log(settings.log)) as log:
        runner_ = Runner(log, settings)
        thread = threading.Thread(target=runner_.run)
        thread.start()
        try:
            yield
        finally:
            runner_.drain()
            thread.join()


def test_a_data_folder_may_have_any_name(tmp_path: Path) -> None:
    with running(tmp_path / "a #1? 100%41 é") as api:
        assert submitted(api) in api.get("/jobs").body.decode()


def test_an_api_that_is_ended_leaves_its_files_in_order(tmp_path: Path) -> None:
    with running(tmp_path) as api:
        submitted(api)
    assert not list(tmp_path.rglob("*-wal"))


def test_read_models_that_are_deleted_under_a_running_service_come_back(tmp_path: Path) -> None:
    with running(tmp_path) as api:
        ids = [submitted(api) for _ in range(20)]
        shutil.rmtree(tmp_path / "views")
        sleep_until(lambda: list((tmp_path / "views").glob("views-*.db")))
        sleep_until(lambda: api.get("/jobs?q=sample").status == 200)
        ids.append(submitted(api))
        assert api.get("/jobs?q=sample").json["totalItems"] == len(ids)
        assert all(api.get(f"/jobs/{each}").status == 200 for each in ids)


OLD_TABLES = """
CREATE TABLE jobs (number INTEGER PRIMARY KEY, id TEXT NOT NULL, name TEXT NOT NULL, description TEXT, tags TEXT,
tasks TEXT, state TEXT NOT NULL, created_at TEXT NOT NULL, started_at TEXT, completed_at TEXT, failed_at TEXT,
cancelled_at TEXT, position INTEGER NOT NULL, task_count INTEGER NOT NULL, error TEXT) STRICT;
CREATE TABLE details (id TEXT PRIMARY KEY, tasks TEXT NOT NULL) STRICT;
CREATE TABLE attempts (number INTEGER PRIMARY KEY, id TEXT NOT NULL, job TEXT NOT NULL, position INTEGER NOT NULL,
state TEXT NOT NULL, created_at TEXT NOT NULL, scheduled_at TEXT NOT NULL, started_at TEXT, completed_at TEXT,
failed_at TEXT, cancelled_at TEXT, node TEXT, error TEXT, result TEXT, task TEXT NOT NULL) STRICT;
CREATE TABLE tracking (application_name TEXT, notification_id INTEGER, PRIMARY KEY (application_name)) WITHOUT ROWID;
INSERT INTO tracking VALUES ('jobledger', 2);
"""
"""As version 0.1 had them, up to a position."""


def test_read_models_of_an_earlier_version_are_begun_anew(tmp_path: Path) -> None:
    with running(tmp_path) as api:
        job_id = submitted(api)
        before = api.get(f"/jobs/{job_id}").body
    folder = tmp_path / "views"
    shutil.rmtree(folder)
    folder.mkdir()
    with closing(sqlite3.connect(folder / "views-1.db")) as old:
        old.executescript(OLD_TABLES)
    (folder / "current").symlink_to("views-1.db")
    with running(tmp_path) as api:
        assert api.get(f"/jobs/{job_id}").body == before
        assert rebuild.run(api.settings, lambda _: None, verify=True) is not None
    assert not list(folder.glob("views-1.db*"))


def test_a_rebuild_over_read_models_of_an_earlier_version_needs_no_proof(tmp_path: Path) -> None:
    with running(tmp_path) as api:
        job_id = submitted(api)
    folder = tmp_path / "views"
    shutil.rmtree(folder)
    folder.mkdir()
    (folder / "current").symlink_to("views-1.db")
    assert rebuild.run(api.settings, lambda _: None, verify=True) is None
    with running(tmp_path) as api:
        assert api.get(f"/jobs/{job_id}").status == 200


def test_no_accepted_job_is_missed_while_rebuilt_read_models_are_swapped_in(tmp_path: Path) -> None:
    with running(tmp_path) as api:
        over = threading.Event()
        missed: list[str] = []

        def submit_and_look() -> None:
            while not over.is_set():
                job_id = submitted(api)
                if api.get(f"/jobs/{job_id}").status != 200:
                    missed.append(job_id)

        clients = [threading.Thread(target=submit_and_look) for _ in range(4)]
        for client in clients:
            client.start()
        proofs = [rebuild.run(api.settings, lambda _: None, verify=True) for _ in range(5)]
        over.set()
        for client in clients:
            client.join()
        assert missed == []
        assert all(proofs)


def test_a_job_that_is_over_at_once_is_pending_in_its_summary(api: Api) -> None:
    answer = api.submit(SAMPLE.replace("    image", "    if: '{{ 1 == 2 }}'\n    image"))
    assert (answer.json["state"], answer.json["position"]) == ("PENDING", 0)


def test_a_job_whose_output_failed_has_no_more_tasks_to_run(api: Api, log: Log) -> None:
    job_id = submitted(api, SAMPLE + "output: \"{{ fromJSON('{') }}\"\n")
    finish(log, job_id, "1")
    failed = shown(api, job_id, "FAILED")
    assert (failed["position"], failed["progress"]) == (2, 100)
    answer = api.put(f"/jobs/{job_id}/restart")
    assert (answer.status, answer.json["message"]) == (400, "job has no more tasks to run")


def test_a_deleted_job_is_seen_in_its_history_alone(api: Api, log: Log) -> None:
    job_id = submitted(api)
    attempt = advance(log, job_id, "intend", "start", "complete")
    log.execute(job, UUID(job_id), job.Delete(at=NOON), CLIENT)
    until(lambda: api.get(f"/jobs/{job_id}").status == 404)
    for path in (f"/jobs/{job_id}/log", f"/tasks/{attempt.hex}/log"):
        assert api.get(path).status == 404
    for command in ("cancel", "restart"):
        assert api.put(f"/jobs/{job_id}/{command}").status == 404
    events = api.get(f"/jobs/{job_id}/events")
    assert (events.status, events.json["items"][-1]["type"]) == (200, "JobDeleted")
