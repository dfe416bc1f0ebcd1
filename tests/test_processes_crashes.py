"""Runners and wardens that are killed at any moment, and what is found afterwards."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import msgspec
import pytest

from app.log.log import now
from app.runner.processes import course, kin, machine, remains, warden
from app.runner.processes.home import PLATE, Home, Plate
from app.runner.processes.ward import Keeper, Ward
from domain import job
from domain.definition import AuxiliaryTask, PostTask, TaskDefinition
from domain.job import JobStatus, TaskFailed, TaskStopped
from tests.processes_site import LONG, ProcessSite, task
from tests.waiting import PATIENCE, until

ALWAYS = PostTask(name="always", run="echo always", always=True)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[ProcessSite]:
    made = ProcessSite(tmp_path / "data", tmp_path / "meeting")
    yield made
    made.close()


def dies(runner: subprocess.Popen[bytes]) -> None:
    """Wait until a runner has killed itself."""
    assert runner.wait(PATIENCE) == -signal.SIGKILL


def kill(runner: subprocess.Popen[bytes]) -> None:
    runner.kill()
    runner.wait(PATIENCE)


def counted(site: ProcessSite, words: bytes) -> str:
    """Return a script that prints some words and notes that it has run."""
    return f"echo {words.decode()} >> {site.meeting}/runs; echo {words.decode()}; echo {words.decode()} >&2"


def three(site: ProcessSite) -> TaskDefinition:
    """Return a task of three phases, which each print a word on both streams."""
    pre = AuxiliaryTask(name="pre", run=counted(site, b"before"))
    post = PostTask(name="post", run=counted(site, b"after"))
    return task(counted(site, b"main") + '; printf 42 > "$TORK_OUTPUT"', pre=(pre,), post=(post,), var="x")


def ran_once(site: ProcessSite, job_id: UUID) -> None:
    """Finish a job, and see that each phase of it was run once, in one attempt, and all that it printed is there."""
    with site.running():
        assert site.ends(job_id) is JobStatus.COMPLETED
    assert (site.meeting / "runs").read_text().split() == ["before", "main", "after"]
    assert sorted(site.printed(job_id).split()) == sorted(2 * [b"before", b"main", b"after"])
    assert site.last(job_id, job.TaskCompleted).result == "42"
    assert site.last(job_id, job.TaskCompleted).output.length == len(site.printed(job_id))
    assert len(site.attempts(job_id)) == 1
    assert site.processes() == []


PLACES = [
    ("home.Home.create", "before", 1),
    ("home.Home.create", "after", 1),
    ("program.prepare", "after", 1),
    ("reporter.Reporter.intend", "before", 1),
    ("reporter.Reporter.intend", "after", 1),
    ("ward.os.posix_spawn", "after", 1),
    ("reporter.Reporter.started", "before", 1),
    ("reporter.Reporter.intend", "after", 2),
    ("ward.os.posix_spawn", "after", 2),
    ("ward.Ward.start", "after", 2),
    ("lookout.Lookout.start", "after", 2),
    ("ward.Ward.reap", "after", 2),
    ("reporter.Reporter.intend", "after", 3),
    ("ward.Ward.start", "after", 3),
    ("attempt.Attempt._record", "before", 1),
    ("attempt.Attempt._record", "after", 1),
    ("home.Home.remove", "before", 1),
    ("home.removal.remove", "before", 3),
    ("home.Home.remove", "after", 1),
]
"""Where a runner is killed; the first phase, the second and the third come to some of them one after the other."""


@pytest.mark.parametrize(("where", "when", "count"), PLACES, ids=str)
def test_each_phase_runs_once_wherever_the_runner_is_killed(
    site: ProcessSite, where: str, when: str, count: int
) -> None:
    job_id = site.submit(three(site))
    with site.process(where, when, count) as runner:
        dies(runner)
    ran_once(site, job_id)


def test_a_warden_that_comes_late_finds_that_another_one_has_begun(site: ProcessSite) -> None:
    gate = site.gate("gate")
    job_id = site.submit(task(f"echo >> {site.meeting}/runs; read line < {gate}"))
    with site.process("ward.os.posix_spawn", "after") as runner:
        dies(runner)  # before it has told the warden what to run
    with site.running():
        site.says("runs")
        site.open(gate)
        assert site.ends(job_id) is JobStatus.COMPLETED
    assert (site.meeting / "runs").read_text() == "\n"


def test_a_task_runs_on_without_a_runner_and_all_that_it_prints_is_kept_to_the_byte(site: ProcessSite) -> None:
    first, second = site.gate("first"), site.gate("second")
    script = rf"""
