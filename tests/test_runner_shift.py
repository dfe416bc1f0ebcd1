"""What a runner takes and when, whatever the runtime: here one that does nothing, at once."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from app.log import Contended
from app.log.log import now
from app.runner import Runner
from app.runner.attempt import Attempt
from app.runner.hand import Hand
from app.runner.ledger import Ledger
from app.runner.reporter import Reporter
from app.runner.runtime import RuntimeAway, Work
from app.runner.signals import Cancelled, Signals
from app.runner.tools import Tools
from app.runner.verdict import Failure, Verdict, completed, failed, stopped
from domain.definition import Each, Retry, TaskDefinition
from domain.job import JobStatus, TaskFailed, TaskScheduled, TaskStatus
from projections.queue import Claim, Place
from tests.site import Installation, task
from tests.waiting import PATIENCE, until


class Idle:
    """Runs nothing, and says that it went well, unless the task wants a failure."""

    def __init__(self, work: Work, tools: Tools, runtime: IdleRuntime) -> None:
        self._work = work
        self._reporter = Reporter(tools.ledger, work)
        self._runtime = runtime

    def run(self, status: TaskStatus, phases: Collection[str]) -> Verdict:
        assert (status, phases) == (TaskStatus.CLAIMED, ())
        try:
            self._reporter.intend("", "none")
        except Cancelled:
            return stopped()
        self._reporter.started(now())
        self._runtime.ran.append(self._work.task.name)
        return failed(Failure("no", "exit", 1)) if self._work.task.run == "fail" else completed("")

    def clean(self) -> None:
        self._runtime.cleaned.append(self._work.task.name)


class IdleRuntime:
    """Is there when it is let."""

    id: str = "nowhere"
    name = "idle machine"

    def __init__(self) -> None:
        self.is_there = threading.Event()
        self.lost: Callable[[], None] = lambda: None
        self.may_come = True
        self.ran: list[str] = []
        self.cleaned: list[str] = []

    def connect(self) -> None:
        if not self.may_come:
            msg = "not yet"
            raise RuntimeAway(msg)
        self.is_there.set()

    def course(self, work: Work, tools: Tools, signals: Signals) -> Idle:
        del signals
        return Idle(work, tools, self)

    def found(self, log: UUID, runner: UUID) -> Collection[Place]:
        del log, runner
        return ()

    def leftover(self, log: UUID, place: Place) -> Any:
        raise AssertionError((log, place))

    def close(self) -> None:
        self.is_there.clear()


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Installation]:
    made = Installation(tmp_path / "data")
    yield made
    made.close()


@contextmanager
def running(site: Installation, runtime: IdleRuntime) -> Iterator[None]:
    runner = Runner(site.log, site.settings, runtime)
    thread = threading.Thread(target=runner.run)
    thread.start()
    try:
        yield
    finally:
        runner.drain()
        thread.join(PATIENCE)
    assert not thread.is_alive()


def over(site: Installation, job: UUID) -> JobStatus:
    until(lambda: not site.state(job).status.is_active)
    return site.state(job).status


def test_a_runner_takes_the_most_urgent_first(site: Installation) -> None:
    runtime = IdleRuntime()
    site.given(slots=1)
    for priority in (0, 5, None, 9):
        job = site.submit(task(name=f"at {priority}", priority=priority))
    with running(site, runtime):
        until(lambda: len(runtime.ran) == 4)
    assert runtime.ran == ["at 9", "at 5", "at 0", "at None"]
    assert over(site, job) is JobStatus.COMPLETED
    assert runtime.cleaned == runtime.ran


def test_a_retry_is_taken_when_it_is_due_and_not_before(site: Installation) -> None:
    runtime = IdleRuntime()
    with running(site, runtime):
        job = site.submit(task("fail", retry=Retry(limit=2, delay="400ms")))
        assert over(site, job) is JobStatus.FAILED
    scheduled = [event for event in site.events(job) if isinstance(event, TaskScheduled)]
    claimed = [event.at for event in site.events(job) if type(event).__name__ == "TaskClaimed"]
    assert len(claimed) == 3
    for event, at in zip(scheduled[1:], claimed[1:], strict=True):
        assert event.due is not None
        assert 0 <= (at - event.due).total_seconds() < 5


def test_a_retry_is_not_forgotten_while_other_jobs_are_taken(site: Installation) -> None:
    with running(site, IdleRuntime()):
        job = site.submit(task("fail", retry=Retry(limit=1, delay="1s")))
        site.happens(job, "TaskFailed")
        assert over(site, site.submit(task())) is JobStatus.COMPLETED
        assert over(site, job) is JobStatus.FAILED
    due = site.last(job, TaskScheduled).due
    [_, claimed] = [event.at for event in site.events(job) if type(event).__name__ == "TaskClaimed"]
    assert 0 <= (claimed - due).total_seconds() < 5


def test_a_claim_that_found_no_turn_is_made_again_and_holds_up_no_other(
    site: Installation, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    claim, fails = Ledger.claim, iter(range(3))
    busy = site.submit(task())

    def claimed(ledger: Ledger, place: Place, engine: str) -> Claim:
        if place.job == busy and next(fails, None) is not None:
            msg = "written by too many at once"
            raise Contended(msg)
        return claim(ledger, place, engine)

    monkeypatch.setattr(Ledger, "claim", claimed)
    with running(site, IdleRuntime()):
        assert over(site, busy) is JobStatus.COMPLETED
    assert "can not be written" not in caplog.text


def test_an_attempt_that_was_taken_in_hand_anew_is_not_dropped_by_what_came_of_it_before() -> None:
    hand, place = Hand(2, lambda: None), Place(1, UUID(int=2), UUID(int=1), 2)
    first, second = (Attempt(place, IdleRuntime(), None) for _ in range(2))  # type: ignore[arg-type]  # none is needed
    hand.take(first)
    hand.take(second)
    first.over()
    assert hand.keys() == {place.attempt}
    assert hand.room() == 1
    second.over()
    assert (hand.keys(), hand.room()) == (frozenset(), 2)


def test_jobs_wait_until_the_runtime_comes(site: Installation, caplog: pytest.LogCaptureFixture) -> None:
    runtime = IdleRuntime()
    runtime.may_come = False
    job = site.submit(task())
    with running(site, runtime):
        until(lambda: "no idle machine: waiting; jobs stay PENDING (not yet)" in caplog.text)
        assert site.state(job).status is JobStatus.PENDING
        runtime.may_come = True
        assert over(site, job) is JobStatus.COMPLETED


def test_a_claim_that_takes_its_time_holds_up_no_other_job(site: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    """The claims of one job are made in turn; a large job always has some."""
    claim, may_go_on = Ledger.claim, threading.Event()
    slow = site.submit(task())

    def claimed(ledger: Ledger, place: Place, engine: str) -> Claim:
        if place.job == slow:
            may_go_on.wait(PATIENCE)
        return claim(ledger, place, engine)

    monkeypatch.setattr(Ledger, "claim", claimed)
    with running(site, IdleRuntime()):
        assert over(site, site.submit(task())) is JobStatus.COMPLETED
        assert site.state(slow).status is JobStatus.PENDING
        may_go_on.set()
        assert over(site, slow) is JobStatus.COMPLETED


def test_jobs_wait_while_no_claim_can_be_stored(
    site: Installation, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It is said once, and tried again less and less often."""
    claim, fails = Ledger.claim, iter(range(3))

    def claimed(ledger: Ledger, place: Place, engine: str) -> Claim:
        for _ in fails:
            msg = "database or disk is full"
            raise sqlite3.OperationalError(msg)
        return claim(ledger, place, engine)

    monkeypatch.setattr(Ledger, "claim", claimed)
    job = site.submit(task())
    with running(site, IdleRuntime()):
        assert over(site, job) is JobStatus.COMPLETED
    assert caplog.text.count("the log can not be written: waiting (database or disk is full)") == 1
    assert site.types(job).count("TaskClaimed") == 1


