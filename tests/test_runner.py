"""Jobs that really run."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import docker
import pytest

from app.runner import engine, watch
from domain.errors import Refused
from domain.job import JobStatus, TaskCompleted, TaskFailed, TaskStopped
from tests.engine_proxy import Proxy
from tests.site import Site, task
from tests.waiting import until


@pytest.fixture
def site(tmp_path: Path, docker_host: str, docker_client: docker.DockerClient) -> Iterator[Site]:
    made = Site(tmp_path / "data", docker_host, docker_client)
    yield made
    made.close()


def test_a_task_runs_and_every_step_is_an_event(site: Site) -> None:
    with site.running():
        job = site.submit(task("echo hello; echo world >&2; printf done > $TORK_OUTPUT"))
        assert site.ends(job) is JobStatus.COMPLETED
    assert site.types(job) == [
        "JobSubmitted",
        "TaskScheduled",
        "TaskClaimed",
        "TaskStartIntended",
        "TaskStarted",
        "TaskCompleted",
        "JobCompleted",
    ]
    completed = site.last(job, TaskCompleted)
    assert completed.result == "done"
    assert sorted(site.printed(job).splitlines()) == [b"hello", b"world"]
    assert completed.output.length == 12
    assert completed.output.sha256 == hashlib.sha256(site.printed(job)).hexdigest()
    assert site.folders() == []


def test_the_steps_tell_who_took_them_and_why(site: Site) -> None:
    with site.running():
        job = site.submit(task("true"))
        site.ends(job)
    steps = list(site.log.read(job))[2:]
    assert {step.context.actor.kind for step in steps} == {"runner"}
    assert {step.context.actor.id for step in steps} == {site.settings.name}
    assert {step.context.correlation_id for step in steps} == {job.hex}
    positions = {type(each.event).__name__: str(each.position) for each in site.recorded()}
    causes = [step.context.causation_id for step in steps]
    assert causes == [positions["TaskScheduled"], *[positions["TaskClaimed"]] * 4]


def test_tasks_run_one_after_another_with_their_own_environment(site: Site) -> None:
    with site.running():
        job = site.submit(task("echo first $A", env={"A": "1"}), task("echo second $A", env={"A": "2"}))
        assert site.ends(job) is JobStatus.COMPLETED
    assert site.printed(job) == b"first 1\nsecond 2\n"


def test_a_command_of_its_own_runs_without_a_shell(site: Site) -> None:
    with site.running():
        job = site.submit(task(cmd=("echo", "$HOME")), task())
        assert site.ends(job) is JobStatus.COMPLETED
    assert site.printed(job) == b"$HOME\n"


def test_a_failure_tells_the_exit_code_and_the_last_lines(site: Site) -> None:
    with site.running():
        job = site.submit(task("seq 20 >&2; exit 3"), task("echo never"))
        assert site.ends(job) is JobStatus.FAILED
    failed = site.last(job, TaskFailed)
    assert failed.error == "exit code 3: " + "\n".join(map(str, range(11, 21)))
    assert (failed.cause, failed.exit_code) == ("exit", 3)
    assert b"never" not in site.printed(job)


def test_a_program_that_is_not_there_is_told(site: Site) -> None:
    with site.running():
        job = site.submit(task(cmd=("/no/such/program",)))
        assert site.ends(job) is JobStatus.FAILED
    failed = site.last(job, TaskFailed)
    assert failed.cause == "container"
    assert "/no/such/program" in failed.error


def test_an_image_that_can_not_be_had_is_told(site: Site) -> None:
    with site.running():
        job = site.submit(task("true", image="localhost:1/none:1"))
        assert site.ends(job) is JobStatus.FAILED
    failed = site.last(job, TaskFailed)
    assert failed.cause == "image"
    assert failed.error.startswith("the image localhost:1/none:1 can not be pulled: ")
    assert b"pulling localhost:1/none:1\n" in site.printed(job)


def test_a_task_has_the_time_that_it_was_given(site: Site) -> None:
    with site.running():
        began = time.monotonic()
        job = site.submit(task("echo begun; sleep 60", timeout="5s"))
        assert site.ends(job) is JobStatus.FAILED
        assert time.monotonic() - began < 20
    failed = site.last(job, TaskFailed)
    assert (failed.error, failed.cause) == ("timed out after 5s", "timeout")
    assert site.printed(job) == b"begun\n"


def test_the_time_of_a_task_is_also_that_of_its_image(site: Site, tmp_path: Path, engine: Path) -> None:
    proxy = Proxy(tmp_path / "proxy.sock", engine)
    proxy.fail("/images/create", "hang")
    with proxy.open(), site.running(proxy.address):
        job = site.submit(task("true", image="localhost:1/none:1", timeout="500ms"))
        assert site.ends(job) is JobStatus.FAILED
    assert site.last(job, TaskFailed).error == "timed out after 500ms"


def test_a_cancelled_task_is_asked_to_end_and_may_say_goodbye(site: Site) -> None:
    with site.running():
        job = site.submit(task("trap 'echo bye; exit 7' TERM; echo ready; while :; do sleep 0.1; done"))
        until(lambda: b"ready" in site.printed(job))
        site.cancel(job)
        assert site.ends(job) is JobStatus.CANCELLED
    assert site.last(job, TaskStopped).exit_code == 7
    assert site.printed(job) == b"ready\nbye\n"


def test_a_cancelled_task_that_does_not_listen_is_gone_in_two_seconds(site: Site) -> None:
    with site.running():
        jobs = [site.submit(task("sleep 60")) for _ in range(3)]
        took = [gone_after(site, job) for job in jobs]
    assert min(took) <= 2  # of three, for the machine may be busy with something else for a while
    assert [site.last(job, TaskStopped).exit_code for job in jobs] == [137] * 3


def gone_after(site: Site, job: UUID) -> float:
    """Cancel a job that runs, and measure until its container is gone."""
    site.happens(job, "TaskStarted")
    site.cancel(job)
    began = time.monotonic()
    until(lambda: not site.containers(job))
    took = time.monotonic() - began
    site.happens(job, "TaskStopped")
    return took


def test_a_job_that_is_cancelled_before_a_runner_comes_never_runs(site: Site) -> None:
    job = site.submit(task("true"))
    site.cancel(job)
    with site.running():
        site.ends(site.submit(task("true")))
    assert "TaskClaimed" not in site.types(job)


def test_a_cancel_ends_the_wait_for_an_image(site: Site, tmp_path: Path, engine: Path) -> None:
    proxy = Proxy(tmp_path / "proxy.sock", engine)
    proxy.fail("/images/create", "hang")
    with proxy.open(), site.running(proxy.address):
        job = site.submit(task("true", image="localhost:1/none:1"))
        until(lambda: any("/images/create" in request for request in proxy.requests))
        site.cancel(job)
        site.happens(job, "TaskStopped", seconds=2)
    assert "TaskStartIntended" not in site.types(job)


def test_a_restarted_task_waits_until_the_container_before_is_dead(site: Site) -> None:
    with site.running():
        job = site.submit(task("trap 'sleep 0.5; exit' TERM; echo ready; while :; do sleep 0.1; done"))
        until(lambda: b"ready" in site.printed(job))
        site.cancel(job)
        site.restart(job)
        until(lambda: site.types(job).count("TaskStarted") == 2)
        site.cancel(job)
        assert site.ends(job) is JobStatus.CANCELLED
    assert [attempt.number for attempt in site.attempts(job)] == [1, 2]
    label = {"label": f"jobledger.job={job.hex}", "event": ["start", "die"]}
    seen = site.client.events(since=int(time.time()) - 60, until=int(time.time()) + 1, filters=label, decode=True)
    assert [event["Action"] for event in seen] == ["start", "die", "start", "die"]


def test_a_job_of_another_queue_is_left_to_others(site: Site) -> None:
    with site.running():
        other = site.submit(task("true", queue="gpu"))
        assert site.ends(site.submit(task("true"))) is JobStatus.COMPLETED
    assert site.state(other).status is JobStatus.PENDING


BINARY = "head -c 300000 /dev/zero | tr '\\0' '\\377'; printf 'a\\0b\\303'"


def test_output_is_kept_byte_for_byte_also_without_a_last_newline(site: Site) -> None:
    with site.running():
        job = site.submit(task(BINARY))
        assert site.ends(job) is JobStatus.COMPLETED
    assert site.printed(job) == b"\xff" * 300_000 + b"a\0b\xc3"


def test_much_output_is_kept_whole(site: Site) -> None:
    with site.running():
        job = site.submit(task("seq 400000"))
        assert site.ends(job) is JobStatus.COMPLETED
    assert site.printed(job) == b"".join(b"%d\n" % number for number in range(1, 400_001))


def test_output_is_seen_while_the_task_runs_even_half_a_line(site: Site) -> None:
    with site.running():
        job = site.submit(task("printf 'working...'; sleep 60"))
        site.happens(job, "TaskStarted")
        until(lambda: site.printed(job) == b"working...", seconds=2)
        site.cancel(job)
        site.ends(job)


def test_a_silent_task_is_not_taken_for_dead(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "DEADLINE", 1)
    monkeypatch.setattr(watch, "PATIENCE", 1)
    with site.running():
        job = site.submit(task("sleep 3; echo done"), task("exec >/dev/null 2>&1; sleep 3"))
        assert site.ends(job) is JobStatus.COMPLETED
    assert site.printed(job) == b"done\n"


def test_a_result_that_leads_out_of_its_folder_is_refused(site: Site) -> None:
    with site.running():
        job = site.submit(task("rm /tork/stdout; ln -s /etc/passwd /tork/stdout"))
        assert site.ends(job) is JobStatus.FAILED
    failed = site.last(job, TaskFailed)
    assert (failed.cause, failed.exit_code) == ("result", 0)


def test_a_plain_task_costs_the_engine_six_answers(site: Site, tmp_path: Path, engine: Path) -> None:
    proxy = Proxy(tmp_path / "proxy.sock", engine)
    with proxy.open(), site.running(proxy.address):
        job = site.submit(task("echo hello"))
        assert site.ends(job) is JobStatus.COMPLETED
    asked = [each for each in proxy.requests if "/containers/" in each and "/containers/json" not in each]
    assert len(asked) == len(["create", "look", "attach", "start", "wait", "remove"]), asked


def test_a_second_runner_of_the_same_name_is_refused(site: Site) -> None:
    with site.running():
        site.ends(site.submit(task("true")))
        with pytest.raises(Refused, match="at work already"):
            site.runner().run()
