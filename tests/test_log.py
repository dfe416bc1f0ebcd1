"""What the append-only log promises."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import chain, islice
from pathlib import Path
from statistics import median
from time import monotonic, thread_time
from typing import Any
from uuid import UUID, uuid4

import pytest
from eventsourcing.persistence import IntegrityError, OperationalError

from app.log import Log
from domain import job
from domain.errors import Missing, Refused
from domain.event import Recorded
from domain.job import TaskStarted
from tests.controls import CLIENT, DEFINITION, ENGINE, JOB, NOON, RUNNER, SCHEDULED_1, STARTED_1, SUBMITTED
from tests.waiting import PATIENCE, until


@pytest.fixture
def log(tmp_path: Path) -> Iterator[Log]:
    opened = Log(tmp_path / "log.db")
    yield opened
    opened.close()


def submit(log: Log, job_id: UUID = JOB) -> job.Job:
    command = job.Submit(at=NOON, job=job_id, definition=DEFINITION)
    submitted: job.Job = log.execute(job, job_id, command, CLIENT).state
    return submitted


def claim(submitted: job.Job, runner: UUID = RUNNER) -> job.Claim:
    assert submitted.latest
    return job.Claim(at=NOON, attempt=submitted.latest.id, runner=runner, epoch=1, engine=ENGINE)


def test_a_command_is_stored_with_who_and_when(log: Log) -> None:
    submit(log)
    assert list(log.read(JOB)) == [
        Recorded(JOB, 1, SUBMITTED, NOON, CLIENT),
        Recorded(JOB, 2, SCHEDULED_1, NOON, CLIENT),
    ]


def test_the_outcome_of_a_command_tells_where_its_events_stand(log: Log) -> None:
    submit(log, uuid4())
    outcome = log.execute(job, JOB, job.Submit(at=NOON, job=JOB, definition=DEFINITION), CLIENT)
    assert [recorded.position for recorded in outcome.recorded] == [3, 4]
    assert log.acknowledged == 4


class Flood:
    """Decides any command to very many events."""

    MANY = 20_000

    def initial(self) -> int:
        return 0

    def decide(self, _: object, seen: int) -> tuple[job.JobEvent, ...]:
        return (TaskStarted(at=NOON, attempt=JOB),) * self.MANY if not seen else ()

    def evolve(self, seen: int, _: object) -> int:
        return seen + 1


def test_very_many_events_of_one_decision_are_stored_together_and_in_order(log: Log) -> None:
    outcome = log.execute(Flood(), JOB, job.Cancel(at=NOON), CLIENT)
    assert [recorded.position for recorded in outcome.recorded] == list(range(1, Flood.MANY + 1))
    assert [recorded.originator_version for recorded in log.read(JOB)] == list(range(1, Flood.MANY + 1))


def test_very_many_events_that_come_too_late_leave_none_behind(log: Log) -> None:
    stored = log._seal([Recorded(JOB, version, STARTED_1, NOON, CLIENT) for version in range(1, Flood.MANY)])
    submit(log)
    with pytest.raises(IntegrityError):
        log.recorder.insert_events(stored)
    assert log.version(JOB) == log.acknowledged == 2


def test_what_is_so_already_stores_nothing(log: Log) -> None:
    submit(log)
    log.execute(job, JOB, job.Cancel(at=NOON), CLIENT)
    assert log.execute(job, JOB, job.Cancel(at=NOON), CLIENT).recorded == ()
    assert log.version(JOB) == 3


def test_what_is_refused_stores_nothing(log: Log) -> None:
    submit(log)
    with pytest.raises(Refused):
        log.execute(job, JOB, job.Restart(at=NOON), CLIENT)
    with pytest.raises(Missing):
        log.execute(job, uuid4(), job.Cancel(at=NOON), CLIENT)
    assert log.acknowledged == 2


CHANGES = [
    "UPDATE stored_events SET state = ''",
    "DELETE FROM stored_events",
    "INSERT OR REPLACE INTO stored_events SELECT originator_id, originator_version, 'Forged', state FROM stored_events",
    "INSERT OR REPLACE INTO stored_events (rowid, originator_id, originator_version) VALUES (1, 'other', 1)",
]


@pytest.mark.parametrize("change", CHANGES)
def test_history_can_not_be_changed(log: Log, tmp_path: Path, change: str) -> None:
    submit(log)
    with sqlite3.connect(tmp_path / "log.db") as other, pytest.raises(sqlite3.IntegrityError, match="append-only"):
        other.execute(change)
    other.close()
    assert log.version(JOB) == 2


def test_a_commit_is_on_the_disk_before_it_is_answered(log: Log) -> None:
    with log.recorder.datastore.transaction(commit=False) as cursor:
        cursor.execute("PRAGMA synchronous")
        assert cursor.fetchone()[0] == 2
        cursor.execute("PRAGMA journal_mode")
        assert cursor.fetchone()[0] == "wal"


def test_the_second_writer_at_a_version_is_refused_and_the_others_of_its_commit_are_not(log: Log) -> None:
    submit(log)
    again = [log.mapper.to_stored_event(Recorded(JOB, 2, SCHEDULED_1, NOON, CLIENT))]  # type: ignore[arg-type]
    other_id = uuid4()
    other = [log.mapper.to_stored_event(Recorded(other_id, 1, SUBMITTED, NOON, CLIENT))]  # type: ignore[arg-type]
    conflict, stored = log.recorder._write([again, other])
    assert isinstance(conflict, IntegrityError)
    assert stored == [3]
    assert log.version(other_id) == 1


def test_of_many_that_race_for_an_attempt_exactly_one_gets_it(log: Log) -> None:
    submitted = [submit(log, uuid4()) for _ in range(20)]

    def race(index: int) -> int:
        won = 0
        for each in submitted:
            try:
                log.execute(job, each.id, claim(each, UUID(int=index + 1)), CLIENT)
                won += 1
            except Refused:
                pass
        return won

    with ThreadPoolExecutor(6) as runners:
        assert sum(runners.map(race, range(6))) == 20


def test_commands_that_wait_together_share_a_commit(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    commits: list[int] = []
    write = log.recorder._commits._write
    entered, go_on = threading.Event(), threading.Event()

    def slow(appends: object) -> object:
        commits.append(len(appends))  # type: ignore[arg-type]
        entered.set()
        go_on.wait(PATIENCE)
        return write(appends)  # type: ignore[arg-type]

    monkeypatch.setattr(log.recorder._commits, "_write", slow)
    with ThreadPoolExecutor(9) as clients:
        first = clients.submit(submit, log, uuid4())
        entered.wait(PATIENCE)
        others = [clients.submit(submit, log, uuid4()) for _ in range(8)]
        until(lambda: log.recorder._commits._waiting.qsize() == 8)
        go_on.set()
        for done in [first, *others]:
            done.result(PATIENCE)
    assert commits == [1, 8]


def test_an_append_that_fails_tells_its_writer_and_the_log_goes_on(log: Log, tmp_path: Path) -> None:
    submit(log)
    log.recorder.datastore.pool.lock_timeout = 0
    with sqlite3.connect(tmp_path / "log.db", isolation_level=None) as other:
        other.execute("PRAGMA journal_mode=WAL")
        other.execute("BEGIN EXCLUSIVE")
        with log.recorder.datastore.get_connection(commit=True) as connection:
            connection.cursor().execute("PRAGMA busy_timeout=0")
        with pytest.raises(OperationalError, match="locked"):
            submit(log, uuid4())
        with pytest.raises(OperationalError, match="locked"):
            log.recorder.probe()
        other.execute("ROLLBACK")
    other.close()
    log.recorder.probe()
    submit(log, uuid4())
    assert log.acknowledged == 4


def test_a_stream_is_begun_from_an_event_loop_without_a_thread_of_its_own(log: Log) -> None:
    async def begin(job_id: UUID) -> int:
        command = job.Submit(at=NOON, job=job_id, definition=DEFINITION)
        return (await log.create(job, job_id, command, CLIENT))[0].position

    async def begin_some() -> list[int]:
        return await asyncio.gather(*(begin(uuid4()) for _ in range(20)))

    assert sorted(asyncio.run(begin_some())) == list(range(1, 41, 2))


def test_what_takes_long_is_decided_while_the_event_loop_goes_on(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    decide, may_go_on = job.decide, threading.Event()

    def slow(*arguments: Any) -> Any:
        assert may_go_on.wait(PATIENCE)
        return decide(*arguments)

    async def begin() -> int:
        command = job.Submit(at=NOON, job=JOB, definition=DEFINITION)
        beginning = asyncio.ensure_future(log.create(job, JOB, command, CLIENT, takes_long=True))
        await asyncio.sleep(0)
        may_go_on.set()
        return (await beginning)[0].position

    monkeypatch.setattr(job, "decide", slow)
    assert asyncio.run(begin()) == 1


def test_the_state_is_remembered_and_brought_up_to_date_with_what_others_wrote(tmp_path: Path) -> None:
    one, other = Log(tmp_path / "log.db"), Log(tmp_path / "log.db")
    submitted = submit(one)
    other.execute(job, JOB, claim(submitted), CLIENT)
    with pytest.raises(Refused, match="CLAIMED"):
        one.execute(job, JOB, claim(submitted), CLIENT)
    one.close()
    other.close()


def test_a_writer_that_was_second_reads_only_what_is_new(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However long the stream is."""
    one, other = Log(tmp_path / "log.db"), Log(tmp_path / "log.db")
    submitted = submit(one)
    one.execute(job, JOB, claim(submitted), CLIENT)
    read, seen, decide = one.read, [], job.decide

    def watched(*arguments: Any, **options: Any) -> Iterator[Recorded]:
        for recorded in read(*arguments, **options):
            seen.append(type(recorded.event).__name__)
            yield recorded

    def overtaken(*arguments: Any) -> Any:
        monkeypatch.setattr(job, "decide", decide)
        other.execute(job, JOB, job.Cancel(at=NOON), CLIENT)
        return decide(*arguments)

    monkeypatch.setattr(one, "read", watched)
    monkeypatch.setattr(job, "decide", overtaken)
    assert not one.execute(job, JOB, job.Cancel(at=NOON), CLIENT).recorded
    assert seen == ["JobCancelled"]
    one.close()
    other.close()