printf 'one\n\377\303'
read line < {first}
printf '\251two'
echo > {site.meeting}/printed
read line < {second}
printf '\nthree\342\202'
"""
    job_id = site.submit(task(script))
    with site.process() as runner:
        until(lambda: site.stored(job_id).startswith(b"one\n"))
        kill(runner)
    site.open(first)
    site.says("printed")
    with site.process() as runner:
        until(lambda: site.stored(job_id).endswith(b"two"))
        kill(runner)
    with site.running():
        site.open(second)
        assert site.ends(job_id) is JobStatus.COMPLETED
    assert site.printed(job_id) == b"one\n\xff\xc3\xa9two\nthree\xe2\x82"


def test_much_output_is_kept_whole_through_many_crashes(site: ProcessSite) -> None:
    gates = [site.gate(f"gate{number}") for number in range(3)]
    script = "".join(f"seq {number}0001 {number}9999; read line < {gate}\n" for number, gate in enumerate(gates, 1))
    job_id = site.submit(task(script))
    for gate in gates:
        with site.process() as runner:
            happened = "TaskStarted" if gate is gates[0] else "TaskAdopted"
            site.happens(job_id, happened)
            kill(runner)
        site.open(gate)
    with site.running():
        assert site.ends(job_id) is JobStatus.COMPLETED
    expected = [str(number * 10_000 + each) for number in range(1, 4) for each in range(1, 10_000)]
    assert site.printed(job_id).decode().split() == expected


SECRET = "correct-horse-battery"  # noqa: S105 - it is made up


def test_a_secret_that_was_half_printed_at_a_crash_stays_hidden(site: ProcessSite) -> None:
    gate = site.gate("gate")
    script = f"printf 'it is %s' ${{PASSWORD%-battery}}; echo > {site.meeting}/half; read line < {gate}; echo -battery"
    job_id = site.submit_with({"word": SECRET}, task(script, env={"PASSWORD": "{{ secrets.word }}"}))
    with site.process() as runner:
        site.says("half")
        until(lambda: site.stored(job_id) == b"it is ")
        kill(runner)
    with site.running():
        site.open(gate)
        assert site.ends(job_id) is JobStatus.COMPLETED
    assert site.printed(job_id) == b"it is [REDACTED]\n"


def test_a_task_that_ends_while_no_runner_is_there_is_judged_by_the_next(site: ProcessSite) -> None:
    gate = site.gate("gate")
    job_id = site.submit(task(f"read line < {gate}; echo bye; exit 3"))
    with site.process() as runner:
        site.happens(job_id, "TaskStarted")
        kill(runner)
    site.open(gate)
    until(lambda: site.processes() == [])
    with site.running():
        assert site.ends(job_id) is JobStatus.FAILED
    assert site.last(job_id, TaskFailed).error == "exit code 3: bye"


@pytest.mark.parametrize("in_time", [True, False])
def test_whether_a_task_was_in_time_does_not_depend_on_when_a_runner_looks(site: ProcessSite, *, in_time: bool) -> None:
    gate = site.gate("gate")
    job_id = site.submit(task(f"read line < {gate}", timeout="5s"))
    with site.process() as runner:
        site.happens(job_id, "TaskStarted")
        kill(runner)
    end = site.last(job_id, job.TaskClaimed).at + timedelta(seconds=5)
    if in_time:
        site.open(gate)
    until(lambda: now() > end)
    if not in_time:
        site.open(gate)
    until(lambda: site.processes() == [])
    with site.running():
        assert site.ends(job_id) is (JobStatus.COMPLETED if in_time else JobStatus.FAILED)


def test_a_task_whose_time_ended_while_no_runner_was_there_has_timed_out(site: ProcessSite) -> None:
    job_id = site.submit(task(f"sleep {LONG}", timeout="4s"))
    with site.process() as runner:
        site.happens(job_id, "TaskStarted")
        kill(runner)
    with site.running():
        assert site.ends(job_id) is JobStatus.FAILED
    assert site.last(job_id, TaskFailed).error == "timed out after 4s"
    assert site.processes() == []


def test_what_was_called_off_while_no_runner_was_there_is_ended_by_the_next(site: ProcessSite) -> None:
    job_id = site.submit(task(f"trap '' TERM; echo $$ > {site.meeting}/main; sleep {LONG}; sleep {LONG}"))
    with site.process() as runner:
        site.says("main")
        site.happens(job_id, "TaskStarted")
        kill(runner)
    site.cancel(job_id)
    with site.running():
        assert site.ends(job_id) is JobStatus.CANCELLED
    assert site.last(job_id, TaskStopped).exit_code == 137
    assert site.processes() == []


@pytest.mark.parametrize(
    ("where", "when"),
    [("home.Home.create", "after"), ("reporter.Reporter.intend", "after"), ("ward.os.posix_spawn", "after")],
)
def test_what_was_called_off_before_it_began_never_begins(
    site: ProcessSite, where: str, when: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id = site.submit(three(site))
    with site.process(where, when) as runner:
        dies(runner)
    site.cancel(job_id)
    monkeypatch.delattr(Ward, "start")
    with site.running():
        assert site.ends(job_id) is JobStatus.CANCELLED
    assert site.last(job_id, TaskStopped).exit_code is None
    until(lambda: site.processes() == [])
    assert not (site.meeting / "runs").exists()


def keeper(site: ProcessSite, job_id: UUID) -> Keeper:
    found = Ward(site.home(job_id), "own").keeper
    assert found
    return found


ORPHANS = f"""
(setsid sh -c 'echo $$ > orphan; exec sleep {LONG}' &)
echo $$ > main
sleep {LONG}
"""


def test_when_a_warden_is_killed_the_outcome_is_unknown_and_nothing_is_left(site: ProcessSite) -> None:
    job_id = site.submit(task(ORPHANS, workdir=str(site.meeting), post=(ALWAYS,)))
    with site.running():
        pids = [site.says(name) for name in ("orphan", "main")]
        keeper(site, job_id).send(signal.SIGKILL)
        assert site.ends(job_id) is JobStatus.FAILED
    failure = site.last(job_id, TaskFailed)
    assert (failure.error, failure.cause) == ("outcome unknown: its warden was killed", "unknown")
    assert not any(warden.begun(int(pid)) for pid in pids)
    assert site.printed(job_id) == b"always\n"


def test_when_a_warden_is_killed_nothing_is_left_before_the_outcome_is_told(
    site: ProcessSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remains.Remains, "clean", lambda _: None)
    job_id = site.submit(task(ORPHANS, workdir=str(site.meeting)))
    with site.running():
        orphan = int(site.says("orphan"))
        keeper(site, job_id).send(signal.SIGKILL)
        site.happens(job_id, "TaskFailed")
        assert not warden.begun(orphan)


def test_when_warden_and_runner_are_killed_the_outcome_is_unknown(site: ProcessSite) -> None:
    job_id = site.submit(task(ORPHANS, workdir=str(site.meeting)))
    with site.process() as runner:
        site.says("orphan")
        site.happens(job_id, "TaskStarted")
        kill(runner)
    keeper(site, job_id).send(signal.SIGKILL)
    with site.running():
        assert site.ends(job_id) is JobStatus.FAILED
    assert site.last(job_id, TaskFailed).error == "outcome unknown: its warden was killed"
    assert site.processes() == []


def started_anew(site: ProcessSite, job_id: UUID) -> None:
    """Have the attempt's folder look as after a new start of the machine."""
    home = site.home(job_id)
    plate = msgspec.json.decode((home / PLATE).read_bytes(), type=Plate)
    (home / PLATE).write_bytes(msgspec.json.encode(msgspec.structs.replace(plate, boot="before")))
    started = home / "own.started"
    if started.exists():
        started.write_text(started.read_text().replace(machine.boot(), "before"))


