"""Runners that are killed, Engines that do not answer, and what is found afterwards (the windows of the protocol)."""

from __future__ import annotations

import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import docker
import pytest

from app.output import STDOUT
from app.runner import container, spec, surroundings
from app.runner import engine as engine_module
from app.runner.engine import Engine
from app.runner.kept import whole_characters
from app.runner.writer import Writer
from domain import job
from domain.job import JobStatus, TaskFailed, TaskLost, TaskStopped
from scripts import private_engine
from tests.engine_proxy import Proxy
from tests.former import HELLO, WORDS, Former
from tests.site import Site, task
from tests.waiting import until


@pytest.fixture
def site(tmp_path: Path, docker_host: str, docker_client: docker.DockerClient) -> Iterator[Site]:
    made = Site(tmp_path / "data", docker_host, docker_client)
    yield made
    made.close()


def runs(site: Site, job_id: UUID) -> int:
    """Count how often a container of a job was started."""
    return len(site.starts(job_id))


def finishes_in_one_run(site: Site, former: Former) -> None:
    with site.running():
        assert site.ends(former.job) is JobStatus.COMPLETED
    assert site.printed(former.job) == WORDS
    assert len(site.attempts(former.job)) == 1
    assert runs(site, former.job) == 1
    assert site.folders() == []


def test_w3_claimed_and_not_created(site: Site) -> None:
    former = Former(site)
    former.claim()
    finishes_in_one_run(site, former)
    assert site.types(former.job)[2:5] == ["TaskClaimed", "TaskAdopted", "TaskStartIntended"]


def test_w5_created_and_no_start_announced(site: Site) -> None:
    former = Former(site)
    former.claim()
    created = former.create()
    finishes_in_one_run(site, former)
    assert site.last(former.job, job.TaskStartIntended).container == created


