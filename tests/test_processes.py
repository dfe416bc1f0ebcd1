"""Tasks as processes of this machine: what they may have, what they leave behind, and their ends."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from app.runner import spec
from app.runner.processes import ProcessRuntime, warden
from app.runner.processes.ward import NEVER
from app.runner.runtime import Runtime
from domain.definition import AuxiliaryTask, Limits, Mount, PostTask, Registry, Retry, Sidecar, TaskDefinition
from domain.job import JobStatus, TaskCompleted, TaskFailed, TaskProgressed, TaskStartIntended, TaskStopped
from tests.processes_site import LONG, ProcessSite, task
from tests.waiting import PATIENCE, until

PRE = AuxiliaryTask(name="prepare", run="echo pre")
POST = PostTask(name="tidy", run="echo post")
ALWAYS = PostTask(name="always", run="echo always", always=True)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[ProcessSite]:
    made = ProcessSite(tmp_path / "data", tmp_path / "meeting")
    yield made
    made.close()


def is_alive(pid: str) -> bool:
    return warden.begun(int(pid)) > 0


def failed(site: ProcessSite, *tasks: TaskDefinition) -> TaskFailed:
    """Run a job whose last task fails, and return how."""
    job_id = site.submit(*tasks)
    with site.running():
        assert site.ends(job_id) is JobStatus.FAILED
    found: TaskFailed = site.last(job_id, TaskFailed)
    return found


def printed(site: ProcessSite, *tasks: TaskDefinition) -> bytes:
    """Run a job to its good end, and return what it printed."""
    job_id = site.submit(*tasks)
    with site.running():
        assert site.ends(job_id) is JobStatus.COMPLETED
    return site.printed(job_id)


def test_a_script_is_run_and_its_result_is_kept(site: ProcessSite) -> None:
    job_id = site.submit(task('echo one; echo two >&2; printf three > "$TORK_OUTPUT"', var="x"))
    with site.running():
        assert site.ends(job_id) is JobStatus.COMPLETED
    assert site.last(job_id, TaskCompleted).result == "three"
    assert sorted(site.printed(job_id).split()) == [b"one", b"two"]
    assert site.folders() == []


def test_the_next_task_has_the_result_of_the_one_before(site: ProcessSite) -> None:
    first = task("printf 42 > $JOBLEDGER_OUTPUT", var="answer")
    second = task("echo $ANSWER", env={"ANSWER": "{{ tasks.answer }}"})
    assert printed(site, first, second) == b"42\n"


def test_a_command_is_run_without_a_shell(site: ProcessSite) -> None:
    assert printed(site, task(cmd=("printf", "%s|", "a b", "$HOME", "*"))) == b"a b|$HOME|*|"


def test_a_command_in_place_of_a_script_is_given_to_the_shell_as_in_a_container(site: ProcessSite) -> None:
    assert printed(site, task("echo never", cmd=("echo $0 $1", "a", "b"))) == b"a b\n"


def test_a_script_may_say_by_what_it_is_run(site: ProcessSite) -> None:
    assert printed(site, task("#!/bin/cat\nhello\n")) == b"#!/bin/cat\nhello\n"


def test_a_task_has_its_own_environment_and_little_of_the_runners(
    site: ProcessSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "not for tasks")
    lines = printed(site, task("env", env={"COLOUR": "red", "HOME": "/nowhere"})).decode().splitlines()
    found = dict(line.split("=", 1) for line in lines)
    ours = {name for name in found if name.startswith(("TORK_", "JOBLEDGER_"))}
    assert (found["COLOUR"], found["HOME"]) == ("red", "/nowhere")
    assert found.keys() - ours - {"PWD", "OLDPWD", "SHLVL", "_"} <= {"PATH", "HOME", "LANG", "COLOUR"}


def test_files_lie_where_the_task_begins(site: ProcessSite) -> None:
    files = {"a.txt": "one\n", "b/c.txt": "two\n"}
    assert printed(site, task("cat a.txt b/c.txt; touch d", files=files)) == b"one\ntwo\n"


def test_a_relative_workdir_is_one_of_the_attempts_own(site: ProcessSite) -> None:
    files = {"a.txt": "one\n"}
    assert printed(site, task("cat a.txt ../../x/y/a.txt", workdir="x/y", files=files)) == b"one\none\n"


def test_an_absolute_workdir_is_one_of_the_machine(site: ProcessSite) -> None:
    assert printed(site, task("pwd -P", workdir=str(site.meeting))) == f"{site.meeting.resolve()}\n".encode()


def test_progress_is_told_also_the_last(site: ProcessSite) -> None:
    gate = site.gate("gate")
    job_id = site.submit(task(f"echo 40 > $TORK_PROGRESS; read line < {gate}; echo 90.5 > $TORK_PROGRESS"))
    with site.running():
        site.happens(job_id, "TaskProgressed")
        site.open(gate)
        assert site.ends(job_id) is JobStatus.COMPLETED
    told = [event.progress for event in site.events(job_id) if isinstance(event, TaskProgressed)]
    assert told == [40, 90]


def test_the_phases_run_in_their_order(site: ProcessSite) -> None:
    job_id = site.submit(task("echo main", pre=(PRE, PRE), post=(POST, ALWAYS)))
    with site.running():
        assert site.ends(job_id) is JobStatus.COMPLETED
    assert site.printed(job_id) == b"pre\npre\nmain\npost\nalways\n"
    announced = [event.phase for event in site.events(job_id) if isinstance(event, TaskStartIntended)]
    assert announced == ["pre-1", "pre-2", "", "post-1", "post-2"]


def test_what_a_phase_printed_last_comes_before_what_the_next_prints(site: ProcessSite) -> None:
    half = AuxiliaryTask(name="half", run=r"printf 'a\303'")
    assert printed(site, task("printf b", pre=(half,))) == b"a\xc3b"


def test_after_a_failure_only_that_runs_which_always_does(site: ProcessSite) -> None:
    job_id = site.submit(task("echo main; exit 4", pre=(PRE,), post=(POST, ALWAYS)))
    with site.running():
        assert site.ends(job_id) is JobStatus.FAILED
    assert site.printed(job_id) == b"pre\nmain\nalways\n"
    assert site.last(job_id, TaskFailed).error == "exit code 4: main"


def test_a_failure_before_names_whose_it_is_and_the_task_does_not_run(site: ProcessSite) -> None:
    job_id = site.submit(task("echo main", pre=(AuxiliaryTask(name="prepare", run="echo oh; exit 2"),), post=(ALWAYS,)))
    with site.running():
        assert site.ends(job_id) is JobStatus.FAILED
    assert site.printed(job_id) == b"oh\nalways\n"
    assert site.last(job_id, TaskFailed).error == "pre task prepare: exit code 2: oh"


@pytest.mark.parametrize(
    ("script", "error", "code"),
    [
        ("seq 1 20; exit 3", "exit code 3: " + "\n".join(map(str, range(11, 21))), 3),
        ("exit 255", "exit code 255", 255),
        ("kill -KILL $$", "exit code 137", 137),
    ],
)
def test_a_failure_tells_the_exit_code_and_the_last_words(
    site: ProcessSite, script: str, error: str, code: int
) -> None:
    failure = failed(site, task(script))
    assert (failure.error, failure.cause, failure.exit_code) == (error, "exit", code)


def test_a_program_that_is_not_there_fails_the_task(site: ProcessSite) -> None:
    failure = failed(site, task(cmd=("nonesuch",)))
    assert failure.cause == "container"
    assert failure.error == "the program can not be started: No such file or directory: nonesuch"


def test_a_workdir_that_is_not_there_fails_the_task(site: ProcessSite) -> None:
    failure = failed(site, task("true", workdir="/none/such"))
    assert failure.error == "the program can not be started: No such file or directory: /none/such"


REFUSED: dict[str, dict[str, Any]] = {
    "image": {"image": "busybox:stable"},
    "entrypoint": {"entrypoint": ("sh",)},
    "registry": {"registry": Registry(username="a")},
    "mounts": {"mounts": (Mount(type="volume", target="/x"),)},
    "networks": {"networks": ("net",)},
    "limits": {"limits": Limits(cpus="1")},
    "gpus": {"gpus": "all"},
    "sidecars": {"sidecars": (Sidecar(name="s", run="x"),)},
}


@pytest.mark.parametrize("field", REFUSED)
def test_what_only_containers_have_is_refused_by_its_name(site: ProcessSite, field: str) -> None:
    failure = failed(site, task(f"touch {site.meeting}/ran", post=(ALWAYS,), **REFUSED[field]))
    verb = "are" if field.endswith("s") else "is"
    assert failure.error == f"{field} {verb} not supported by the process runtime"
    assert failure.cause == "container"
    assert not (site.meeting / "ran").exists()


def test_what_a_part_of_the_task_can_not_have_is_refused_before_anything_runs(site: ProcessSite) -> None:
    post = PostTask(name="tidy", run="x", image="busybox:stable")
    failure = failed(site, task(f"touch {site.meeting}/ran", post=(post,)))
    assert failure.error == "post task tidy: image is not supported by the process runtime"
    assert not (site.meeting / "ran").exists()


@pytest.mark.parametrize(
    ("given", "error"),
    [
        ({}, "there is nothing to run: the process runtime needs run or cmd"),
        (
            {"run": "x", "workdir": "/tmp", "files": {"a": "b"}},  # noqa: S108 - nothing is written there
            "files are not supported together with an absolute workdir by the process runtime",
        ),
        ({"run": "x", "workdir": "../.."}, "'../../file' is not the name of a file in a folder"),
        ({"run": "x", "files": {"../a": "b"}}, "'../a' is not the name of a file in a folder"),
    ],
)
def test_what_makes_no_sense_for_a_process_is_refused(site: ProcessSite, given: dict[str, Any], error: str) -> None:
    assert failed(site, task(**given)).error == error


def test_a_task_is_tried_again_in_a_folder_of_its_own(site: ProcessSite) -> None:
    script = f"echo >> {site.meeting}/tries; ls; touch left; [ $(wc -l < {site.meeting}/tries) = 3 ]"
    job_id = site.submit(task(script, retry=Retry(limit=3)))
    with site.running():
        assert site.ends(job_id) is JobStatus.COMPLETED
    assert len(site.attempts(job_id)) == 3
    assert site.printed(job_id) == b""


STUBBORN = f"""
trap '' TERM
(setsid sh -c 'trap "" TERM HUP; echo $$ > one; sleep {LONG}; sleep {LONG}' &)
(sh -c 'trap "" TERM; echo $$ > two; sleep {LONG}; sleep {LONG}' &)
echo $$ > three
sleep {LONG}
sleep {LONG}
"""


def running(site: ProcessSite) -> list[str]:
    """Wait for the three stubborn processes."""
    return [site.says(name) for name in ("one", "two", "three")]


def test_a_cancel_ends_all_that_come_from_a_task(site: ProcessSite) -> None:
    job_id = site.submit(task(STUBBORN, workdir=str(site.meeting), post=(ALWAYS,)))
    with site.running():
        pids = running(site)
        site.cancel(job_id)
        assert site.ends(job_id) is JobStatus.CANCELLED
    assert site.last(job_id, TaskStopped).exit_code == 137
    assert not any(map(is_alive, pids))
    assert site.processes() == []
    assert site.printed(job_id) == b""


def test_a_task_may_heed_its_cancel(site: ProcessSite, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spec, "GRACE", PATIENCE)
    script = f"trap 'echo bye; exit 9' TERM; echo $$ > {site.meeting}/main; while :; do sleep 0.02; done"
    job_id = site.submit(task(script))
    with site.running():
        site.says("main")
        site.cancel(job_id)
        assert site.ends(job_id) is JobStatus.CANCELLED
    assert site.last(job_id, TaskStopped).exit_code == 9
    assert b"bye\n" in site.printed(job_id)


def test_a_cancel_before_the_program_has_begun_keeps_it_from_beginning(
    site: ProcessSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    stopped: list[int] = []
    spawn = os.posix_spawn

    def slow(*given: Any, **named: Any) -> int:
        stopped.append(spawn(*given, **named))
        os.kill(stopped[0], signal.SIGSTOP)
        return stopped[0]

    monkeypatch.setattr(os, "posix_spawn", slow)
    job_id = site.submit(task(f"touch {site.meeting}/ran"))
    with site.running():
        until(lambda: stopped)
        site.cancel(job_id)
        started = site.home(job_id) / "own.started"
        until(lambda: started.exists() and started.read_text() == NEVER)
        os.kill(stopped[0], signal.SIGCONT)
        assert site.ends(job_id) is JobStatus.CANCELLED
    assert not (site.meeting / "ran").exists()


def test_a_timeout_ends_all_that_come_from_a_task_and_what_tidies_up_runs(site: ProcessSite) -> None:
    job_id = site.submit(task(STUBBORN, workdir=str(site.meeting), timeout="3s", post=(POST, ALWAYS)))
    with site.running():
        assert site.ends(job_id) is JobStatus.FAILED
    failure = site.last(job_id, TaskFailed)
    assert (failure.error, failure.cause) == ("timed out after 3s", "timeout")
    assert site.printed(job_id) == b"always\n"
    assert site.processes() == []


def test_a_phase_before_may_have_a_time_of_its_own(site: ProcessSite) -> None:
    slow = AuxiliaryTask(name="slow", run=f"sleep {LONG}", timeout="1s")
    assert failed(site, task("true", pre=(slow,))).error == "pre task slow: timed out after 1s"


def test_what_a_task_leaves_running_ends_with_it(site: ProcessSite) -> None:
    script = f"(setsid sh -c 'echo $$ > left; exec sleep {LONG}' &); while ! [ -s left ]; do sleep 0.01; done"
    printed(site, task(script, workdir=str(site.meeting)))
    assert not is_alive(site.says("left"))


def test_a_job_that_is_restarted_waits_for_what_was_called_off(site: ProcessSite) -> None:
    script = f"""
