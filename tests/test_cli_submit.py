"""Handing jobs in and watching them: against a stand-in for the API, over real sockets."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from threading import Event

import pytest
import urllib3

from app.cli import client, exits
from tests.cli_server import FIRST, SECOND, TASK, THIRD, Answer, Api, Command, command_line, document, running

JOB = b"name: hello\ntasks:\n  - image: busybox\n    imge: busybox\n"


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


@pytest.fixture
def job_file(tmp_path: Path) -> str:
    """Give a job file."""
    path = tmp_path / "hello.yaml"
    path.write_bytes(JOB)
    return str(path)


def test_submit_prints_the_id_and_nothing_else(run: Command, api: Api, job_file: str) -> None:
    """So that a script can keep it."""
    assert run("submit", job_file).stdout == f"{FIRST}\n"
    method, path, headers, body = api.requests[-1]
    assert (method, path, headers["Content-Type"], body) == ("POST", "/jobs", "text/yaml", JOB)


def test_a_submission_may_be_answered_late_for_the_job_may_ask_for_that(
    run: Command, api: Api, job_file: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_once = api.answer

    def late(method: str, target: str, accept: str) -> Answer:
        Event().wait(0.5)
        return at_once(method, target, accept)

    monkeypatch.setattr(api, "answer", late)
    monkeypatch.setattr(client, "TIMEOUT", urllib3.Timeout(0.1))
    assert run("submit", job_file).stdout == f"{FIRST}\n"


@pytest.mark.parametrize(
    ("body", "content_type"),
    [(b' {"name": "x"}', "application/json"), (b"{name: x}", "text/yaml"), (b"name: x", "text/yaml")],
)
def test_submit_tells_json_from_yaml_on_stdin(run: Command, api: Api, body: bytes, content_type: str) -> None:
    """A brace alone does not make JSON."""
    assert run("submit", "-", stdin=body).exit_code == exits.DONE
    assert api.requests[-1][2]["Content-Type"] == content_type


def test_submit_shows_problems_in_the_file(run: Command, api: Api, job_file: str) -> None:
    """In the form in which `validate` shows them."""
    problem = {
        "message": 'unknown field "imge"',
        "code": "unknown",
        "path": "tasks[0].imge",
        "line": 4,
        "column": 5,
        "hint": 'did you mean "image"?',
    }
    rejection = {"message": "tasks[0].imge ...", "code": "unknown", "errors": [problem]}
    api.fixed["POST", "/jobs"] = [(400, json.dumps(rejection).encode())]
    result = run("submit", job_file)
    assert result.exit_code == exits.USAGE
    assert result.stderr == (
        f'{job_file}:4:5: tasks[0].imge: unknown field "imge"\n'
        "    4 |     imge: busybox\n"
        "      |     ^\n"
        '    hint: did you mean "image"?\n'
    )


def test_submit_says_that_there_is_no_such_file(run: Command, api: Api) -> None:
    """Before it asks anyone."""
    result = run("submit", "nowhere.yaml")
    assert result.exit_code == exits.USAGE
    assert result.stderr == "error: can not read nowhere.yaml: No such file or directory\n"
    assert not api.requests


@pytest.mark.parametrize("state", ["COMPLETED", "FAILED", "CANCELLED"])
@pytest.mark.parametrize("option", ["--wait", "--follow"])
def test_the_exit_code_tells_how_the_job_ended(run: Command, api: Api, job_file: str, state: str, option: str) -> None:
    """Scripts rely on these: 0, 1 and 3."""
    api.steps[FIRST] = [("PENDING", b""), ("RUNNING", b""), (state, b"")]
    result = run("submit", job_file, option)
    assert result.exit_code == {"COMPLETED": 0, "FAILED": 1, "CANCELLED": 3}[state]
    assert f"{FIRST[:12]} {state}" in result.stderr


def test_follow_writes_output_to_stdout_byte_for_byte(run: Command, api: Api, job_file: str) -> None:
    """And everything else to stderr."""
    api.steps[FIRST] = [("RUNNING", b"one\n\xff\x00\x1b["), ("RUNNING", b""), ("COMPLETED", b"two")]
    result = run("submit", job_file, "--follow")
    assert result.stdout_bytes == b"one\n\xff\x00\x1b[two"
    assert result.stderr.splitlines() == [
        FIRST,
        f"{FIRST[:12]} RUNNING task 1 of 1: greet",
        f"{FIRST[:12]} COMPLETED in 2.5s",
    ]


def test_follow_gets_over_a_server_that_starts_again(run: Command, api: Api, job_file: str) -> None:
    """`up` brings it back, and nothing is printed twice."""
    api.steps[FIRST] = [("RUNNING", b"one\n"), ("COMPLETED", b"two\n")]
    api.fixed["GET", f"/jobs/{FIRST}"] = [(503, b"{}")]
    api.fixed["GET", f"/jobs/{FIRST}/log"] = [(503, b"{}")]
    result = run("submit", job_file, "--follow")
    assert (result.exit_code, result.stdout) == (exits.DONE, "one\ntwo\n")


def test_wait_can_answer_with_the_finished_job(run: Command, api: Api, job_file: str) -> None:
    """One JSON document, when all is over."""
    api.steps[FIRST] = [("RUNNING", b""), ("FAILED", b"")]
    result = run("submit", job_file, "--wait", "-o", "json")
    assert json.loads(result.stdout)["state"] == "FAILED"
    assert result.exit_code == exits.FAILED


def test_a_job_whose_end_did_not_come_in_time_is_named(run: Command, api: Api, job_file: str) -> None:
    """It asked for an answer at its end; it is submitted all the same, and is not wrong."""
    body = {"message": "timeout waiting for job to complete", "code": "unfinished", "job_id": FIRST}
    api.fixed["POST", "/jobs"] = [(408, json.dumps(body).encode())]
    result = run("submit", job_file)
    assert (result.exit_code, result.stdout) == (exits.UNREACHABLE, f"{FIRST}\n")
    assert "timeout waiting for job to complete" in result.stderr
    assert f"jobledger show {FIRST}" in result.stderr


def test_who_waits_goes_on_to_when_the_server_does_not(run: Command, api: Api, job_file: str) -> None:
    """What the file says of waiting is the answer's affair."""
    body = {"message": "timeout waiting for job to complete", "code": "unfinished", "job_id": FIRST}
    api.fixed["POST", "/jobs"] = [(408, json.dumps(body).encode())]
    api.steps[FIRST] = [("RUNNING", b""), ("CANCELLED", b"")]
    result = run("submit", job_file, "--wait")
    assert (result.exit_code, result.stdout) == (exits.CANCELLED, f"{FIRST}\n")