def test_what_was_claimed_for_another_engine_waits_for_it(site: Installation, caplog: pytest.LogCaptureFixture) -> None:
    """Its container may run there still: here it could only be taken for lost."""
    job, runtime = site.submit(task()), IdleRuntime()
    scheduled = site.last(job, TaskScheduled)
    place = Place(0, scheduled.attempt, job, 2)
    Ledger(site.log, site.settings.runner_name).claim(place, "elsewhere")
    with running(site, runtime):
        until(lambda: "was claimed for elsewhere, and this is nowhere" in caplog.text)
        assert over(site, site.submit(task())) is JobStatus.COMPLETED
    assert site.state(job).status is JobStatus.SCHEDULED
    runtime.id = "elsewhere"
    with running(site, runtime):
        assert over(site, job) is JobStatus.COMPLETED
    assert len(runtime.ran) == 2


def test_a_failed_job_is_told_by_its_first_failure(site: Installation) -> None:
    runtime = IdleRuntime()
    loop = Each(list="{{ sequence(0, 20) }}", task=task("fail"))
    with running(site, runtime):
        job = site.submit(TaskDefinition(name="loop", each=loop))
        assert over(site, job) is JobStatus.FAILED
        until(lambda: all(attempt.stopped for attempt in site.attempts(job)))
    causes = [event.cause for event in site.events(job) if isinstance(event, TaskFailed)]
    assert causes == ["exit", "child"]


def test_each_task_of_a_large_job_costs_the_same(site: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    runtime, read = IdleRuntime(), site.log.events.get
    seen: list[object] = []

    def counted(*args: Any, **given: Any) -> Iterator[Any]:
        for event in read(*args, **given):
            seen.append(event)
            yield event

    loop = Each(list="{{ sequence(0, 200) }}", task=task())
    job = site.submit(TaskDefinition(name="loop", each=loop))
    monkeypatch.setattr(site.log.events, "get", counted)
    with running(site, runtime):
        until(lambda: len(runtime.cleaned) == 200)
    assert len(seen) < 3 * 200
    assert over(site, job) is JobStatus.COMPLETED
