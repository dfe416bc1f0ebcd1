"""What a container may not do: each rule is asked of the Engine, and tried where it can be."""

from __future__ import annotations

from collections.abc import Iterator
from resource import RLIMIT_NOFILE, getrlimit
from typing import Any
from uuid import uuid4

import docker
import pytest

from app.runner import confinement
from app.runner.verdict import Failure
from domain.definition import Limits
from tests.waiting import until

ALL_NUMBERS = {
    "CHOWN": 0,
    "DAC_OVERRIDE": 1,
    "FOWNER": 3,
    "FSETID": 4,
    "KILL": 5,
    "SETGID": 6,
    "SETUID": 7,
    "SETPCAP": 8,
    "NET_BIND_SERVICE": 10,
    "SYS_CHROOT": 18,
    "SETFCAP": 31,
}
"""The numbers that Linux gives to the capabilities that are left."""
NOBODY = "echo nobody:x:99:99::/:/bin/sh >>/etc/passwd"
STOPPED = "until grep -q 'State:.T' /proc/$!/status; do usleep 10000; done"


class Cell:
    """A container of busybox that is confined."""

    def __init__(self, client: docker.DockerClient, script: str, limits: Limits | None, network: str) -> None:
        body = {
            "Image": "busybox:stable",
            "Entrypoint": ["sh", "-c", script],
            "HostConfig": confinement.host_config(limits) | {"NetworkMode": network},
        }
        self._api: Any = client.api
        self.id: str = self._api.create_container_from_config(body, f"cell-{uuid4().hex}")["Id"]

    def remove(self) -> None:
        self._api.remove_container(self.id, v=True, force=True)

    def inspect(self) -> dict[str, Any]:
        document: dict[str, Any] = self._api.inspect_container(self.id)
        return document

    @property
    def host_config(self) -> dict[str, Any]:
        host: dict[str, Any] = self.inspect()["HostConfig"]
        return host

    def start(self) -> None:
        self._api.start(self.id)

    def tell(self, command: str) -> None:
        """Run a command beside the script."""
        self._api.exec_start(self._api.exec_create(self.id, command)["Id"])

    def run(self) -> str:
        """Run the script to its end and return what it printed."""
        self.start()
        self._api.wait(self.id)
        printed: bytes = self._api.logs(self.id)
        return printed.decode().strip()


class Prison:
    """Where the cells are, and in the end are not any more."""

    def __init__(self, client: docker.DockerClient) -> None:
        self._client = client
        self.cells: list[Cell] = []

    def cell(self, script: str, limits: Limits | None = None, network: str = "") -> Cell:
        made = Cell(self._client, script, limits, network)
        self.cells.append(made)
        return made

    def says(self, script: str, limits: Limits | None = None) -> str:
        return self.cell(script, limits).run()


@pytest.fixture
def prison(docker_client: docker.DockerClient) -> Iterator[Prison]:
    made = Prison(docker_client)
    yield made
    for cell in made.cells:
        cell.remove()


def test_a_container_is_not_privileged_and_has_no_devices(prison: Prison) -> None:
    cell = prison.cell("cat /dev/vda /dev/mem 2>&1; mount -t tmpfs none /mnt 2>&1; ls /dev")
    host = cell.host_config
    assert (host["Privileged"], host["Devices"], host["DeviceCgroupRules"]) == (False, None, None)
    assert not host["DeviceRequests"]
    assert "permission denied" in (shown := cell.run())
    assert not {"vda", "mem", "kmsg"} & set(shown.split())


def test_of_the_capabilities_only_the_few_are_left(prison: Prison) -> None:
    cell = prison.cell("grep -E 'Cap(Eff|Bnd|Prm)' /proc/self/status")
    assert cell.host_config["CapDrop"] == ["ALL"]
    mask = sum(1 << ALL_NUMBERS[name] for name in confinement.CAPABILITIES)
    assert len(confinement.CAPABILITIES) == len(ALL_NUMBERS)
    assert cell.run().split()[1::2] == [f"{mask:016x}"] * 3


@pytest.mark.parametrize(
    "script",
    [
        "mknod /tmp/disk b 254 0",
        "ping -c 1 127.0.0.1",
        "ip link set lo down",
        "mount -t proc proc /mnt",
        "hostname other",
        "chroot /proc/1/root sh -c 'echo 1 >/proc/sys/kernel/panic'",
        "date -s 2020-01-01",
    ],
    ids=["devices", "raw packets", "network", "mounts", "host name", "kernel", "clock"],
)
def test_what_only_the_host_may_do_is_denied(prison: Prison, script: str) -> None:
    said = prison.says(f"set -e; {script}").lower()
    assert any(word in said for word in ("not permitted", "denied", "read-only"))


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("touch a; chown 99:99 a; chmod 600 a; echo own >>a; stat -c %u:%g a", "99:99"),
        ("touch a; chown 99 a; chmod u+s a; stat -c %a a", "4644"),
        (f"{NOBODY}; su nobody -c 'id -u'", "99"),
        (f"{NOBODY}; su nobody -c 'kill -STOP $$' & {STOPPED}; kill -KILL $! && wait $! 2>/dev/null; echo $?", "137"),
        ("nc -l -p 80 -e echo hello & until nc 127.0.0.1 80 </dev/null 2>/dev/null; do usleep 10000; done", "hello"),
        ("chroot / echo inside", "inside"),
    ],
    ids=["files of others", "set-user-id", "another user", "another user's process", "port 80", "chroot"],
)
def test_what_ordinary_images_do_can_be_done(prison: Prison, script: str, said: str) -> None:
    assert prison.says(f"cd /tmp; {script}") == said