@pytest.mark.parametrize("arguments", [("submit", "-", "--follow"), ("logs", "@latest", "-f")])
def test_output_as_it_comes_is_no_json(run: Command, arguments: tuple[str, ...]) -> None:
    """Asking for both is a mistake."""
    assert run(*arguments, "-o", "json").exit_code == exits.USAGE


def test_logs_prints_what_a_job_printed(run: Command, api: Api) -> None:
    """All of it, and nothing else."""
    api.output[f"/jobs/{FIRST}/log"] = b"hello\xfe"
    result = run("logs", "@latest")
    assert (result.stdout_bytes, result.stderr) == (b"hello\xfe", "")


@pytest.mark.parametrize("text", [TASK, TASK[:6]])
def test_logs_prints_what_a_task_printed(run: Command, api: Api, text: str) -> None:
    """Its id may be shortened as well."""
    api.jobs[1]["execution"] = [{"id": TASK, "state": "FAILED"}]
    api.output[f"/tasks/{TASK}/log"] = b"hello\n"
    assert run("logs", text).stdout == "hello\n"


def test_logs_of_an_old_task_needs_the_whole_id(run: Command, api: Api) -> None:
    """Only recent jobs are looked through for parts."""
    api.output[f"/tasks/{TASK}/log"] = b"hello\n"
    assert run("logs", TASK).stdout == "hello\n"
    assert run("logs", TASK[:6]).exit_code == exits.USAGE


def test_logs_follows_until_the_job_has_ended(run: Command, api: Api) -> None:
    """Without a word about states."""
    api.steps[THIRD] = [("RUNNING", b"one\n"), ("COMPLETED", b"two\n")]
    result = run("logs", "-f", "bbbb")
    assert (result.stdout, result.stderr) == ("one\ntwo\n", "")


def test_logs_follows_a_task_until_that_has_ended(run: Command, api: Api) -> None:
    """Though its job goes on."""
    api.jobs[2]["execution"] = [{"id": TASK, "state": "COMPLETED"}]
    api.output[f"/tasks/{TASK}/log"] = b"hello\n"
    assert run("logs", "-f", TASK[:4]).stdout == "hello\n"
