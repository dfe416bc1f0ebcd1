"""Services beside a task's own program."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from threading import Event, Thread
from types import SimpleNamespace
from typing import Any, cast
from uuid import UUID

import docker
import msgspec
import pytest

from app.log.log import now
from app.runner import phases, sidecars, spec
from app.runner.docker_leg import Begun, Means
from app.runner.engine import Container, Engine
from app.runner.patience import Patience
from app.runner.reporter import Reporter
from app.runner.runtime import Work
from app.runner.sidecars import Service
from app.runner.signals import Signals
from app.runner.tools import Tools
from app.runner.writer import Writer
from domain.definition import Probe
from domain.job import JobStatus, TaskFailed
from projections.queue import Claim, Place
from tests import controls as c
from tests.site import Site, post, pre, sidecar, task
from tests.waiting import until

HTTP = "mkdir /www; cd /www; echo welcome > index.html; {} exec httpd -f -p 80"
READY = Probe(path="/ready", port=80)
WORK = Work(
    UUID(int=7), c.RUNNER, Place(2, c.ATTEMPT_1, c.JOB, 2), Claim(c.EPOCH, 3, c.NOON), c.SCHEDULED_1, c.QUEUED_FIRST
)


class Mute:
    """A reporter that reports nothing."""

    def started(self, _: object) -> None:
        pass


@pytest.fixture
def site(tmp_path: Path, docker_host: str, docker_client: docker.DockerClient) -> Iterator[Site]:
    made = Site(tmp_path / "data", docker_host, docker_client)
    yield made
    made.close()


class Beside:
    """An Engine with one sidecar, that ends when it is told to and is asked for its last words when it may be."""

    def __init__(self) -> None:
        self.ended, self.asked, self.may_tell = Event(), Event(), Event()

    def wait(self, *_: object) -> int:
        assert self.ended.wait(10)
        return 3

    def tail(self, *_: object) -> bytes:
        self.asked.set()
        assert self.may_tell.wait(10)
        return b"broken\n"

    def inspect(self, _: str) -> Container:
        ip = {spec.name(c.ATTEMPT_1): "127.0.0.1"}
        labels = {spec.LOG: WORK.log.hex, spec.ATTEMPT: WORK.key}
        return Container("c" * 64, "image", labels, True, "2026-01-01T00:00:00Z", "0001-01-01", 0, False, 0, "", ip)  # noqa: FBT003

    def stop(self, *_: object) -> None:
        self.ended.set()


def service(engine: Beside, writer: Writer, probe: Probe | None = None) -> Service:
    signals = Signals()
    beside = sidecar("exit 3")
    definition = msgspec.structs.replace(c.QUEUED_FIRST, sidecars=(beside,))
    tools = cast("Tools", SimpleNamespace(output=writer, folder=Path("/nowhere")))
    patience = Patience(cast("Engine", engine), signals)
    unused = cast("Any", None)
    means = Means(patience, unused, WORK, tools, signals, unused, unused)
    (phase,) = phases.beside(definition)
    return Service(means, phase, probe)


@pytest.fixture
def writer(tmp_path: Path) -> Iterator[Writer]:
    opened = Writer(tmp_path / "output.db")
    yield opened
    opened.close()


@pytest.mark.parametrize("is_let_go", [False, True], ids=["in time", "too late"])
def test_nothing_is_said_of_a_sidecar_once_nobody_cares(writer: Writer, *, is_let_go: bool) -> None:
    engine = Beside()
    watched = service(engine, writer)
    watched._ready.set()
    watcher = Thread(target=watched._watch, args=(Begun("c" * 64, now()),))
    watcher.start()
    engine.ended.set()
    assert engine.asked.wait(10)
    if is_let_go:
        watched.let_go()
    engine.may_tell.set()
    watcher.join(10)
    assert writer.finish(WORK.key).length == (0 if is_let_go else len(b"sidecar Side Car: exit code 3: broken\n"))


def test_who_is_saying_something_of_a_sidecar_is_waited_for(writer: Writer) -> None:
    watched = service(Beside(), writer)
    letting_go = Thread(target=watched.let_go)
    with watched._speaking:
        letting_go.start()
        assert not watched._over.wait(0.1)
    letting_go.join(10)
    assert watched._over.is_set()


def test_a_sidecar_that_was_begun_long_ago_is_asked_before_its_time_is_over(
    writer: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    may_answer = Event()
    monkeypatch.setattr(sidecars, "_complaint", lambda *_: "" if may_answer.wait(10) else "not yet")
    adopted = service(Beside(), writer, READY)
    monkeypatch.setattr(adopted._leg, "begin", lambda **_: Begun("c" * 64, now() - timedelta(hours=1)))
    monkeypatch.setattr(adopted, "_means", adopted._means._replace(reporter=cast("Reporter", Mute())))
    monkeypatch.setattr(adopted, "_observe", lambda _: None)
    adopted.begin(["sidecar-1"])
    assert not adopted.has_failed
    may_answer.set()
    assert adopted._ready.wait(10)
    adopted.see_ready()


def test_a_task_finds_its_sidecar_by_name_once_that_is_ready(site: Site) -> None:
    with site.process():
        server = sidecar(HTTP.format("(sleep 2; echo yes > ready) &"), name="Web Server", probe=READY)
        alone = "nslookup web-server >/dev/null 2>&1 || echo alone"
        definition = task(
            "wget -qO- http://web-server/; wget -qO- http://web-server/ready",
            sidecars=(server,),
            pre=(pre(alone),),
            post=(post(alone),),
        )
        job = site.submit(definition)
        assert site.ends(job) is JobStatus.COMPLETED
        until(lambda: site.folders() == [])
    assert site.printed(job) == b"alone\nwelcome\nyes\nalone\n"
    assert site.starts(job) == ["pre-1", "sidecar-1", "", "post-1"]


def test_sidecars_find_one_another(site: Site) -> None:
    with site.process():
        first = sidecar("nc -l -p 1000 -e echo one", name="first")
        second = sidecar("nc first 1000 > /tmp/word; nc -l -p 2000 -e cat /tmp/word", name="second")
        job = site.submit(task("until nc second 2000; do sleep 0.1; done", sidecars=(first, second), timeout="20s"))
        assert site.ends(job) is JobStatus.COMPLETED
    assert b"one\n" in site.printed(job)


def test_a_sidecar_that_is_not_ready_in_time_fails_the_task(site: Site) -> None:
    with site.process():
        probe = Probe(path="/never", port=80, timeout="5s")
        job = site.submit(task("echo never", sidecars=(sidecar(HTTP.format(""), probe=probe),)))
        assert site.ends(job) is JobStatus.FAILED
    failed = site.last(job, TaskFailed)
    assert failed.cause == "timeout"
    assert re.fullmatch(r"sidecar Side Car: probe timed out after 5s: [0-9.]+:80 answers with HTTP 404", failed.error)
    assert site.starts(job) == ["sidecar-1"]
    assert site.printed(job) == b""


def test_a_sidecar_that_ends_before_it_is_ready_fails_the_task(site: Site) -> None:
    with site.process():
        job = site.submit(task("echo never", sidecars=(sidecar("echo broken; exit 3", probe=READY),)))
        assert site.ends(job) is JobStatus.FAILED
    assert site.last(job, TaskFailed).error == "sidecar Side Car: exit code 3: broken"


def test_the_end_of_a_sidecar_is_a_line_in_the_output(site: Site) -> None:
    with site.process():
        job = site.submit(task("sleep 3; echo done", sidecars=(sidecar("sleep 1; echo broken; exit 3"),)))
        assert site.ends(job) is JobStatus.COMPLETED
    assert site.printed(job) == b"sidecar Side Car: exit code 3: broken\ndone\n"


def test_a_sidecar_may_have_less_time_than_its_task(site: Site) -> None:
    with site.process():
        while_it_runs = "while nslookup -type=a side-car >/dev/null 2>&1; do sleep 0.1; done; sleep 1; echo done"
        job = site.submit(task(while_it_runs, sidecars=(sidecar("sleep 60", timeout="4s"),)))
        assert site.ends(job) is JobStatus.COMPLETED
    assert site.printed(job) == b"sidecar Side Car: timed out after 4s\ndone\n"


def test_a_failure_of_the_task_ends_its_sidecars_before_it_tidies_up(site: Site) -> None:
    with site.process():
        alone = post("nslookup side-car >/dev/null 2>&1 || echo alone", always=True)
        job = site.submit(task("exit 4", sidecars=(sidecar("sleep 60"),), post=(alone,)))
        assert site.ends(job) is JobStatus.FAILED
    assert site.last(job, TaskFailed).error == "exit code 4"
    assert site.printed(job) == b"alone\n"


def test_the_wait_for_a_sidecar_is_of_the_tasks_time(site: Site) -> None:
    with site.process():
        job = site.submit(task("echo never", sidecars=(sidecar("sleep 60", probe=READY),), timeout="2s"))
        assert site.ends(job) is JobStatus.FAILED
    assert site.last(job, TaskFailed).error == "timed out after 2s"


def test_a_network_of_someone_else_is_not_used(site: Site, docker_client: docker.DockerClient) -> None:
    job = site.submit(task("echo never", sidecars=(sidecar("sleep 60"),)))
    taken = docker_client.networks.create(spec.name(site.attempts(job)[0].id))
    try:
        with site.process():
            assert site.ends(job) is JobStatus.FAILED
    finally:
        taken.remove()
    assert "another network has the name" in site.last(job, TaskFailed).error
    assert site.starts(job) == []


@pytest.mark.parametrize("is_ready", [False, True], ids=["while it is awaited", "while the task runs"])
def test_a_cancel_leaves_no_sidecar_and_no_network(site: Site, *, is_ready: bool) -> None:
    with site.process():
        beside = sidecar(HTTP.format("echo yes > ready;" if is_ready else ""), probe=READY)
        job = site.submit(task("echo begun; sleep 60", sidecars=(beside,)))
        site.happens(job, "TaskStarted")
        until(lambda: b"begun" in site.printed(job) if is_ready else site.shared(job))
        site.cancel(job)
        assert site.ends(job) is JobStatus.CANCELLED
        until(lambda: site.folders() == [])
