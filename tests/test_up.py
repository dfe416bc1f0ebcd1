"""The whole thing, as a user starts it: `jobledger up` on a real Docker Engine, also killed in the middle."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from time import monotonic

import docker
import pytest
import urllib3

from app.settings import Settings
from scripts.containers import family, free_port
from tests.server import ROOT, Api
from tests.waiting import until

JOB = """
name: two steps
tasks:
  - name: first
    image: busybox:stable
    run: |
      echo begin
      sleep 0.3
      echo end
  - name: second
    image: busybox:stable
    run: echo -n done > $TORK_OUTPUT
"""


class Up:
    """A `jobledger up` that can be killed and started again over the same data."""

    def __init__(self, data: Path, docker_host: str, *options: str) -> None:
        self.data = data
        self._options = options
        self.port = free_port()
        self.api = Api(self.port, Settings(data=data, port=self.port))
        self._environment = {**os.environ, "PYTHONPATH": str(ROOT), "DOCKER_HOST": docker_host}
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = [
            sys.executable,
            "-m",
            "app",
            "up",
            "--data",
            str(self.data),
            "--port",
            str(self.port),
            "--slots",
            "4",
            *self._options,
        ]
        self._process = subprocess.Popen(command, env=self._environment, cwd=ROOT)
        wait_until(self.answers)

    def answers(self) -> bool:
        with contextlib.suppress(urllib3.exceptions.HTTPError):
            return self.api.get("/health").status == 200
        return False

    def kill(self) -> None:
        """Kill every process of it, at once."""
        assert self._process
        for pid in family(self._process.pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._process.wait()

    def stop(self) -> int:
        assert self._process
        self._process.send_signal(signal.SIGTERM)
        return self._process.wait(60)

    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None


@pytest.fixture
def up(tmp_path: Path, docker_host: str) -> Iterator[Up]:
    service = Up(tmp_path / "data", docker_host)
    yield service
    if service.is_running():
        service.kill()
    service.api.close()


wait_until = partial(until, seconds=60)


def states(up: Up, ids: list[str]) -> Counter[str]:
    return Counter(up.api.get(f"/jobs/{each}").json["state"] for each in ids)


def submit(up: Up, count: int) -> list[str]:
    return [up.api.submit(JOB).json["id"] for _ in range(count)]


@pytest.fixture
def starts(docker_host: str) -> Iterator[Counter[str]]:
    """Count how often each attempt's container was started, as the Engine tells it: at once, for it soon forgets."""
    counted: Counter[str] = Counter()
    with contextlib.closing(docker.DockerClient(base_url=docker_host, version="auto", timeout=None)) as client:
        events = client.events(filters={"event": "start", "label": "jobledger.attempt"}, decode=True)

        def count() -> None:
            counted.update(event["Actor"]["Attributes"]["jobledger.attempt"] for event in events)

        thread = threading.Thread(target=count)
        thread.start()
        yield counted
        events.close()
        thread.join()


def left(client: docker.DockerClient, ids: list[str]) -> list[str]:
    """List the containers of some jobs, in one call: one may be removed before it could be asked for more."""
    containers = client.api.containers(all=True, filters={"label": "jobledger.job"})
    return [each["Id"] for each in containers if each["Labels"]["jobledger.job"] in ids]


def test_a_job_becomes_containers_output_and_history(up: Up) -> None:
    up.start()
    job_id = submit(up, 1)[0]
    wait_until(lambda: states(up, [job_id])["COMPLETED"])
    shown = up.api.get(f"/jobs/{job_id}").json
    assert [run["state"] for run in shown["execution"]] == ["COMPLETED", "COMPLETED"]
    assert shown["execution"][1]["result"] == "done"
    assert up.api.get(f"/jobs/{job_id}/log", Accept="text/plain").body == b"begin\nend\n"
    types = [event["type"] for event in up.api.get(f"/jobs/{job_id}/events").json["items"]]
    attempt = ["TaskScheduled", "TaskClaimed", "TaskStartIntended", "TaskStarted", "TaskCompleted"]
    assert types == ["JobSubmitted", *attempt, *attempt, "JobCompleted"]
    assert up.stop() == 0


@pytest.mark.timeout(900)
def test_killed_at_any_moment_it_loses_no_job_runs_none_twice_and_leaves_nothing(
    up: Up, docker_client: docker.DockerClient, starts: Counter[str]
) -> None:
    up.start()
    ids = submit(up, 30)
    for ended in (2, 8, 15, 21):
        wait_until(lambda ended=ended: states(up, ids)["COMPLETED"] >= ended, seconds=120)
        up.kill()
        up.start()
    wait_until(lambda: states(up, ids)["COMPLETED"] == 30, seconds=180)
    runs = {each: up.api.get(f"/jobs/{each}").json["execution"] for each in ids}
    done = {each: [run["id"] for run in runs[each] if run["state"] == "COMPLETED"] for each in ids}
    for each in ids:
        assert len(done[each]) == 2
        assert up.api.get(f"/jobs/{each}/log", Accept="text/plain").body == b"begin\nend\n"
    wait_until(lambda: all(starts[attempt] for each in ids for attempt in done[each]))
    assert max(starts[run["id"]] for each in ids for run in runs[each]) == 1
    wait_until(lambda: not left(docker_client, ids), seconds=30)
    assert up.stop() == 0


def test_a_cancelled_job_has_no_container_two_seconds_later(up: Up, docker_client: docker.DockerClient) -> None:
    up.start()
    stubborn = (
        "name: n\ntasks: [{name: t, image: 'busybox:stable', run: 'trap \"\" TERM; while true; do sleep 1; done'}]"
    )
    jobs = [up.api.submit(stubborn).json["id"] for _ in range(3)]
    took = [gone_after(up, docker_client, job_id) for job_id in jobs]
    assert min(took) <= 2.5  # two seconds, and the time of looking; of three, for the machine may be busy for a while
    assert states(up, jobs) == {"CANCELLED": 3}
    assert up.stop() == 0


def gone_after(up: Up, client: docker.DockerClient, job_id: str) -> float:
    """Cancel a job that runs, and measure from the answer on until its container is gone."""
    wait_until(lambda: states(up, [job_id])["RUNNING"])
    assert up.api.put(f"/jobs/{job_id}/cancel").status == 200
    answered = monotonic()
    wait_until(lambda: not left(client, [job_id]))
    return monotonic() - answered
