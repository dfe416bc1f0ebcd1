"""What a real API process was telling when it was killed is told by the next one: at least once, in order."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import pytest

from domain.definition import Subjob, Webhook
from domain.event import Recorded
from domain.job import JobSubmitted, WebhookDelivered
from scripts.containers import free_port
from tests.receiver import Handler, Office, Receiver, task
from tests.waiting import PATIENCE, until

ROOT = Path(__file__).parent.parent
STATES = ["PENDING", "SCHEDULED", "RUNNING", "COMPLETED"]
DEADLY = ["SCHEDULED", "COMPLETED"]


class Serving:
    """API processes over one data folder, one after another."""

    def __init__(self, data: Path) -> None:
        self.command = [sys.executable, "-m", "app", "serve", "--data", str(data), "--port"]
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        self.process = subprocess.Popen([*self.command, str(free_port())], env=environment, cwd=ROOT)

    def kill(self) -> None:
        """Kill it at once, with what it was doing undone."""
        if self.process is not None:
            self.process.send_signal(signal.SIGKILL)

    def start_again(self) -> None:
        """Wait until the one that was killed is gone, and start the next."""
        assert self.process is not None
        self.process.wait(PATIENCE)
        self.start()

    def stop(self) -> None:
        if self.process is not None:
            self.kill()
            self.process.wait(PATIENCE)


@pytest.fixture
def serving(tmp_path: Path) -> Iterator[Serving]:
    processes = Serving(tmp_path)
    yield processes
    processes.stop()


class Killer:
    """Kills the sender of the first message about some states, before or just after it has its answer."""

    def __init__(self, serving: Serving, *, answers: bool) -> None:
        self.serving = serving
        self.answers = answers
        self.spared = set(STATES) - set(DEADLY)

    def __call__(self, handler: Handler) -> None:
        state = handler.server.receiver.received[-1].json["state"]
        if self.answers or state in self.spared:
            handler.send_response(200)
            handler.send_header("Content-Length", "0")
            handler.end_headers()
        if state not in self.spared:
            self.spared.add(state)
            self.serving.kill()
        handler.close_connection = True


@pytest.mark.parametrize("answers", [False, True])
def test_a_process_that_dies_before_it_records_a_delivery_makes_it_again(
    office: Office, serving: Serving, *, answers: bool
) -> None:
    with Receiver(always=Killer(serving, answers=answers)) as receiver:
        job_id = office.submit(task(), webhooks=(Webhook(url=receiver.url),))
        office.complete(job_id)
        serving.start()
        for _ in DEADLY:
            serving.start_again()
        until(lambda: len(office.events(job_id, WebhookDelivered)) == len(STATES))
    assert list(dict.fromkeys(receiver.states())) == STATES
    assert receiver.states() == sorted(receiver.states(), key=STATES.index)
    assert len({each.headers["webhook-id"] for each in receiver.received}) == len(STATES)
    assert [each.cause for each in office.events(job_id, WebhookDelivered)] == [1, 3, 5, 7]


def test_sub_jobs_are_started_and_waited_for_once_however_often_the_process_dies(
    office: Office, serving: Serving
) -> None:
    innermost = task(name="innermost", condition="false")
    middle = task(name="middle", subjob=Subjob(name="middle", tasks=(innermost, innermost)))
    job_ids = [office.submit(task(subjob=Subjob(name="outer", tasks=(middle, middle)))) for _ in range(20)]
    serving.start()
    for _ in range(2):
        seen = len(happened(office))
        until(lambda seen=seen: len(happened(office)) > seen + 40 or _are_over(office, job_ids))
        serving.kill()
        serving.start_again()
    until(lambda: _are_over(office, job_ids))
    assert all(office.state(job_id).status == "COMPLETED" for job_id in job_ids)
    assert sum(isinstance(each.event, JobSubmitted) for each in happened(office)) == len(job_ids) * 4


def happened(office: Office) -> list[Recorded]:
    return [office.log.open(each) for each in office.log.recorder.select_notifications(0, 10_000)]


def _are_over(office: Office, job_ids: list[UUID]) -> bool:
    return not any(office.state(job_id).status.is_active for job_id in job_ids)