def test_w6_start_announced_and_never_done(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(container, "DOUBT", 0.5)
    former = Former(site)
    former.claim()
    former.intend(former.create())
    with site.running():
        assert site.ends(former.job) is JobStatus.COMPLETED
    assert "did not" in site.last(former.job, TaskLost).reason
    assert [attempt.number for attempt in site.attempts(former.job)] == [1, 2]
    assert runs(site, former.job) == 1


def test_w6_start_announced_and_the_container_gone(site: Site) -> None:
    former = Former(site)
    former.claim()
    former.intend("gone")
    with site.running():
        assert site.ends(former.job) is JobStatus.FAILED
    failed = site.last(former.job, TaskFailed)
    assert (failed.cause, failed.error) == ("unknown", "outcome unknown: its container is gone")


def test_w6_start_announced_and_refused_by_the_engine(site: Site) -> None:
    former = Former(site, task(cmd=("/no/such/program",)))
    former.claim()
    created = former.create()
    former.intend(created)
    with pytest.raises(docker.errors.APIError):
        former.start(created)
    with site.running():
        assert site.ends(former.job) is JobStatus.FAILED
    failed = site.last(former.job, TaskFailed)
    assert failed.cause == "container"
    assert "/no/such/program" in failed.error


@pytest.mark.parametrize("told", [False, True], ids=["w7 started and not told", "w8 told"])
def test_w8_a_running_container_is_adopted(site: Site, *, told: bool) -> None:
    former = Former(site)
    former.claim()
    created = former.create()
    former.intend(created)
    former.start(created)
    if told:
        former.say_started()
    finishes_in_one_run(site, former)


def test_w9_an_exited_container_is_recorded(site: Site) -> None:
    former = Former(site, task("echo hello; printf world; printf 42 > $TORK_OUTPUT"))
    former.claim()
    created = former.create()
    former.intend(created)
    former.start(created)
    site.client.api.wait(created)
    finishes_in_one_run(site, former)
    assert site.last(former.job, job.TaskCompleted).result == "42"


def test_w10_what_is_over_is_removed(site: Site) -> None:
    former = Former(site)
    former.claim()
    created = former.create()
    former.intend(created)
    former.start(created)
    former.complete()
    with site.running():
        until(lambda: not site.containers(former.job))
        until(lambda: site.folders() == [])
    assert site.types(former.job)[-2:] == ["TaskCompleted", "JobCompleted"]


def test_w13_cancelled_before_the_start_was_announced(site: Site) -> None:
    former = Former(site)
    former.claim()
    former.create()
    site.cancel(former.job)
    with site.running():
        assert site.ends(former.job) is JobStatus.CANCELLED
    assert runs(site, former.job) == 0


def test_w13_cancelled_while_it_ran_and_no_runner_was_there(site: Site) -> None:
    former = Former(site, task("echo hello; sleep 60"))
    former.claim()
    created = former.create()
    former.intend(created)
    former.start(created)
    site.cancel(former.job)
    with site.running():
        assert site.ends(former.job) is JobStatus.CANCELLED
    assert site.last(former.job, TaskStopped).exit_code == 137
    assert site.printed(former.job) == b"hello\n"


def test_w14_ended_and_then_cancelled(site: Site) -> None:
    former = Former(site, task("exit 5"))
    former.claim()
    created = former.create()
    former.intend(created)
    former.start(created)
    site.client.api.wait(created)
    site.cancel(former.job)
    with site.running():
        assert site.ends(former.job) is JobStatus.CANCELLED
    assert site.last(former.job, TaskStopped).exit_code == 5


def test_the_container_of_a_former_attempt_is_ended_before_the_next_one_starts(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(surroundings, "MAKING_WAY", 0.3)
    former = Former(site, task("sleep 60", timeout="90s"))
    site.settings = site.settings.__class__(data=site.settings.data, name="another", slots=2)
    former.claim()
    created = former.create()
    former.intend(created)
    former.start(created)
    site.cancel(former.job)
    site.restart(former.job)
    with site.running():
        until(lambda: runs(site, former.job) == 2)
        assert [each.attrs["Id"] for each in site.containers(former.job)] != [created]
        assert len(site.containers(former.job)) == 1
        site.cancel(former.job)
        until(lambda: not site.containers(former.job))


def foreign(site: Site, name: str | None = None, **labels: str) -> Any:
    given = {key.replace("_", "."): value for key, value in labels.items()}
    return site.client.containers.create("busybox:stable", "true", name=name, labels=given)


def test_a_name_that_is_taken_costs_an_attempt_and_nothing_else(site: Site) -> None:
    former = Former(site)
    taken = foreign(site, spec.name(former.attempt))
    try:
        with site.running():
            assert site.ends(former.job) is JobStatus.COMPLETED
        assert "another container has the name" in site.last(former.job, TaskLost).reason
        taken.reload()
        assert taken.status == "created"
    finally:
        taken.remove()


def test_what_belongs_to_others_is_never_touched(site: Site) -> None:
    former = Former(site)
    ledger = former.ledger
    others = [
        foreign(site),
        foreign(site, jobledger_log="other", jobledger_runner=ledger.runner.hex),
        foreign(site, jobledger_log=ledger.log_id.hex, jobledger_runner="other"),
        foreign(site, jobledger_log=ledger.log_id.hex, jobledger_runner=ledger.runner.hex, jobledger_job="?"),
        foreign(
            site,
            jobledger_log=ledger.log_id.hex,
            jobledger_runner=ledger.runner.hex,
            jobledger_job=UUID(int=1).hex,
            jobledger_attempt=UUID(int=2).hex,
        ),
    ]
    try:
        with site.running():
            assert site.ends(former.job) is JobStatus.COMPLETED
        for other in others:
            other.reload()
    finally:
        for other in others:
            other.remove()


def test_w19_what_ran_for_a_claim_that_the_log_does_not_know_is_not_run_again(site: Site) -> None:
    """As when the log was restored from an older backup."""
    former = Former(site)
    former.claim()
    known = former._claim
    assert known
    former._claim = known._replace(epoch=known.epoch + 1)
    created = former.create()
    former.start(created)
    with site.running():
        assert site.ends(former.job) is JobStatus.FAILED
    failed = site.last(former.job, TaskFailed)
    assert (failed.cause, len(site.attempts(former.job)), runs(site, former.job)) == ("unknown", 1, 1)


@pytest.fixture
def proxy(tmp_path: Path, engine: Path) -> Proxy:
    return Proxy(tmp_path / "proxy.sock", engine)


@pytest.mark.parametrize("fault", ["lose the request", "lose the answer"])
@pytest.mark.parametrize("request_", ["/containers/create", "/attach", "/json HTTP", "/wait", "DELETE"])
def test_an_answer_that_is_lost_changes_nothing(site: Site, proxy: Proxy, request_: str, fault: Any) -> None:
    former = Former(site)
    proxy.fail(request_, fault)
    with proxy.open(), site.running(proxy.address):
        assert site.ends(former.job) is JobStatus.COMPLETED
        until(lambda: site.folders() == [])
    assert site.printed(former.job) == WORDS
    assert runs(site, former.job) == 1


def test_a_start_whose_answer_is_lost_is_not_repeated(site: Site, proxy: Proxy) -> None:
    former = Former(site)
    proxy.fail("/start", "lose the answer")
    with proxy.open(), site.running(proxy.address):
        assert site.ends(former.job) is JobStatus.COMPLETED
    assert site.printed(former.job) == WORDS
    assert (len(site.attempts(former.job)), runs(site, former.job)) == (1, 1)
    assert len([request for request in proxy.requests if "/start" in request]) == 1


def test_a_start_that_was_never_heard_is_given_up_for_a_new_attempt(
    site: Site, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(container, "DOUBT", 0.5)
    former = Former(site)
    proxy.fail("/start", "lose the request")
    with proxy.open(), site.running(proxy.address):
        assert site.ends(former.job) is JobStatus.COMPLETED
    assert (len(site.attempts(former.job)), runs(site, former.job)) == (2, 1)


def test_an_engine_that_hangs_is_asked_again(
    site: Site, proxy: Proxy, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(engine_module, "DEADLINE", 1)
    caplog.set_level("INFO")
    former = Former(site)
    proxy.fail("/containers/create", "hang")
    with proxy.open(), site.running(proxy.address):
        assert site.ends(former.job) is JobStatus.COMPLETED
    assert "answers again" in caplog.text
    assert runs(site, former.job) == 1


def test_w11_an_engine_that_dies_with_its_containers_tells_of_it_when_it_is_back(site: Site) -> None:
    folder = Path(tempfile.mkdtemp(prefix="jobledger-", dir="/var/tmp"))
    try:
        with site.running(private_engine.own(folder)):
            job_id = site.submit(task("echo hello; sleep 60"))
            until(lambda: site.printed(job_id) == b"hello\n")
            private_engine._end(folder)
            late = site.submit(HELLO)
            assert site.state(job_id).status is JobStatus.RUNNING
            private_engine.own(folder)
            assert site.ends(job_id) is JobStatus.FAILED
            assert site.ends(late) is JobStatus.COMPLETED
    finally:
        private_engine.stop(folder)
    assert site.printed(job_id) == b"hello\n"
    assert "(the Docker Engine was away meanwhile): hello" in site.last(job_id, TaskFailed).error


def test_w11_output_and_outcome_survive_broken_connections(site: Site, proxy: Proxy) -> None:
    former = Former(site, task("for i in $(seq 30); do echo $i; sleep 0.05; done; printf end"))
    with proxy.open(), site.running(proxy.address):
        until(lambda: b"5\n" in site.printed(former.job))
        proxy.cut()
        until(lambda: b"15\n" in site.printed(former.job))
        proxy.cut()
        assert site.ends(former.job) is JobStatus.COMPLETED
    assert site.printed(former.job) == b"".join(b"%d\n" % number for number in range(1, 31)) + b"end"


def test_what_is_printed_between_a_broken_connection_and_the_end_is_kept(site: Site, proxy: Proxy) -> None:
    """Also when the container has ended before the break is noticed."""
    job_id = site.submit(task("echo hello; while [ ! -e /tmp/go ]; do sleep 0.01; done; printf world"))
    with proxy.open(), site.process(proxy.address) as process:
        until(lambda: site.printed(job_id) == b"hello\n")
        [container] = site.containers(job_id)
        process.send_signal(signal.SIGSTOP)
        proxy.cut()
        container.exec_run("touch /tmp/go")
        container.wait()
        process.send_signal(signal.SIGCONT)
        assert site.ends(job_id) is JobStatus.COMPLETED
    assert site.printed(job_id) == WORDS


def test_without_an_engine_jobs_wait_until_one_comes(
    site: Site, proxy: Proxy, caplog: pytest.LogCaptureFixture
) -> None:
    job_id = site.submit(HELLO)
    with site.running(proxy.address):
        until(lambda: "no Docker Engine at" in caplog.text)
        assert site.state(job_id).status is JobStatus.PENDING
        with proxy.open():
            assert site.ends(job_id) is JobStatus.COMPLETED
            until(lambda: site.folders() == [])
    assert caplog.text.count("no Docker Engine at") <= 2


def test_a_runner_that_is_killed_leaves_nothing_undone(site: Site) -> None:
    jobs = [site.submit(task("echo hello; sleep 3; printf world"), task("true")) for _ in range(4)]
    with site.process() as process:
        for job_id in jobs[:2]:
            site.happens(job_id, "TaskStarted")
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert all(site.state(job_id).status.is_active for job_id in jobs)
    with site.process():
        for job_id in jobs:
            assert site.ends(job_id) is JobStatus.COMPLETED
            assert site.printed(job_id) == WORDS
            assert runs(site, job_id) == len([type_ for type_ in site.types(job_id) if type_ == "TaskStartIntended"])
        until(lambda: site.folders() == [])


def test_a_signal_ends_a_runner_when_its_work_is_done(site: Site) -> None:
    job_id = site.submit(HELLO)
    with site.process() as process:
        site.happens(job_id, "TaskStarted")
        process.send_signal(signal.SIGTERM)
        late = site.submit(HELLO)
        assert process.wait(30) == 0
    assert site.state(job_id).status is JobStatus.COMPLETED
    assert site.state(late).status is JobStatus.PENDING
    assert type(site.recorded()[-1].event).__name__ == "RunnerStopped"


def test_a_second_signal_leaves_containers_to_the_next_start(site: Site) -> None:
    job_id = site.submit(task("echo hello; until [ -e /tmp/go ]; do sleep 0.05; done; printf world"))
    with site.process() as process:
        site.happens(job_id, "TaskStarted")
        process.send_signal(signal.SIGTERM)
        until(lambda: "claims no more" in site.said.read_text())
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
    (left,) = site.containers(job_id)
    assert left.status == "running"
    left.exec_run("touch /tmp/go")
    with site.process():
        assert site.ends(job_id) is JobStatus.COMPLETED
    assert site.printed(job_id) == WORDS
    assert runs(site, job_id) == 1


LINES = r"""
for i in $(seq 300); do printf 'line \303\251 \377 %s\n' $i; done
head -c 40000 /dev/zero | tr '\0' '\377'; printf '\303\251 \303'
"""


@pytest.mark.parametrize("share", [0.0, 0.2, 0.6, 0.999])
def test_what_a_killed_runner_had_stored_is_continued(site: Site, share: float) -> None:
    content = b"".join(b"line \xc3\xa9 \xff %d\n" % number for number in range(1, 301)) + b"\xff" * 40_000
    content += b"\xc3\xa9 \xc3"
    former = Former(site, task(LINES))
    former.claim()
    created = former.create()
    former.intend(created)
    former.start(created)
    site.client.api.wait(created)
    seen = content[: int(len(content) * share)]
    writer = Writer(site.settings.output)
    writer.append(former.attempt.hex, STDOUT, seen)
    writer.close()
    with site.running():
        assert site.ends(former.job) is JobStatus.COMPLETED
    printed = site.printed(former.job)
    end = whole_characters(seen)
    assert printed[:end] == content[:end]
    assert printed[end:] == mended(content)[len(mended(content[:end])) :]


def mended(content: bytes) -> bytes:
    return content.decode(errors="jobledger-each-byte").encode()


def test_the_engines_address_is_asked_for_only_once_it_is_needed() -> None:
    assert Engine("unix:///nowhere.sock").address == "unix:///nowhere.sock"
