"""The runtime that runs nothing."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from app.runner import Runner
from app.runner.runtime import Runtime
from domain.definition import Each, Parallel
from domain.job import JobStatus
from projections.queue import Claim, Place
from scripts.noop_runtime import NoopRuntime
from tests.processes_site import ProcessSite, task
from tests.site import ROOT
from tests.waiting import PATIENCE


class NoopSite(ProcessSite):
    """An installation whose runner runs nothing."""

    def runner(self, address: str = "") -> Runner:  # noqa: ARG002 - there is nowhere to go
        return Runner(self.log, self.settings, NoopRuntime())


@pytest.fixture
def site(tmp_path: Path) -> Iterator[NoopSite]:
    made = NoopSite(tmp_path / "data", tmp_path / "meeting")
    yield made
    made.close()


def test_each_task_ends_well_at_once(site: NoopSite) -> None:
    children = Parallel(tasks=(task("exit 1"), task("exit 2", image="none")))
    loop = Each(list="{{ [1, 2, 3] }}", task=task("exit 3"))
    job_id = site.submit(task("exit 4"), task(parallel=children), task(each=loop))
    with site.running():
        assert site.ends(job_id) is JobStatus.COMPLETED
    assert site.types(job_id).count("TaskStarted") == 6


def test_what_was_begun_before_a_crash_ends_well_too(site: NoopSite) -> None:
    job_id = site.submit(task("exit 1"))
    ledger, (attempt,) = site.ledger(), site.attempts(job_id)
    place = Place(2, attempt.id, job_id, 2)
    claim: Claim = ledger.claim(place, NoopRuntime.id)
    assert claim.epoch == 1
    with site.running():
        assert site.ends(job_id) is JobStatus.COMPLETED


def test_it_is_a_runtime() -> None:
    runtime: Runtime = NoopRuntime()
    runtime.connect()
    assert runtime.is_there.is_set()
    runtime.close()


def test_it_can_be_a_process_of_its_own(site: NoopSite) -> None:
    job_id = site.submit(task("exit 1"))
    given: list[Any] = ["--data", site.settings.data]
    command = [sys.executable, "-P", "-m", "scripts.noop_runtime", *given]
    with subprocess.Popen(command, cwd=ROOT, env={"PYTHONPATH": str(ROOT)}, stderr=subprocess.DEVNULL) as runner:
        try:
            assert site.ends(job_id) is JobStatus.COMPLETED
            runner.send_signal(signal.SIGTERM)
            assert runner.wait(PATIENCE) == 0
        finally:
            runner.kill()