@pytest.mark.parametrize("where", ["reporter.Reporter.intend", "ward.Ward.start"])
def test_when_the_machine_was_started_anew_the_outcome_is_unknown(site: ProcessSite, where: str) -> None:
    job_id = site.submit(task(f"echo $$ > {site.meeting}/main; exec sleep {LONG}"))
    with site.process(where, "after") as runner:
        dies(runner)
    if where == "ward.Ward.start":
        pid = int(site.says("main"))
        warden.send(*keeper(site, job_id)[:2], signal.SIGKILL)
        until(lambda: not warden.begun(pid))
    started_anew(site, job_id)
    with site.running():
        assert site.ends(job_id) is JobStatus.FAILED
    assert site.last(job_id, TaskFailed).error == "outcome unknown: the machine was started anew"


def test_when_the_folder_is_lost_the_outcome_is_unknown(site: ProcessSite) -> None:
    job_id = site.submit(task("true"))
    with site.process("reporter.Reporter.intend", "after") as runner:
        dies(runner)
    Home(site.home(job_id)).remove()
    with site.running():
        assert site.ends(job_id) is JobStatus.FAILED
    assert site.last(job_id, TaskFailed).cause == "unknown"


def test_what_is_left_of_another_log_stays(site: ProcessSite) -> None:
    foreign = Home(site.settings.runner / "processes" / "f")
    foreign.create(Plate(UUID(int=1), UUID(int=2), UUID(int=3), "1", machine.boot()))
    job_id = site.submit(task("true"))
    with site.running():
        assert site.ends(job_id) is JobStatus.COMPLETED
    assert foreign.plate


