"""The commands that look at jobs and change them: against a stand-in for the API, over real sockets."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from app.cli import cli, exits
from tests.cli_server import CREATED, FIRST, SECOND, TASK, THIRD, Api, Command, command_line, document, running


@pytest.fixture
def api() -> Iterator[Api]:
    """Give a server that knows three jobs."""
    with running() as api:
        api.jobs = [document(FIRST), document(SECOND, "FAILED", error="exit code 3: no"), document(THIRD, "RUNNING")]
        yield api


@pytest.fixture
def run(api: Api) -> Command:
    """Give the command line."""
    return command_line(api)


def test_jobs_are_plain_lines_in_a_pipe(run: Command) -> None:
    """Another program takes the columns apart at the tabs."""
    result = run("jobs")
    lines = [line.split("\t") for line in result.stdout.splitlines()]
    assert lines[1] == [SECOND, "FAILED", "0/1", CREATED, "2.5s", "hello"]
    assert [line[0] for line in lines] == [FIRST, SECOND, THIRD]
    assert result.stderr == "3 jobs\n"


def test_jobs_passes_query_and_page_on(run: Command, api: Api) -> None:
    """What they mean is for the server to know."""
    result = run("jobs", "-q", "two words", "--page", "2", "--size", "2")
    assert api.requests[-1][1] == "/jobs?q=two+words&page=2&size=2"
    assert result.stderr == "3 jobs, page 2 of 2\n"


@pytest.mark.parametrize(
    ("arguments", "path"),
    [
        (("jobs",), "/jobs"),
        (("show", THIRD), f"/jobs/{THIRD}"),
        (("logs", THIRD), f"/jobs/{THIRD}/log"),
        (("history", THIRD), f"/jobs/{THIRD}/events"),
    ],
)
def test_json_is_what_the_api_answered_to_the_letter(
    run: Command, api: Api, arguments: tuple[str, ...], path: str
) -> None:
    """Field by field, space by space."""
    body = b'{"items": [ ],"totalPages":1 , "odd":"\\u00e9"}'
    api.fixed["GET", path] = [(200, body)]
    if arguments[0] == "logs":
        api.fixed["GET", f"/jobs/{THIRD}"] = [(200, b"{}")]
    assert run(*arguments, "-o", "json").stdout_bytes == body + b"\n"


@pytest.mark.parametrize("command", ["cancel", "restart"])
def test_json_of_commands(run: Command, api: Api, command: str) -> None:
    """They answer with their status."""
    assert run(command, THIRD, "-o", "json").stdout == '{"status": "OK"}\n'
    assert api.requests[-1][:2] == ("PUT", f"/jobs/{THIRD}/{command}")


def test_a_job_is_shown_with_its_tasks(run: Command, api: Api) -> None:
    """Everything that explains how it went."""
    task = {"id": TASK, "jobId": SECOND, "position": 1, "name": "greet", "state": "FAILED", "error": "exit code 3: no"}
    api.jobs[1]["execution"] = [task]
    shown = run("show", "aaaa2").stdout
    assert f"id          {SECOND}\n" in shown
    assert "error       exit code 3: no\n" in shown
    assert shown.endswith(f"\n1\t{TASK}\tFAILED\t\tgreet\texit code 3: no\n")


def attempt(path: str, state: str, parent: str = "", **more: Any) -> dict[str, Any]:
    """Make an attempt as the API shows it; its id tells its path."""
    inside = {"parentId": parent} if parent else {}
    identifier = path.replace(".", "a").ljust(32, "0")
    return (
        {"id": identifier, "position": int(path[0]), "path": path, "state": state, "name": f"n{path}"} | inside | more
    )


def test_tasks_within_tasks_are_shown_below_them_in_their_order(run: Command, api: Api) -> None:
    """Whatever the order in which they began."""
    outer, inner = attempt("1", "RUNNING", each={"size": 2, "completions": 1}), "1".ljust(32, "0")
    pair = attempt("1.2", "RUNNING", inner, parallel={"tasks": [{}, {}, {}]})
    api.jobs[1]["execution"] = [
        outer,
        pair,
        attempt("1.1", "COMPLETED", inner, result="42"),
        attempt("1.2.1", "FAILED", pair["id"], error="no"),
        attempt("1.2.1", "RUNNING", pair["id"], progress=40.5),
        attempt("2", "RUNNING", subjob={"id": FIRST}),
        attempt("3", "SKIPPED"),
    ]
    lines = run("show", SECOND).stdout.splitlines()
    told = [line.split("\t") for line in lines[lines.index("") + 1 :]]
    assert [(path, state, name, outcome) for path, _, state, _, name, outcome in told] == [
        ("1", "RUNNING", "n1", "1 of 2 done"),
        ("1.1", "COMPLETED", "  n1.1", "42"),
        ("1.2", "RUNNING", "  n1.2", "0 of 3 done"),
        ("1.2.1", "FAILED", "    n1.2.1", "no"),
        ("1.2.1", "RUNNING", "    n1.2.1", "40.5 %"),
        ("2", "RUNNING", "n2", f"job {FIRST}"),
        ("3", "SKIPPED", "n3", ""),
    ]


def test_of_many_tasks_within_one_those_that_failed_are_shown(run: Command, api: Api) -> None:
    """Beside how many others there are."""
    outer = attempt("1", "FAILED", each={"size": 100})
    states = ["COMPLETED"] * 60 + ["FAILED"] * 2 + ["CREATED"] * 38
    children = [attempt(f"1.{place}", state, outer["id"]) for place, state in enumerate(states, 1)]
    api.jobs[1]["execution"] = [outer, *children]
    told = [line.split("\t") for line in run("show", SECOND).stdout.splitlines()[-4:]]
    assert [(line[0], line[2]) for line in told[:3]] == [("1", "FAILED"), ("1.61", "FAILED"), ("1.62", "FAILED")]
    assert told[3] == ["1.*", "", "", "", "  98 more", "60 COMPLETED, 38 CREATED"]


def test_a_task_that_waits_for_its_time_tells_how_long(run: Command, api: Api) -> None:
    """Once the time has come, it waits for a runner like any other."""
    soon, past = (datetime.now(UTC) + timedelta(minutes=minutes) for minutes in (61, -1))
    api.jobs[1]["execution"] = [
        attempt(path, state, dueAt=due.isoformat())
        for path, state, due in (("1", "FAILED", past), ("1", "SCHEDULED", soon), ("2", "SCHEDULED", past))
    ]
    lines = [line.split("\t") for line in run("show", SECOND).stdout.splitlines()[-3:]]
    assert [(line[2], line[-1]) for line in lines] == [
        ("FAILED", ""),
        ("SCHEDULED", "not before 1h 00m from now"),
        ("SCHEDULED", ""),
    ]


def test_a_job_tells_its_result_its_progress_and_who_started_it(run: Command, api: Api) -> None:
    """Where it has them."""
    api.jobs[1] |= {"result": "42", "progress": 33.33, "parentId": TASK, "parentJobId": FIRST}
    shown = run("show", SECOND).stdout
    assert "result      42\n" in shown
    assert "progress    33.33 %\n" in shown
    assert f"parent      task {TASK} of job {FIRST}\n" in shown


@pytest.mark.parametrize(
    ("kind", "data", "told"),
    [
        (
            "TaskExpanded",
            {
                "attempt": TASK,
                "task": {"name": "l", "each": {"list": "x"}},
                "size": 3,
                "items": [1, 2, 3],
            },
            "attempt=cccc44440000  task=l (each)  size=3",
        ),
        (
            "SubjobStarted",
            {"attempt": TASK, "task": {"name": "c", "subjob": {"name": "x"}}, "job": FIRST, "parent": TASK},
            f"attempt=cccc44440000  task=c (job)  job={FIRST[:12]}  parent=cccc44440000",
        ),
        ("TaskProgressed", {"attempt": TASK, "progress": 40.0}, "attempt=cccc44440000  progress=40"),
        (
            "JobSubmitted",
            {"job": FIRST, "parent": {"job": SECOND, "attempt": TASK}},
            f"parent=cccc44440000 of job {SECOND[:12]}",
        ),
        ("WebhookGaveUp", {"webhook": 0, "cause": 7, "error": "HTTP 404"}, "webhook=0  cause=7  error=HTTP 404"),
    ],
)
def test_history_tells_in_few_words_what_matters(
    run: Command, api: Api, kind: str, data: dict[str, Any], told: str
) -> None:
    """Ids are short, lists are counted, and of tasks there is what they are called."""
    api.events = [{"number": 1, "time": CREATED, "type": kind, "actor": {"kind": "runner", "id": "host"}, "data": data}]
    assert run("history", "@latest").stdout.partition("runner host  ")[2] == f"{told}\n"


def test_a_task_that_was_skipped_is_not_followed_for_ever(run: Command, api: Api) -> None:
    """Though its job goes on."""
    api.jobs[2]["execution"] = [{"id": TASK, "state": "SKIPPED"}]
    api.output[f"/tasks/{TASK}/log"] = b""
    assert run("logs", "-f", TASK[:4]).exit_code == exits.DONE


def test_waiting_tells_the_name_of_the_task_as_it_runs(run: Command, api: Api, tmp_path: Path) -> None:
    """And not of one of those within it."""
    file = tmp_path / "job.yaml"
    file.write_bytes(b"name: x")
    runs = [attempt("1", "RUNNING", name="loop a"), attempt("1.1", "RUNNING", "1".ljust(32, "0"), name="child")]
    tasks = [{"name": "loop {{ inputs.a }}"}]
    api.jobs[0] |= {"execution": runs, "tasks": tasks}
    api.steps[FIRST] = [("COMPLETED", b"")]
    api.fixed["GET", f"/jobs/{FIRST}"] = [(200, json.dumps(api.jobs[0] | {"state": "RUNNING"}).encode())]
    result = run("submit", str(file), "--wait")
    assert result.stderr.splitlines()[0] == f"{FIRST[:12]} RUNNING task 1 of 1: loop a"


@pytest.mark.parametrize("text", ["@latest", "aaaa1", "AAAA1111", f"{FIRST[:8]}-{FIRST[8:]}", FIRST])
def test_an_id_may_be_shortened(run: Command, api: Api, text: str) -> None:
    """As long as one job is meant."""
    assert run("cancel", text).stdout == f"cancelled: {FIRST}\n"
    assert api.requests[-1][1] == f"/jobs/{FIRST}/cancel"


def test_a_job_is_found_on_any_page(run: Command, api: Api) -> None:
    """Also an old one."""
    api.jobs += [document(f"{number:032x}") for number in range(1, 42)]
    api.jobs.append(document("dddd" + "0" * 28))
    assert run("cancel", "dddd").exit_code == exits.DONE


def test_an_id_that_may_be_several_lists_them(run: Command, api: Api) -> None:
    """Nothing is done to any of them."""
    result = run("cancel", "aaaa")
    assert result.exit_code == exits.USAGE
    assert "aaaa may be any of these:" in result.stderr
    assert f"  {SECOND}  FAILED     hello" in result.stderr
    assert THIRD not in result.stderr
    assert {method for method, *_ in api.requests} == {"GET"}


@pytest.mark.parametrize("text", ["aaa", "hello", "@last", "0" * 33, ""])
def test_what_is_no_id_is_refused_without_asking(run: Command, api: Api, text: str) -> None:
    """And it is said what an id looks like."""
    result = run("show", text)
    assert result.exit_code == exits.USAGE
    assert "at least 4 of its first digits" in result.stderr
    assert not api.requests


def test_an_unknown_id_is_a_mistake_of_usage(run: Command) -> None:
    """Whole or in part."""
    assert "error: job not found\n" in run("show", "f" * 32).stderr
    result = run("show", "ffff")
    assert result.exit_code == exits.USAGE
    assert "no job whose id begins with ffff" in result.stderr


def test_latest_needs_a_job(run: Command, api: Api) -> None:
    """Without one it says how to have one."""
    api.jobs = []
    result = run("show", "@latest")
    assert result.exit_code == exits.USAGE
    assert "there are no jobs yet" in result.stderr


def test_what_the_state_forbids_has_its_exit_code(run: Command, api: Api) -> None:
    """The server's own words are shown."""
    refusal = {"message": "job in not running", "code": "state"}
    api.fixed["PUT", f"/jobs/{FIRST}/cancel"] = [(400, json.dumps(refusal).encode())]
    result = run("cancel", FIRST)
    assert (result.exit_code, result.stderr) == (exits.FAILED, "error: job in not running\n")