cd {site.meeting}
[ -e main ] && {{ kill -0 $(cat main) && exit 1; exit 0; }}
trap '' TERM; echo $$ > main; sleep {LONG}; sleep {LONG}
"""
    job_id = site.submit(task(script))
    with site.running():
        site.says("main")
        site.cancel(job_id)
        site.restart(job_id)
        assert site.ends(job_id) is JobStatus.COMPLETED


def test_many_tasks_run_at_the_same_time(site: ProcessSite) -> None:
    meet = f"echo >> {site.meeting}/here; while [ $(wc -l < {site.meeting}/here) -lt 3 ]; do sleep 0.02; done"
    jobs = [site.submit(task(meet)) for _ in range(3)]
    with site.running():
        assert [site.ends(each) for each in jobs] == [JobStatus.COMPLETED] * 3


SECRET = "correct-horse-battery"  # noqa: S105 - it is made up


def test_a_secret_is_in_the_environment_and_nowhere_else(site: ProcessSite) -> None:
    gate = site.gate("gate")
    script = f"echo it is $PASSWORD; echo $$ > {site.meeting}/main; read line < {gate}; echo $PASSWORD >&2; exit 3"
    job_id = site.submit_with({"word": SECRET}, task(script, env={"PASSWORD": "{{ secrets.word }}"}))
    with site.running():
        pid = site.says("main")
        assert SECRET.encode() in Path(f"/proc/{pid}/environ").read_bytes()
        shown = [Path(f"/proc/{each}/cmdline").read_bytes() for each in site.processes()]
        site.open(gate)
        assert site.ends(job_id) is JobStatus.FAILED
    assert len(shown) >= 2
    assert not any(SECRET.encode() in each for each in shown)
    assert site.printed(job_id) == b"it is [REDACTED]\n[REDACTED]\n"
    assert SECRET not in site.last(job_id, TaskFailed).error


def test_a_runner_that_leaves_lets_its_tasks_run_on_and_takes_them_up_again(site: ProcessSite) -> None:
    gate = site.gate("gate")
    job_id = site.submit(task(f"echo one; read line < {gate}; echo two"))
    with site.running() as runner:
        until(lambda: site.stored(job_id) == b"one\n")
        runner.leave()
    assert site.processes()
    with site.running():
        site.open(gate)
        assert site.ends(job_id) is JobStatus.COMPLETED
    assert site.printed(job_id) == b"one\ntwo\n"


def test_a_secret_that_was_half_printed_when_the_runner_left_stays_hidden(site: ProcessSite) -> None:
    gate = site.gate("gate")
    script = f"printf 'it is %s' ${{PASSWORD%-battery}}; echo > {site.meeting}/half; read line < {gate}; echo -battery"
    job_id = site.submit_with({"word": SECRET}, task(script, env={"PASSWORD": "{{ secrets.word }}"}))
    with site.running() as runner:
        site.says("half")
        until(lambda: site.stored(job_id) == b"it is ")
        runner.leave()
    assert site.printed(job_id) == b"it is "
    with site.running():
        site.open(gate)
        assert site.ends(job_id) is JobStatus.COMPLETED
    assert site.printed(job_id) == b"it is [REDACTED]\n"


def test_it_is_a_runtime(site: ProcessSite) -> None:
    runtime: Runtime = ProcessRuntime(site.settings)
    runtime.connect()
    assert runtime.is_there.is_set()
    assert runtime.id
    runtime.close()