def test_a_former_attempt_that_nobody_ends_is_ended(site: ProcessSite, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(course, "MAKING_WAY", 0.2)
    job_id = site.submit(task(f"[ -e {site.meeting}/main ] || {{ echo $$ > {site.meeting}/main; exec sleep {LONG}; }}"))
    with site.process() as runner:
        pid = int(site.says("main"))
        site.happens(job_id, "TaskStarted")
        kill(runner)
    site.cancel(job_id)
    ledger = site.ledger()
    ledger.report(site.place(job_id), job.Adopt, 0, engine=machine.identity(site.settings.runner))
    ledger.report(site.place(job_id), job.Stop, 0)  # and was not, as far as processes are concerned
    site.restart(job_id)
    with site.running():
        assert site.ends(job_id) is JobStatus.COMPLETED
    assert not warden.begun(pid)


def test_processes_that_do_not_know_the_attempt_are_not_its_kin() -> None:
    environment = {**os.environ, kin.MARK: "ab"}
    with subprocess.Popen(["sleep", LONG], env=environment) as other:
        kin.kill("a")
        kin.kill("abc")
        assert other.poll() is None
        kin.kill("ab")
        assert other.wait(PATIENCE) == -signal.SIGKILL


def test_what_does_not_go_is_left_for_later(
    site: ProcessSite, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(remains, "PATIENCE", 0.0)
    monkeypatch.setattr(Keeper, "is_alive", True)
    home = Home(site.meeting / "home")
    home.create(Plate(UUID(int=1), UUID(int=2), UUID(int=3), "1", machine.boot()))
    ward = Ward(home.folder, "own")
    ward.prepare()
    warden.claim(str(home.folder / "own.started"), f"1 0 {machine.boot()} 0")
    remains.Remains(home, "f").clean()
    assert "does not go yet" in caplog.text
    assert home.plate