def test_a_follower_sees_every_event_once_and_in_order(log: Log) -> None:
    for _ in range(10):
        submit(log, uuid4())
    with log.subscribe(after=4) as subscription:
        submit(log, uuid4())
        assert [notification.id for notification in islice(subscription, 18)] == list(range(5, 23))


def test_a_follower_may_ask_for_some_events_only(log: Log) -> None:
    submit(log, uuid4())
    submit(log, uuid4())
    with log.subscribe(after=0, topics=["TaskScheduled"]) as subscription:
        assert [notification.id for notification in islice(subscription, 2)] == [2, 4]


def test_a_follower_can_be_stopped_while_it_waits(log: Log) -> None:
    with log.subscribe(after=0) as subscription:
        seen: list[object] = []
        thread = threading.Thread(target=lambda: seen.extend(subscription.batches()))
        thread.start()
        subscription.stop()
        thread.join(5)
        assert not thread.is_alive()
        assert seen == []


def test_a_stop_is_heard_at_any_moment(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also between the look whether there was one and the wait for something new."""
    with log.subscribe(after=0) as subscription:
        clear = subscription._woken.clear
        monkeypatch.setattr(subscription._woken, "clear", lambda: (subscription.stop(), clear()))
        thread = threading.Thread(target=lambda: [*subscription.batches()], daemon=True)
        thread.start()
        thread.join(5)
        assert not thread.is_alive()


def test_an_idle_follower_says_so_when_asked_to(log: Log) -> None:
    with log.subscribe(after=0) as subscription:
        assert next(subscription.batches(idle=0.03)) == []


WRITER = """
import sys, time
from pathlib import Path
from uuid import uuid4
from app.log import Log
from domain import job
from tests.controls import CLIENT, DEFINITION, NOON
log = Log(Path(sys.argv[1]))
print("ready", flush=True)
for line in sys.stdin:
    job_id = uuid4()
    log.execute(job, job_id, job.Submit(at=NOON, job=job_id, definition=DEFINITION), CLIENT)
    print(time.monotonic(), flush=True)
log.close()
"""


@pytest.fixture
def writer(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that writes one job for each line it is given, and tells when it had."""
    root = Path(__file__).parent.parent
    with subprocess.Popen(
        [sys.executable, "-c", WRITER, tmp_path / "log.db"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(root)},
    ) as process:
        assert process.stdout
        assert process.stdout.readline() == "ready\n"
        yield process
        assert process.stdin
        process.stdin.close()
        process.wait(10)


def test_a_follower_in_another_process_is_woken_within_20_ms(log: Log, writer: subprocess.Popen[str]) -> None:
    with log.subscribe(after=0) as subscription:
        batches = subscription.batches()
        medians = [median(delay(writer, batches) for _ in range(21)) for _ in range(3)]
    assert min(medians) <= 0.020  # of three, for the machine may be busy with something else for a while


def delay(writer: subprocess.Popen[str], batches: Iterator[object]) -> float:
    """Measure how long after a commit of another process its event is seen."""
    assert writer.stdin
    assert writer.stdout
    writer.stdin.write("\n")
    writer.stdin.flush()
    next(batches)
    seen = monotonic()
    return seen - float(writer.stdout.readline())


def test_an_idle_follower_costs_next_to_nothing(log: Log) -> None:
    with log.subscribe(after=0) as subscription:
        began, used = monotonic(), thread_time()
        next(chain(subscription.batches(idle=0.5)))
        assert (thread_time() - used) / (monotonic() - began) <= 0.05


def test_several_processes_may_open_a_new_log_at_once(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as processes:
        logs = list(processes.map(lambda _: Log(tmp_path / "log.db"), range(8)))
    for each in logs:
        each.close()


def test_a_stray_variable_of_the_shell_does_not_redirect_the_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PERSISTENCE_MODULE", "eventsourcing.popo")
    monkeypatch.setenv("COMPRESSOR_TOPIC", "nowhere:Nothing")
    log = Log(tmp_path / "log.db")
    submit(log)
    log.close()
    with sqlite3.connect(tmp_path / "log.db") as connection:
        assert connection.execute("SELECT count(*) FROM stored_events").fetchone()[0] == 2
    connection.close()