@pytest.mark.parametrize("answer", [(503, b'{"message":"try again: disk full"}'), (500, b"<html>"), (200, b"<html>")])
def test_a_server_that_cannot_serve_is_told_from_a_mistake(run: Command, api: Api, answer: tuple[int, bytes]) -> None:
    """A script may try again."""
    api.fixed["GET", "/jobs"] = [answer]
    result = run("jobs")
    assert result.exit_code == exits.UNREACHABLE
    assert result.stderr.startswith("error: ")


def test_no_server_has_its_exit_code() -> None:
    """And it says how to start one."""
    with socket.create_server(("127.0.0.1", 0)) as closed:
        address = f"127.0.0.1:{closed.getsockname()[1]}"
    result = CliRunner().invoke(cli, ["jobs", "--server", address])
    assert result.exit_code == exits.UNREACHABLE
    assert f"no server answers at http://{address}: Connection refused" in result.stderr
    assert "jobledger up" in result.stderr


def test_a_server_that_is_no_address_is_a_mistake_of_usage() -> None:
    """Not one of the network."""
    result = CliRunner().invoke(cli, ["jobs", "--server", "http://[nowhere"])
    assert result.exit_code == exits.USAGE
    assert "--server http://host:port" in result.stderr


def test_history_tells_each_event_in_a_line(run: Command, api: Api) -> None:
    """Number, time, what, who, and what matters of the rest."""
    client = {"kind": "client", "id": "anonymous", "address": "127.0.0.1"}
    definition = {"name": "hello", "tasks": [{"image": "busybox"}]}
    submitted = {"type": "JobSubmitted", "at": CREATED, "job": FIRST, "definition": definition}
    failed = {
        "type": "TaskFailed",
        "at": CREATED,
        "attempt": TASK,
        "error": "no \x1b[31m",
        "output": {"length": 7},
    }
    api.events = [
        {"number": 1, "time": CREATED, "type": "JobSubmitted", "actor": client, "data": submitted},
        {"number": 2, "time": CREATED, "type": "TaskFailed", "actor": {"kind": "runner", "id": "host"}, "data": failed},
    ]
    assert run("history", "@latest").stdout.splitlines() == [
        f"   1  {CREATED}  JobSubmitted       client anonymous 127.0.0.1  definition=hello (1 tasks)",
        f"   2  {CREATED}  TaskFailed         runner host  attempt=cccc44440000  error=no \\x1b[31m  output=7 bytes",
    ]


def test_history_goes_through_all_pages_unless_one_is_asked_for(
    run: Command, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A long history is not cut off."""
    monkeypatch.setattr("app.cli.history.SIZE", 2)
    event = {"time": CREATED, "type": "TaskStarted", "actor": {"kind": "runner", "id": "host"}, "data": {}}
    api.events = [event | {"number": number} for number in range(1, 6)]
    assert len(run("history", "@latest").stdout.splitlines()) == 5
    assert len(run("history", "@latest", "--size", "2").stdout.splitlines()) == 2
    assert len(run("history", "@latest", "--size", "2", "--page", "3").stdout.splitlines()) == 1
