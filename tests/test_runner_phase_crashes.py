"""Runners that are killed while an attempt has several containers: each of them is started once all the same."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import docker
import pytest

from app.log.log import now
from app.runner import container
from domain.definition import Mount, Probe, TaskDefinition
from domain.job import JobStatus, TaskClaimed, TaskCompleted, TaskFailed, TaskStopped
from tests.engine_proxy import Fault, Proxy
from tests.former import Former
from tests.site import Site, post, pre, sidecar, task
from tests.waiting import until


@pytest.fixture
def site(tmp_path: Path, docker_host: str, docker_client: docker.DockerClient) -> Iterator[Site]:
    made = Site(tmp_path / "data", docker_host, docker_client)
    yield made
    made.close()


def three(**runs: str) -> TaskDefinition:
    given = {"before": "echo before", "own": "echo own; printf 42 > $TORK_OUTPUT", "after": "echo after"} | runs
    return task(given["own"], pre=(pre(given["before"]),), post=(post(given["after"]), post("echo tidy", always=True)))


ALL = ["pre-1", "", "post-1", "post-2"]
WORDS = b"before\nown\nafter\ntidy\n"


def completes(site: Site, former: Former) -> None:
    with site.running():
        assert site.ends(former.job) is JobStatus.COMPLETED
    assert site.printed(former.job) == WORDS
    assert site.starts(former.job) == ALL
    assert site.last(former.job, TaskCompleted).result == "42"
    assert site.types(former.job).count("TaskStartIntended") == len(ALL)
    assert site.folders() == []


def test_killed_while_the_first_one_runs(site: Site) -> None:
    former = Former(site, three(before="echo before; sleep 1"))
    former.claim()
    former.begin("pre-1")
    completes(site, former)


def test_killed_between_the_first_one_and_the_tasks_own(site: Site) -> None:
    former = Former(site, three())
    former.claim()
    former.finish("pre-1")
    completes(site, former)


def test_killed_when_the_tasks_own_was_created_and_not_announced(site: Site) -> None:
    former = Former(site, three())
    former.claim()
    former.finish("pre-1")
    former.create()
    completes(site, former)


def test_killed_while_the_tasks_own_runs(site: Site) -> None:
    former = Former(site, three(own="echo own; sleep 1; printf 42 > $TORK_OUTPUT"))
    former.claim()
    former.finish("pre-1")
    former.begin()
    completes(site, former)


def test_killed_while_the_last_one_runs(site: Site) -> None:
    former = Former(site, three(after="sleep 1; echo after"))
    former.claim()
    for phase in ("pre-1", ""):
        former.finish(phase)
    former.begin("post-1")
    completes(site, former)


def test_killed_when_all_was_done_and_nothing_recorded(site: Site) -> None:
    former = Former(site, three())
    former.claim()
    for phase in ALL:
        former.finish(phase)
    completes(site, former)


def test_a_failure_from_before_a_crash_is_a_failure_after_it(site: Site) -> None:
    former = Former(site, three(own="echo own; exit 3"))
    former.claim()
    former.finish("pre-1")
    former.finish()
    with site.running():
        assert site.ends(former.job) is JobStatus.FAILED
    assert site.last(former.job, TaskFailed).error == "exit code 3: own"
    assert site.starts(former.job) == ["pre-1", "", "post-2"]


def test_what_can_not_be_known_is_not_tried_again(site: Site) -> None:
    former = Former(site, three())
    former.claim()
    former.finish("pre-1")
    former.intend("gone")
    with site.running():
        assert site.ends(former.job) is JobStatus.FAILED
    failed = site.last(former.job, TaskFailed)
    assert (failed.cause, failed.error) == ("unknown", "outcome unknown: its container is gone")
    assert site.starts(former.job) == ["pre-1", "post-2"]


def test_a_start_that_came_to_nothing_costs_the_attempt_when_something_ran_before(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(container, "DOUBT", 0.5)
    former = Former(site, three())
    former.claim()
    former.finish("pre-1")
    former.intend(former.create())
    with site.running():
        assert site.ends(former.job) is JobStatus.FAILED
    failed = site.last(former.job, TaskFailed)
    assert failed.cause == "unknown"
    assert "what ran before it must not run again" in failed.error
    assert site.starts(former.job) == ["pre-1", "post-2"]


def test_what_ended_too_late_while_no_runner_was_there_has_timed_out(site: Site) -> None:
    former = Former(site, task("sleep 2; echo late", timeout="1s"))
    former.claim()
    former.finish()
    with site.running():
        assert site.ends(former.job) is JobStatus.FAILED
    assert site.last(former.job, TaskFailed).error == "timed out after 1s"
    assert site.printed(former.job) == b"late\n"


def test_what_ended_in_time_is_well_however_late_that_is_found(site: Site) -> None:
    former = Former(site, task("echo done; printf 42 > $TORK_OUTPUT", timeout="8s"))
    former.claim()
    former.finish()
    until(lambda: is_past(former, 8.0))
    with site.running():
        assert site.ends(former.job) is JobStatus.COMPLETED
    assert site.printed(former.job) == b"done\n"


def is_past(former: Former, seconds: float) -> bool:
    claimed = former.site.last(former.job, TaskClaimed).at
    return (now() - claimed).total_seconds() > seconds


def test_cancelled_while_the_tasks_own_ran_and_no_runner_was_there(site: Site) -> None:
    former = Former(site, three(own="echo own; sleep 60"))
    former.claim()
    former.finish("pre-1")
    former.begin()
    site.cancel(former.job)
    with site.running():
        assert site.ends(former.job) is JobStatus.CANCELLED
    assert site.last(former.job, TaskStopped).exit_code == 137
    assert site.printed(former.job) == b"before\nown\n"
    assert site.starts(former.job) == ["pre-1", ""]


SERVER = "mkdir /www; cd /www; echo served > index.html; exec httpd -f -p 80"
SERVED = task(
    "until wget -qO- http://server/ 2>/dev/null; do sleep 0.1; done", sidecars=(sidecar(SERVER, name="server"),)
)


def test_killed_while_a_sidecar_runs_alone(site: Site) -> None:
    former = Former(site, SERVED)
    former.claim()
    former.make_network()
    former.begin("sidecar-1")
    with site.running():
        assert site.ends(former.job) is JobStatus.COMPLETED
    assert site.printed(former.job) == b"served\n"
    assert site.starts(former.job) == ["sidecar-1", ""]


def test_killed_while_a_task_runs_beside_its_sidecar(site: Site) -> None:
    former = Former(site, SERVED)
    former.claim()
    former.make_network()
    former.begin("sidecar-1")
    former.begin()
    with site.running():
        assert site.ends(former.job) is JobStatus.COMPLETED
    assert site.printed(former.job) == b"served\n"
    assert site.starts(former.job) == ["sidecar-1", ""]


def test_a_sidecar_that_is_gone_when_its_task_has_ended_is_not_missed(site: Site) -> None:
    former = Former(site, task("echo done", sidecars=(sidecar("sleep 60"),)))
    former.claim()
    former.make_network()
    former.intend("gone", "sidecar-1")
    former.finish()
    with site.running():
        assert site.ends(former.job) is JobStatus.COMPLETED
    assert site.starts(former.job) == [""]


def test_a_sidecar_that_was_lost_before_its_task_began_fails_it(site: Site) -> None:
    former = Former(site, SERVED)
    former.claim()
    former.intend("gone", "sidecar-1")
    with site.running():
        assert site.ends(former.job) is JobStatus.FAILED
    assert site.last(former.job, TaskFailed).error == "sidecar server: outcome unknown: its container is gone"


def test_cancelled_beside_a_sidecar_while_no_runner_was_there(site: Site) -> None:
    former = Former(site, SERVED)
    former.claim()
    former.make_network()
    former.begin("sidecar-1")
    site.cancel(former.job)
    with site.running():
        assert site.ends(former.job) is JobStatus.CANCELLED


@pytest.mark.parametrize("phase", ["pre-1", "sidecar-1", "", "post-1"])
def test_a_runner_killed_in_any_phase_is_continued_by_its_next_start(site: Site, phase: str) -> None:
    words = {"pre-1": "before", "": "own", "post-1": "after"}
    runs = {name: f"echo {word}; sleep 1; echo {word}" for name, word in words.items()}
    definition = task(
        runs[""],
        pre=(pre(runs["pre-1"]),),
        post=(post(runs["post-1"]),),
        sidecars=(sidecar(f"sleep 2; {SERVER}", probe=Probe(path="/", port=80)),),
        mounts=(Mount(type="volume", target="/data"),),
    )
    with site.process() as process:
        job_id = site.submit(definition)
        until(lambda: phase in site.starts(job_id))
        process.send_signal(signal.SIGKILL)
        process.wait()
    with site.process():
        assert site.ends(job_id) is JobStatus.COMPLETED
        until(lambda: site.folders() == [])
    assert site.printed(job_id) == b"before\nbefore\nown\nown\nafter\nafter\n"
    assert site.starts(job_id) == ["pre-1", "sidecar-1", "", "post-1"]


RICH = task(
    "cat a.txt",
    files={"a.txt": "own\n"},
    workdir="/data/app",
    pre=(pre("echo before"),),
    post=(post("echo after"),),
    sidecars=(sidecar("sleep 60"),),
    mounts=(Mount(type="volume", target="/data"),),
)


@pytest.mark.parametrize("fault", ["lose the request", "lose the answer"])
@pytest.mark.parametrize(
    "request_", ["/networks/create", "/archive", "/stop", "/volumes/jobledger", "/networks?", "/wait"]
)
def test_an_answer_that_is_lost_changes_nothing(
    site: Site, tmp_path: Path, engine: Path, request_: str, fault: Fault
) -> None:
    proxy = Proxy(tmp_path / "proxy.sock", engine)
    proxy.fail(request_, fault)
    with proxy.open(), site.running(proxy.address):
        job_id = site.submit(RICH)
        assert site.ends(job_id) is JobStatus.COMPLETED
    assert any(request_ in request for request in proxy.requests)
    assert site.printed(job_id) == b"before\nown\nafter\n"
    assert site.starts(job_id) == ["pre-1", "sidecar-1", "", "post-1"]
