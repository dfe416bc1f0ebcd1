"""What runs before and after a task's own program."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import docker
import pytest

from app.runner import limits
from domain.definition import Mount
from domain.job import JobStatus, TaskCompleted, TaskFailed, TaskStopped
from tests.site import Site, post, pre, task
from tests.waiting import until

STUBBORN = "trap '' TERM; echo ready; while :; do sleep 0.1; done"


@pytest.fixture
def site(tmp_path: Path, docker_host: str, docker_client: docker.DockerClient) -> Iterator[Site]:
    made = Site(tmp_path / "data", docker_host, docker_client)
    yield made
    made.close()


def test_what_comes_before_and_after_runs_in_order_each_in_a_container_of_its_own(site: Site) -> None:
    with site.running():
        job = site.submit(
            task(
                "echo own; ls /tork; printf result > $TORK_OUTPUT",
                pre=(pre("echo one; touch /tork/seen"), pre(cmd=("echo", "two"))),
                post=(post("echo three; printf ignored > $TORK_OUTPUT"), post("echo $A", env={"A": "four"})),
            )
        )
        assert site.ends(job) is JobStatus.COMPLETED
    assert site.printed(job) == b"one\ntwo\nown\nentrypoint\nprogress\nstdout\nthree\nfour\n"
    assert site.starts(job) == ["pre-1", "pre-2", "", "post-1", "post-2"]
    assert site.last(job, TaskCompleted).result == "result"
    assert site.folders() == []


def test_each_start_is_announced_and_the_task_runs_from_the_first_one(site: Site) -> None:
    with site.running():
        job = site.submit(task("true", pre=(pre("true"),), post=(post("true"),)))
        site.ends(job)
    steps = site.types(job)[3:-2]
    assert steps == ["TaskStartIntended", "TaskStarted", "TaskStartIntended", "TaskStartIntended"]
    announced = [event for event in site.events(job) if type(event).__name__ == "TaskStartIntended"]
    assert [event.phase for event in announced] == ["pre-1", "", "post-1"]
    assert len({event.container for event in announced}) == 3


def test_when_what_comes_before_fails_nothing_else_runs_but_what_always_does(site: Site) -> None:
    with site.running():
        job = site.submit(
            task(
                "echo never",
                pre=(pre("echo no >&2; exit 3", name="prepare"), pre("echo never")),
                post=(post("echo never"), post("echo always", always=True)),
            )
        )
        assert site.ends(job) is JobStatus.FAILED
    failed = site.last(job, TaskFailed)
    assert (failed.error, failed.cause, failed.exit_code) == ("pre task prepare: exit code 3: no", "exit", 3)
    assert site.printed(job) == b"no\nalways\n"
    assert site.starts(job) == ["pre-1", "post-2"]


def test_a_failure_of_the_task_itself_is_the_one_that_is_told(site: Site) -> None:
    with site.running():
        job = site.submit(
            task(
                "echo own; exit 4",
                pre=(pre("echo before"),),
                post=(post("echo never"), post("echo tidy; exit 5", always=True), post("echo last", always=True)),
            )
        )
        assert site.ends(job) is JobStatus.FAILED
    assert site.last(job, TaskFailed).error == "exit code 4: own"
    assert site.printed(job) == b"before\nown\ntidy\nlast\n"


def test_an_error_repeats_only_what_the_failed_program_said(site: Site) -> None:
    with site.running():
        job = site.submit(task("exit 4", pre=(pre("echo before"),)))
        assert site.ends(job) is JobStatus.FAILED
    assert site.last(job, TaskFailed).error == "exit code 4"


def test_when_what_comes_after_fails_so_does_the_task(site: Site) -> None:
    with site.running():
        job = site.submit(
            task(
                "printf result > $TORK_OUTPUT",
                post=(post("exit 6", name="upload"), post("echo never"), post("echo always", always=True)),
            )
        )
        assert site.ends(job) is JobStatus.FAILED
    assert site.last(job, TaskFailed).error == "post task upload: exit code 6"
    assert site.printed(job) == b"always\n"


def test_an_image_that_can_not_be_had_fails_the_task_before_it_runs(site: Site) -> None:
    with site.running():
        job = site.submit(task("echo never", pre=(pre("true", image="localhost:1/none:1"),)))
        assert site.ends(job) is JobStatus.FAILED
    failed = site.last(job, TaskFailed)
    assert failed.cause == "image"
    assert failed.error.startswith("pre task before: the image localhost:1/none:1 can not be pulled: ")
    assert "TaskStartIntended" not in site.types(job)


def test_the_time_of_a_task_is_that_of_all_its_programs(site: Site) -> None:
    with site.running():
        began = time.monotonic()
        job = site.submit(task("sleep 60", pre=(pre("sleep 1"),), timeout="12s"))
        assert site.ends(job) is JobStatus.FAILED
        assert time.monotonic() - began < 30
    failed = site.last(job, TaskFailed)
    assert (failed.error, failed.cause) == ("timed out after 12s", "timeout")
    assert site.starts(job) == ["pre-1", ""]


def test_a_program_may_have_less_time_than_its_task(site: Site) -> None:
    with site.running():
        job = site.submit(task("echo never", pre=(pre("sleep 60", timeout="500ms"),), timeout="50s"))
        assert site.ends(job) is JobStatus.FAILED
    failed = site.last(job, TaskFailed)
    assert (failed.error, failed.cause) == ("pre task before: timed out after 500ms", "timeout")


def test_what_always_runs_has_time_of_its_own_when_that_of_the_task_is_over(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "TIDYING", "5s")
    with site.running():
        job = site.submit(
            task(
                "sleep 60",
                timeout="5s",
                post=(
                    post("sleep 1; echo tidy", always=True),
                    post("sleep 60", always=True, timeout="3s"),
                    post("sleep 60", always=True),
                ),
            )
        )
        assert site.ends(job) is JobStatus.FAILED
    assert site.last(job, TaskFailed).error == "timed out after 5s"
    assert site.printed(job) == b"tidy\n"
    assert site.starts(job) == ["", "post-1", "post-2", "post-3"]


@pytest.mark.parametrize("phase", ["pre-1", "", "post-1"])
def test_a_cancel_ends_whatever_runs_and_leaves_nothing(site: Site, phase: str) -> None:
    runs = {name: STUBBORN if name == phase else "echo done" for name in ("pre-1", "", "post-1")}
    with site.running():
        definition = task(
            runs[""],
            pre=(pre(runs["pre-1"]),),
            post=(post(runs["post-1"]), post("echo never", always=True)),
            mounts=(Mount(type="volume", target="/data"),),
        )
        job = site.submit(definition)
        until(lambda: b"ready" in site.printed(job))
        site.cancel(job)
        assert site.ends(job) is JobStatus.CANCELLED
    assert site.last(job, TaskStopped).exit_code == 137
    assert b"never" not in site.printed(job)
    assert site.starts(job)[-1] == phase
    assert site.folders() == []