def test_no_program_gains_privileges(prison: Prison) -> None:
    cell = prison.cell("grep NoNewPrivs /proc/self/status")
    assert cell.host_config["SecurityOpt"] == ["no-new-privileges"]
    assert cell.run().split() == ["NoNewPrivs:", "1"]


def test_a_program_that_becomes_root_by_its_file_does_not(prison: Prison) -> None:
    assert prison.says(f"{NOBODY}; cp /bin/busybox /tmp/id; chmod 4755 /tmp/id; su nobody -c '/tmp/id -u'") == "99"


def test_system_calls_are_filtered_as_the_engine_does_it_by_itself(prison: Prison) -> None:
    assert prison.says("grep Seccomp: /proc/self/status").split() == ["Seccomp:", "2"]


def test_no_namespace_is_the_hosts(prison: Prison) -> None:
    cell = prison.cell("cat /proc/1/cgroup; echo $$; ls -d /proc/[0-9]* | wc -l")
    host = cell.host_config
    assert (host["PidMode"], host["UTSMode"], host["UsernsMode"]) == ("", "", "")
    assert (host["IpcMode"], host["CgroupnsMode"]) == ("private", "private")
    assert host["NetworkMode"] in {"default", "bridge"}
    *groups, own, processes = cell.run().split()
    assert all(group.endswith(":/") for group in groups)
    assert own == "1"
    assert int(processes) <= 4


def test_processes_are_counted(prison: Prison) -> None:
    cell = prison.cell("cat /sys/fs/cgroup/pids/pids.max /sys/fs/cgroup/pids.max 2>/dev/null")
    assert cell.host_config["PidsLimit"] == confinement.MOST_PROCESSES
    assert cell.run() == str(confinement.MOST_PROCESSES)


def test_a_fork_bomb_ends_in_itself(prison: Prison, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(confinement, "MOST_PROCESSES", 20)
    said = prison.says("for i in $(seq 40); do sleep 5 & done 2>&1; echo end")
    assert "Resource temporarily unavailable" in said


def test_open_files_have_a_bound_and_cores_are_not_dumped(prison: Prison) -> None:
    files = str(min(65536, getrlimit(RLIMIT_NOFILE)[1]))
    assert prison.says("ulimit -Sn; ulimit -Hn; ulimit -Sc; ulimit -Hc").split() == [files, files, "0", "0"]


def test_a_container_stays_until_it_is_removed(prison: Prison, docker_client: docker.DockerClient) -> None:
    cell = prison.cell("true")
    assert cell.host_config["AutoRemove"] is False
    cell.run()
    assert docker_client.api.inspect_container(cell.id)["State"]["Status"] == "exited"


def test_the_first_process_is_the_images_own(prison: Prison) -> None:
    assert not prison.cell("true").host_config.get("Init")


def test_limits_are_kept(prison: Prison) -> None:
    host = prison.cell("true", Limits(cpus="1.5", memory="64m")).host_config
    assert (host["NanoCpus"], host["Memory"], host["MemorySwap"]) == (1_500_000_000, 64 * 1024**2, 64 * 1024**2)


def test_without_limits_there_are_none(prison: Prison) -> None:
    host = prison.cell("true").host_config
    assert (host["NanoCpus"], host["Memory"], host["MemorySwap"]) == (0, 0, 0)


def test_memory_beyond_the_limit_ends_the_program(prison: Prison) -> None:
    eater = "until [ -e /hungry ]; do usleep 10000; done; head -c 64m /dev/zero | tail -c 64m | wc -c; exit 7"
    cell = prison.cell(eater, Limits(memory="16m"))
    cell.start()
    cell.tell("touch /hungry")  # not before: the Engine can miss what happens during the start
    until(lambda: cell.inspect()["State"]["OOMKilled"])


@pytest.mark.parametrize(
    "limits",
    [Limits(cpus="-1"), Limits(cpus="many"), Limits(memory="1"), Limits(memory="5m"), Limits(memory="10Q")],
    ids=lambda limits: f"{limits.cpus}{limits.memory}",
)
def test_limits_that_are_none_are_refused(limits: Limits) -> None:
    with pytest.raises(Failure, match="limits of the task"):
        confinement.host_config(limits)


def test_networks_are_taken_by_their_names_each_once() -> None:
    assert confinement.networks(["web", "data_base.1", "bridge", "web"]) == ("web", "data_base.1", "bridge")


@pytest.mark.parametrize(
    "name",
    [
        *("host", "none", "default", "HOST", "container:abc", "ns:/proc/1/ns/net", "bridge; rm", "", "-x", "a\n"),
        *("jobledger-9d7d7184b8f244249c5f5d8b4074f72e", "jobledger-9d7d7184b8f244249c5f5d8b4074f72e-sidecar-1"),
    ],
)
def test_a_task_has_no_network_of_the_host_or_of_someone_else(name: str) -> None:
    with pytest.raises(Failure, match="can not have the network"):
        confinement.networks([name])


def test_the_hosts_network_is_not_to_be_had_by_its_id(prison: Prison, docker_client: docker.DockerClient) -> None:
    (host,) = docker_client.networks.list(names=["host"])
    by_id = prison.cell("ip -o link | cut -d: -f2", network=str(host.id))
    assert by_id.run() == "lo"
