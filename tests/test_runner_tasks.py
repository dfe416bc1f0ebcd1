"""What a task can ask for: files, folders, volumes, networks, limits, secrets, and a word about how far it is."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from uuid import uuid4

import docker
import pytest

from app.runner import leg
from app.vault import Vault
from domain.definition import Limits, Mount, Parallel, Retry, TaskDefinition
from domain.definition import Registry as DockerRegistry
from domain.job import JobStatus, TaskCompleted, TaskFailed, TaskProgressed, TaskStartIntended
from tests.registry import Registry
from tests.site import Site, post, pre, sidecar, task
from tests.waiting import until


@pytest.fixture
def site(tmp_path: Path, docker_host: str, docker_client: docker.DockerClient) -> Iterator[Site]:
    made = Site(tmp_path / "data", docker_host, docker_client)
    yield made
    made.close()


@pytest.fixture
def network(docker_client: docker.DockerClient) -> Iterator[str]:
    made = docker_client.networks.create(f"test-{uuid4().hex[:8]}")
    yield made.name
    made.remove()


LOOK = "pwd; cat a.txt deep/b.txt; stat -c %a a.txt; echo new > c.txt; rm -f a.txt; ls -1"
FILES = {"a.txt": "one\n", "deep/b.txt": "two\n"}


def test_files_lie_in_a_folder_of_their_own_in_which_a_task_may_write(site: Site) -> None:
    with site.running():
        job = site.submit(task(LOOK, files=FILES, pre=(pre("pwd; ls"),), post=(post("cat x", files={"x": "three\n"}),)))
        assert site.ends(job) is JobStatus.COMPLETED
    assert site.printed(job) == b"/\n" + ROOT + b"/tork/workdir\none\ntwo\n444\nc.txt\ndeep\nthree\n"
    assert site.folders() == []


def test_files_lie_in_the_folder_that_the_task_names(site: Site) -> None:
    with site.running():
        job = site.submit(task(LOOK, files=FILES, workdir="/srv/app"))
        assert site.ends(job) is JobStatus.COMPLETED
    assert site.printed(job) == b"/srv/app\none\ntwo\n444\nc.txt\ndeep\n"


def test_files_can_lie_in_a_volume_that_all_programs_of_the_task_see(site: Site) -> None:
    volume = (Mount(type="volume", target="/srv"),)
    with site.running():
        job = site.submit(
            task(
                "cat /srv/early a.txt; echo late > /srv/late",
                files={"a.txt": "one\n"},
                workdir="/srv/app",
                mounts=volume,
                pre=(pre("echo early > /srv/early"),),
                post=(post("cat /srv/late /srv/app/a.txt"),),
            )
        )
        until(lambda: site.shared(job))
        assert site.ends(job) is JobStatus.COMPLETED
    assert site.printed(job) == b"early\none\nlate\none\n"


def test_files_that_would_be_hidden_by_a_tmpfs_are_refused(site: Site) -> None:
    with site.running():
        job = site.submit(task("ls", files=FILES, workdir="/mem/app", mounts=(Mount(type="tmpfs", target="/mem"),)))
        assert site.ends(job) is JobStatus.FAILED
    assert "the tmpfs at /mem begins empty" in site.last(job, TaskFailed).error


def test_a_task_begins_in_the_folder_that_it_names(site: Site) -> None:
    with site.running():
        job = site.submit(task("pwd; echo new > x; cat x", workdir="/srv/app"))
        assert site.ends(job) is JobStatus.COMPLETED
    assert site.printed(job) == b"/srv/app\nnew\n"


def test_a_folder_of_the_host_is_mounted_if_the_runner_allows_it(site: Site, tmp_path: Path) -> None:
    (tmp_path / "open").mkdir()
    (tmp_path / "open" / "x").write_text("of the host\n")
    mounts = (Mount(type="bind", source=str(tmp_path / "open"), target="/host"),)
    definition = task("cat /host/x; echo done > /host/y", mounts=mounts)
    with site.running():
        refused = site.submit(definition)
        assert site.ends(refused) is JobStatus.FAILED
    assert "is refused" in site.last(refused, TaskFailed).error
    site.given(bind_roots=(tmp_path / "open",))
    with site.running():
        job = site.submit(definition)
        assert site.ends(job) is JobStatus.COMPLETED
    assert site.printed(job) == b"of the host\n"
    assert (tmp_path / "open" / "y").read_text() == "done\n"


def test_a_file_system_in_memory_is_the_programs_own(site: Site) -> None:
    with site.running():
        mounts = (Mount(type="tmpfs", target="/mem", opts={"size": "1m"}),)
        job = site.submit(task("ls /mem; grep -c '/mem tmpfs' /proc/mounts", mounts=mounts, pre=(pre("touch /mem/x"),)))
        assert site.ends(job) is JobStatus.COMPLETED
    assert site.printed(job) == b"1\n"


def running(site: Site, job: Any, name: str) -> Any:
    """Wait for the container of a phase to run, and show it."""
    site.happens(job, "TaskStarted")

    def found() -> Any:
        return next((each for each in site.containers(job) if each.labels["jobledger.phase"] == name), None)

    until(lambda: found() and found().status == "running")
    return found()


def test_a_task_is_in_the_networks_that_it_names_under_its_own_name(
    site: Site, network: str, docker_client: docker.DockerClient
) -> None:
    other = docker_client.networks.create(f"test-{uuid4().hex[:8]}")
    try:
        with site.running():
            job = site.submit(task("sleep 60", name="My Task", networks=(network, other.name)))
            shown = running(site, job, "").attrs["NetworkSettings"]["Networks"]
            site.cancel(job)
            site.ends(job)
    finally:
        other.remove()
    assert {name: "my-task" in each["Aliases"] for name, each in shown.items()} == {network: True, other.name: True}


def test_all_programs_of_a_task_are_in_its_networks(site: Site, network: str) -> None:
    with site.running():
        job = site.submit(
            task(
                "nslookup -type=a server | grep Name",
                networks=(network,),
                sidecars=(sidecar("sleep 60", name="server"),),
                pre=(pre("nslookup -type=a first | grep Name", name="first"),),
            )
        )
        assert site.ends(job) is JobStatus.COMPLETED, site.printed(job)
    assert site.printed(job) == b"Name:\tfirst\nName:\tserver\n"


@pytest.mark.parametrize("name", ["no-such-network", "host", "none", "container:x"])
def test_a_network_that_can_not_be_had_is_told(site: Site, name: str) -> None:
    with site.running():
        job = site.submit(task("echo never", networks=(name,), pre=(pre("echo never"),)))
        assert site.ends(job) is JobStatus.FAILED
    failed = site.last(job, TaskFailed)
    assert failed.cause == "container"
    assert name in failed.error
    assert site.starts(job) == []


def test_a_task_that_eats_more_memory_than_it_may_is_told_so(site: Site) -> None:
    with site.running():
        eater = "until [ -e /hungry ]; do usleep 10000; done; x=aaaaaaaaaaaaaaaa; while :; do x=$x$x; done"
        job = site.submit(task(eater, limits=Limits(memory="16m")))
        running(site, job, "").exec_run("touch /hungry")  # for the Engine can miss what happens before it runs
        assert site.ends(job) is JobStatus.FAILED
    failed = site.last(job, TaskFailed)
    assert failed.cause == "oom"
    assert failed.error.startswith("out of memory: exit code 137")


def test_a_task_that_was_killed_where_memory_is_limited_is_told_what_that_may_mean(site: Site) -> None:
    with site.running():
        job = site.submit(task("exit 137", limits=Limits(memory="16m")))
        assert site.ends(job) is JobStatus.FAILED
    assert site.last(job, TaskFailed).error == "killed, probably out of memory: exit code 137"


def test_all_programs_of_a_task_have_its_limits(site: Site) -> None:
    with site.running():
        limits = Limits(cpus=".5", memory="64MB")
        job = site.submit(task("sleep 60", limits=limits, sidecars=(sidecar("sleep 60"),)))
        shown = [running(site, job, name).attrs["HostConfig"] for name in ("sidecar-1", "")]
        site.cancel(job)
        site.ends(job)
    for host in shown:
        assert (host["NanoCpus"], host["Memory"], host["MemorySwap"]) == (500_000_000, 64 * 1024**2, 64 * 1024**2)


def test_a_container_is_confined(site: Site) -> None:
    with site.running():
        job = site.submit(task("grep -E 'NoNewPrivs|CapBnd' /proc/self/status; mknod /x b 8 0 || echo no devices"))
        assert site.ends(job) is JobStatus.COMPLETED
    assert b"NoNewPrivs:\t1\n" in site.printed(job)
    assert b"no devices\n" in site.printed(job)


def test_gpus_that_are_not_there_are_told(site: Site) -> None:
    with site.running():
        job = site.submit(task("true", gpus="all"))
        assert site.ends(job) is JobStatus.FAILED
    failed = site.last(job, TaskFailed)
    assert failed.cause == "container"
    assert "device driver" in failed.error


def test_the_very_image_is_recorded(site: Site) -> None:
    with site.running():
        job = site.submit(task("true"))
        site.ends(job)
    assert site.last(job, TaskStartIntended).image == site.client.images.get("busybox:stable").id


def test_an_image_is_fetched_with_the_tasks_own_name_and_password(site: Site, registry: Registry) -> None:
    image = registry.offer()
    known = DockerRegistry(username=registry.credentials["username"], password=registry.credentials["password"])
    with site.running():
        stranger = site.submit(task("echo never", image=image))
        assert site.ends(stranger) is JobStatus.FAILED
        job = site.submit(task("echo own", image=image, registry=known, pre=(pre("echo before"),)))
        assert site.ends(job) is JobStatus.COMPLETED
    assert "no basic auth credentials" in site.last(stranger, TaskFailed).error
    told = f"pulling {image}\npulled {image}\n"
    assert site.printed(job) == f"before\n{told}own\n".encode()
    assert known.password not in repr(site.events(job))


def progress(site: Site, job: Any) -> list[float]:
    return [event.progress for event in site.events(job) if isinstance(event, TaskProgressed)]


def test_a_task_can_tell_how_far_it_is(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leg, "PERIOD", 0.1)
    steps = "for n in 12.2 12.9 oops 55; do echo $n > $TORK_PROGRESS; sleep 1; done; echo 170 > $TORK_PROGRESS"
    with site.running():
        job = site.submit(task(steps))
        assert site.ends(job) is JobStatus.COMPLETED
    assert progress(site, job) == [12, 55, 100]
    assert site.printed(job) == b"the progress is no number from 0 to 100: 'oops'\n"


SECRETS = {"token": "opensesame", "other": "swordfish"}


TOKEN = {"TOKEN": "{{ secrets.token }}"}
OTHER = {"TOKEN": "{{ secrets.other }}"}


def test_a_secret_is_given_to_the_program_and_to_nobody_else(site: Site) -> None:
    show = "echo token $TOKEN $(echo $TOKEN | wc -c)"
    with site.running():
        job = site.submit(
            task(f'{show}; printf "got $TOKEN" > $TORK_OUTPUT', env=TOKEN, pre=(pre(show, env=OTHER),)),
            task("echo bad $TOKEN; exit 3", env=TOKEN),
            secrets=SECRETS,
        )
        assert site.ends(job) is JobStatus.FAILED
    assert site.printed(job) == b"token [REDACTED] 10\ntoken [REDACTED] 11\nbad [REDACTED]\n"
    assert site.last(job, TaskCompleted).result == "got [REDACTED]"
    assert site.last(job, TaskFailed).error == "exit code 3: bad [REDACTED]"
    assert not any(secret in path.read_bytes() for path in stored(site) for secret in (b"opensesame", b"swordfish"))


def stored(site: Site) -> list[Path]:
    for path in (site.settings.log, site.settings.output):
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("PRAGMA wal_checkpoint")
    return [path for path in site.settings.data.rglob("*") if path.is_file()]


def test_what_the_engine_says_of_a_secret_is_hidden_too(site: Site) -> None:
    with site.running():
        job = site.submit(task("true", cmd=("/opensesame",)), secrets=SECRETS)
        assert site.ends(job) is JobStatus.FAILED
    error = site.last(job, TaskFailed).error
    assert "opensesame" not in error
    assert "/[REDACTED]" in error


def test_a_secret_that_is_kept_no_longer_is_told(site: Site) -> None:
    job = site.submit(task("echo never", env=TOKEN), secrets=SECRETS)
    with closing(Vault(site.settings.secrets)) as vault:
        vault.forget(job)
    with site.running():
        assert site.ends(job) is JobStatus.FAILED
    assert "the secret token is no longer kept" in site.last(job, TaskFailed).error
    assert site.starts(job) == []


def test_what_was_printed_is_not_shown_when_its_secrets_can_not_be_hidden_any_more(site: Site) -> None:
    job = site.submit(task('echo "$TOKEN"; while [ ! -e /go ]; do sleep 0.05; done', env=TOKEN), secrets=SECRETS)
    with site.process() as runner:
        until(lambda: site.printed(job))
        runner.kill()
        runner.wait()
    site.cancel(job)
    with closing(Vault(site.settings.secrets)) as vault:
        vault.forget(job)
    with site.running():
        until(lambda: site.attempts(job)[0].stopped)
        until(lambda: not site.containers(job))
    printed = site.printed(job)
    assert printed.startswith(b"[REDACTED]\n")
    assert printed.endswith(b"could not be hidden\n")
    assert b"opensesame" not in printed


def test_a_failure_ends_what_runs_beside_it(site: Site, tmp_path: Path) -> None:
    (tmp_path / "meeting").mkdir()
    site.given(bind_roots=(tmp_path / "meeting",))
    mounts = (Mount(type="bind", source=str(tmp_path / "meeting"), target="/m"),)
    long = task("echo begun; touch /m/begun; sleep 60", mounts=mounts)
    short = task("until test -e /m/begun; do sleep 0.1; done; exit 3", mounts=mounts)
    with site.running():
        job = site.submit(TaskDefinition(name="both", parallel=Parallel(tasks=(long, short))))
        assert site.ends(job) is JobStatus.FAILED
    assert site.printed(job) == b"begun\n"
    assert site.types(job)[-1] == "TaskStopped"


def test_a_task_is_tried_again_as_often_as_it_says(site: Site) -> None:
    with site.running():
        job = site.submit(task("echo try; exit 3", retry=Retry(limit=2, delay="300ms")))
        assert site.ends(job) is JobStatus.FAILED
    assert site.printed(job) == b"try\n" * 3


ROOT = b"bin\ndev\netc\nproc\nroot\nsys\ntmp\ntork\n"
