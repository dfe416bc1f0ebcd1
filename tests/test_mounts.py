"""What tasks mount: volumes of their own, memory, and of the host only what its owner allowed."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from uuid import uuid4

import docker
import pytest

from app.runner import mounts
from app.runner.docker_runtime import DockerRuntime
from app.runner.engine import Engine
from app.runner.mounts import Folders, Plan, Refusal, plan
from app.runner.verdict import Failure
from app.settings import Settings
from domain.definition import Mount
from scripts.packages import as_root
from tests import controls as c

ROOT = Path(__file__).parent.parent
ASK = """
import pathlib, sys
from app.runner.mounts import Folders, Refusal
place = pathlib.Path(sys.argv[1])
folders = Folders([place / "allowed"], [place / "outer" / "data"])
for name in ("disk", "alias"):
    try:
        print(folders.admit(str(place / "allowed" / name)))
    except Refusal as refusal:
        print(refusal)
"""
"""A program that asks for both."""
LABELS = {"jobledger.attempt": c.ATTEMPT_1.hex}
NAME = f"jobledger-{c.ATTEMPT_1.hex}"


class Host:
    """A piece of a host: an allowed folder beside one that is not, and one of Jobledger's own inside it."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.allowed = place / "allowed"
        self.data = self.allowed / "jobledger" / "data"
        for folder in (self.allowed / "in" / "deep", self.data, place / "secret"):
            folder.mkdir(parents=True)
        (self.allowed / "file").write_text("of the host")
        (place / "secret" / "key").write_text("secret")

    def plan(self, *wanted: Mount, roots: tuple[Path, ...] | None = None) -> Plan:
        folders = Folders((self.allowed,) if roots is None else roots, (self.data,))
        return plan(wanted, c.ATTEMPT_1, LABELS, folders)

    def refuses(self, wanted: Mount, because: str, roots: tuple[Path, ...] | None = None) -> None:
        with pytest.raises(Failure, match=because):
            self.plan(wanted, roots=roots)


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path.resolve())


def bind(source: object, **opts: str) -> Mount:
    return Mount(type="bind", source=str(source), target="/mnt", opts=opts)


def volume(opts: Mapping[str, str] = {}) -> Mount:
    return Mount(type="volume", target="/mnt", opts=dict(opts))


def tmpfs(**opts: str) -> Mount:
    return Mount(type="tmpfs", target="/mnt", opts=opts)


def only(made: Plan) -> dict[str, Any]:
    (entry,) = made.entries
    return entry


def test_a_task_without_mounts_mounts_nothing(host: Host) -> None:
    assert host.plan() == Plan()


def test_a_folder_in_an_allowed_one_is_mounted(host: Host) -> None:
    assert only(host.plan(bind(host.allowed / "in"))) == {
        "Type": "bind",
        "Source": str(host.allowed / "in"),
        "Target": "/mnt",
        "ReadOnly": False,
        "BindOptions": {"Propagation": "rprivate"},
    }


@pytest.mark.parametrize("inside", ["", "in/deep", "file"], ids=["itself", "deep inside", "a file"])
def test_all_of_an_allowed_folder_can_be_mounted(tmp_path: Path, inside: str) -> None:
    (tmp_path / "in" / "deep").mkdir(parents=True)
    (tmp_path / "file").touch()
    made = plan([bind(tmp_path / inside)], c.ATTEMPT_1, LABELS, Folders([tmp_path], ()))
    assert only(made)["Source"] == str(tmp_path / inside)


def test_nothing_of_the_host_is_allowed_by_itself_and_the_error_says_what_would(host: Host) -> None:
    host.refuses(bind(host.allowed), "--bind-root DIR", roots=())


@pytest.mark.parametrize("source", ["{place}/secret", "{place}", "{allowed}/../secret", "/{allowed}//..//secret/key"])
def test_what_lies_elsewhere_is_refused_however_it_is_written(host: Host, source: str) -> None:
    host.refuses(bind(source.format(place=host.place, allowed=host.allowed)), "lies in no folder .* names")


def test_the_way_may_be_written_in_a_long_way(host: Host) -> None:
    entry = only(host.plan(bind(f"/{host.allowed}/in/../in//./deep/")))
    assert entry["Source"] == str(host.allowed / "in" / "deep")


def test_a_folder_whose_name_only_begins_like_an_allowed_one_is_refused(host: Host) -> None:
    (host.place / "allowed-not").mkdir()
    host.refuses(bind(host.place / "allowed-not"), "lies in no folder")


def test_whether_something_is_there_is_not_told_of_what_is_not_allowed(host: Host) -> None:
    host.refuses(bind(host.place / "absent"), "lies in no folder")


def test_a_link_leads_nowhere_else(host: Host) -> None:
    (host.allowed / "link").symlink_to(host.place / "secret")
    host.refuses(bind(host.allowed / "link"), "lies in no folder")
    host.refuses(bind(host.allowed / "link" / "key"), "lies in no folder")


def test_a_link_that_stays_inside_is_followed_and_what_it_leads_to_is_mounted(host: Host) -> None:
    (host.allowed / "link").symlink_to("in")
    assert only(host.plan(bind(host.allowed / "link" / "deep")))["Source"] == str(host.allowed / "in" / "deep")


def test_an_allowed_folder_may_be_a_link_itself(host: Host) -> None:
    (host.place / "short").symlink_to(host.allowed)
    made = host.plan(bind(host.place / "short" / "in"), roots=(host.place / "short",))
    assert only(made)["Source"] == str(host.allowed / "in")


def test_what_is_not_there_is_not_created(host: Host) -> None:
    host.refuses(bind(host.allowed / "absent"), "No such file or directory")
    assert not (host.allowed / "absent").exists()


@pytest.mark.parametrize("source", ["", "in", "../in", "a\0b", "/a\0b", "/" + "x" * 5000, "/\ud800"])
def test_what_is_no_absolute_path_is_refused(host: Host, source: str) -> None:
    host.refuses(bind(source), "absolute path|leads nowhere|lies in no folder")


@pytest.mark.parametrize(
    "source",
    [
        *("/", "/proc", "/proc/self", "/sys/fs", "/dev", "/dev/null", "/etc", "/etc/passwd", "/run", "/var/run"),
        *("/boot", "/var", "/var/lib", "/etc/..//", "//etc", "/proc/1/root", "/proc/1/cwd/etc"),
        *("/var/run/docker.sock", "//var/run/docker.sock"),
    ],
)
def test_what_is_the_hosts_own_is_never_mounted(host: Host, source: str) -> None:
    host.refuses(bind(source), "never mounted|leads nowhere", roots=(Path("/"), Path(source)))


def test_jobledgers_own_folder_is_never_mounted_nor_what_is_in_it_nor_what_holds_it(host: Host) -> None:
    (host.data / "log.db").touch()
    for source in (host.data, host.data / "log.db", host.data.parent, host.allowed):
        host.refuses(bind(source), "never mounted")


def test_what_is_kept_is_known_by_other_names_too(host: Host) -> None:
    with socket.socket(socket.AF_UNIX) as engine:
        engine.bind(str(host.place / "docker.sock"))
    os.link(host.place / "docker.sock", host.allowed / "harmless")
    folders = Folders([host.allowed], [host.place / "docker.sock"])
    with pytest.raises(Failure, match="never mounted"):
        plan([bind(host.allowed / "harmless")], c.ATTEMPT_1, LABELS, folders)
    assert plan([bind(host.allowed / "harmless")], c.ATTEMPT_1, LABELS, Folders([host.allowed], [])).entries


def test_a_kept_folder_may_be_named_by_a_link(host: Host) -> None:
    (host.place / "short").symlink_to(host.allowed / "in")
    with pytest.raises(Failure, match="never mounted"):
        plan([bind(host.allowed / "in")], c.ATTEMPT_1, LABELS, Folders([host.allowed], [host.place / "short"]))


def test_what_is_kept_need_not_be_there_yet(host: Host) -> None:
    (host.place / "short").symlink_to(host.allowed / "in" / "later")
    folders = Folders([host.allowed], [])
    folders.keep(host.place / "short", host.allowed / "in" / "soon")
    for source in ("in", "in/soon/file", "in/later/file"):
        with pytest.raises(Failure, match="never mounted"):
            plan([bind(host.allowed / source)], c.ATTEMPT_1, LABELS, folders)


@pytest.mark.usefixtures("engine")  # for it needs the same rights
def test_neither_devices_nor_other_names_of_what_holds_something_kept_are_mounted(host: Host) -> None:
    (host.place / "outer" / "data").mkdir(parents=True)
    (host.allowed / "alias").mkdir()
    prepare = 'mknod "$2/allowed/disk" b 254 0 && mount --bind "$2/outer" "$2/allowed/alias" && exec "$1" -c "$3" "$2"'
    command = ["unshare", "--mount", "sh", "-c", prepare, "sh", sys.executable, str(host.place), ASK]
    asked = subprocess.run(as_root(*command), cwd=ROOT, capture_output=True, text=True, check=True, timeout=60)
    device, alias = asked.stdout.splitlines()
    assert "is a device" in device
    assert "never mounted" in alias


@pytest.mark.parametrize(
    ("line", "source"),
    [
        (b"50 1 0:4 / %s/in/deep/proc rw - proc proc rw", "in"),
        (b"50 1 0:4 / %s/in rw shared:1 - sysfs sysfs rw", "in/deep"),
        (b"50 1 0:4 / %s/a\\040b rw - cgroup2 cgroup2 rw", "a b"),
    ],
    ids=["below", "around", "with a blank"],
)
def test_file_systems_of_the_kernel_are_not_mounted_where_an_owner_mounted_them(
    host: Host, monkeypatch: pytest.MonkeyPatch, line: bytes, source: str
) -> None:
    (host.allowed / "a b").mkdir()
    monkeypatch.setattr(mounts, "MOUNTINFO", host.place / "mountinfo")
    mounts.MOUNTINFO.write_bytes(line % bytes(host.allowed) + b"\n")
    host.refuses(bind(host.allowed / source), "never mounted")


def test_what_is_mounted_below_is_looked_at_too(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    (host.allowed / "in" / "etc").symlink_to("/etc")  # as a bind of it would be: the same folder by another name
    monkeypatch.setattr(mounts, "MOUNTINFO", host.place / "mountinfo")
    line = f"50 1 8:1 /data {host.allowed}/in/deep rw - ext4 /dev/sda1 rw\n"
    mounts.MOUNTINFO.write_text(line)
    assert host.plan(bind(host.allowed / "in")).entries
    mounts.MOUNTINFO.write_text(line + f"51 1 8:1 /etc {host.allowed}/in/etc rw - ext4 /dev/sda1 rw\n")
    host.refuses(bind(host.allowed / "in"), "never mounted")


def test_a_link_that_was_put_in_its_place_since_is_found(host: Host) -> None:
    made = host.plan(bind(host.allowed / "in" / "deep"))
    made.check()
    (host.allowed / "in").rename(host.allowed / "away")
    (host.allowed / "in").symlink_to(host.allowed / "away")
    with pytest.raises(Failure, match="can not be mounted any more"):
        made.check()


def test_another_folder_that_was_put_in_its_place_since_is_found(host: Host) -> None:
    made = host.plan(bind(host.allowed / "in"))
    (host.allowed / "in").rename(host.allowed / "away")
    (host.allowed / "in").mkdir()
    with pytest.raises(Failure, match="not any more what it was"):
        made.check()


def test_a_link_as_the_last_part_is_no_folder(host: Host) -> None:
    made = host.plan(bind(host.allowed / "in" / "deep"))
    (host.allowed / "in" / "deep").rmdir()
    (host.allowed / "in" / "deep").symlink_to("/etc")
    with pytest.raises(Failure, match="it has become a link"):
        made.check()


@pytest.mark.parametrize("name", ["readonly", "ro"])
def test_a_folder_can_be_mounted_for_reading_only(host: Host, name: str) -> None:
    assert only(host.plan(bind(host.allowed / "in", **{name: "true"})))["ReadOnly"]
    assert not only(host.plan(bind(host.allowed / "in", **{name: "false"})))["ReadOnly"]


def test_later_mounts_of_the_host_may_come_in_but_none_goes_out(host: Host) -> None:
    slave = only(host.plan(bind(host.allowed / "in", propagation="rslave")))
    assert slave["BindOptions"] == {"Propagation": "rslave"}
    for propagation in ("shared", "rshared", "slave", "x"):
        host.refuses(bind(host.allowed / "in", propagation=propagation), "rprivate or rslave")


def test_options_that_are_not_known_are_refused(host: Host) -> None:
    host.refuses(bind(host.allowed / "in", readonly="maybe"), "true or false")
    host.refuses(bind(host.allowed / "in", nonrecursive="true"), "nonrecursive is unknown")
    host.refuses(tmpfs(exec="true"), "exec is unknown")
    host.refuses(volume({"driver": "sshfs"}), "driver is unknown")


def test_memory_is_mounted_with_a_size_and_a_mode(host: Host) -> None:
    assert only(host.plan(tmpfs(size="64m", mode="1770"))) == {
        "Type": "tmpfs",
        "Target": "/mnt",
        "ReadOnly": False,
        "TmpfsOptions": {"SizeBytes": 64 * 1024**2, "Mode": 0o1770},
    }
    assert only(host.plan(tmpfs()))["TmpfsOptions"] == {}


@pytest.mark.parametrize("opts", [{"size": "-1"}, {"size": "much"}, {"mode": "888"}, {"mode": "-1"}, {"mode": "77777"}])
def test_memory_of_no_size_or_mode_is_refused(host: Host, opts: dict[str, str]) -> None:
    host.refuses(tmpfs(**opts), "not an amount|octal")


def test_a_volume_is_the_attempts_own_and_tells_whose_it_is(host: Host) -> None:
    other = Mount(type="volume", target="/other")
    made = host.plan(tmpfs(), other)
    assert made.volumes == (f"{NAME}-2",)
    assert made.entries[1] == {
        "Type": "volume",
        "Source": f"{NAME}-2",
        "Target": "/other",
        "VolumeOptions": {"Labels": LABELS, "DriverConfig": {"Name": "local", "Options": {}}},
    }


@pytest.mark.parametrize(
    "opts",
    [
        {"type": "tmpfs", "device": "tmpfs", "o": "size=64m,uid=1000"},
        {"type": "nfs", "device": ":/export", "o": "addr=10.0.0.1,ro"},
        {"type": "cifs", "device": "//server/share", "o": "username=a"},
        {"size": "10G"},
    ],
    ids=["memory", "nfs", "cifs", "size"],
)
def test_a_volume_may_lie_elsewhere_than_on_the_host(host: Host, opts: dict[str, str]) -> None:
    assert only(host.plan(volume(opts)))["VolumeOptions"]["DriverConfig"]["Options"] == opts


@pytest.mark.parametrize(
    "opts",
    [
        {"type": "none", "o": "bind", "device": "/"},
        {"type": "none", "o": "rw,bind", "device": "/etc"},
        {"type": "tmpfs", "o": "rbind", "device": "/etc"},
        {"type": "tmpfs", "o": " BIND ", "device": "etc"},
        {"o": "bind", "device": "etc"},
        {"type": "none", "device": "/etc"},
        {"type": "bind", "device": "/etc"},
        {"type": "none", "o": "bind,shared", "device": "{allowed}/in"},
        {"type": "none", "o": "bind", "device": "{allowed}/../secret"},
        {"type": "ext4", "device": "/dev/vda"},
        {"type": "tmpfs", "device": "/etc"},
        {"type": "nfs", "device": "/etc", "o": "addr=10.0.0.1"},
        {"type": "tmpfs", "device": "tmpfs", "o": "remount"},
        {"type": "tmpfs", "device": "tmpfs", "o": "rshared"},
        {"type": "overlay", "device": "overlay", "o": "lowerdir=/etc"},
        {"type": "proc", "device": "proc"},
        {"type": "sysfs", "device": "sysfs"},
        {"device": "/etc"},
    ],
    ids=lambda opts: " ".join(f"{name}={value}" for name, value in opts.items()),
)
def test_a_volume_is_no_way_to_the_host(host: Host, opts: dict[str, str]) -> None:
    wanted = {name: value.format(allowed=host.allowed) for name, value in opts.items()}
    host.refuses(volume(wanted), "the mount at /mnt is refused")


def test_a_volume_that_is_an_allowed_folder_is_mounted_as_one(host: Host) -> None:
    made = host.plan(volume({"type": "none", "o": "bind,ro", "device": str(host.allowed / "in")}))
    assert only(made) == only(host.plan(bind(host.allowed / "in", readonly="true")))
    assert not made.volumes


@pytest.mark.parametrize("target", ["", "mnt", "/", "//", "/tork", "/tork/", "/mnt/..", "/proc/sys", "/sys", "/a\0b"])
def test_what_a_container_can_not_do_without_is_not_covered(host: Host, target: str) -> None:
    host.refuses(Mount(type="tmpfs", target=target), "absolute path in the container|nothing can be mounted there")


def test_two_mounts_need_two_places(host: Host) -> None:
    with pytest.raises(Failure, match="something else is mounted there"):
        host.plan(tmpfs(), Mount(type="volume", target="//mnt/"))


@pytest.mark.parametrize(
    "wanted",
    [
        Mount(type="npipe", source="x", target="/mnt"),
        Mount(type="", target="/mnt"),
        Mount(type="volume", source="someones", target="/mnt"),
        Mount(type="tmpfs", source="/etc", target="/mnt"),
    ],
    ids=["npipe", "none", "a volume of someone's", "tmpfs of something"],
)
def test_what_is_none_of_the_three_kinds_is_refused(host: Host, wanted: Mount) -> None:
    host.refuses(wanted, "its type must be|has no source")


def test_all_that_is_wrong_is_told_at_once(host: Host) -> None:
    with pytest.raises(Failure, match=r"at /mnt is refused: .*; the mount at /b is refused"):
        host.plan(bind("/etc"), Mount(type="npipe", target="/b"))


def run(client: docker.DockerClient, made: Plan, script: str) -> str:
    """Run a script in a container that mounts what was planned; return what it printed."""
    body = {
        "Image": "busybox:stable",
        "Entrypoint": ["sh", "-c", script],
        "HostConfig": {"Mounts": list(made.entries)},
    }
    made.check()
    container = client.api.create_container_from_config(body, uuid4().hex)["Id"]
    try:
        made.check()
        client.api.start(container)
        client.api.wait(container)
        printed: bytes = client.api.logs(container)
        return printed.decode()
    finally:
        client.api.remove_container(container, v=True, force=True)


def test_a_folder_is_shared_with_a_container(host: Host, docker_client: docker.DockerClient) -> None:
    assert run(docker_client, host.plan(bind(host.allowed / "in")), "echo hello >/mnt/said") == ""
    assert (host.allowed / "in" / "said").read_text() == "hello\n"


def test_a_folder_for_reading_is_not_written(host: Host, docker_client: docker.DockerClient) -> None:
    made = host.plan(bind(host.allowed / "file", readonly="true"))
    assert "Read-only file system" in run(docker_client, made, "echo hello >/mnt")
    assert (host.allowed / "file").read_text() == "of the host"


def test_memory_is_as_large_as_was_said_and_runs_no_program(host: Host, docker_client: docker.DockerClient) -> None:
    shown = run(docker_client, host.plan(tmpfs(size="1m", mode="0750")), "grep /mnt /proc/mounts; stat -c %a /mnt")
    assert "size=1024k" in shown
    assert "noexec" in shown
    assert shown.endswith("750\n")


def test_a_volume_is_created_with_its_labels_and_outlives_a_container(docker_client: docker.DockerClient) -> None:
    made = plan([volume()], attempt := uuid4(), LABELS, Folders([], []))
    run(docker_client, made, "echo kept >/mnt/file")
    found = docker_client.volumes.get(f"jobledger-{attempt.hex}-1")
    try:
        assert found.attrs["Labels"] == LABELS
        assert run(docker_client, made, "cat /mnt/file") == "kept\n"
    finally:
        found.remove()


def test_a_volume_is_created_as_its_options_say(docker_client: docker.DockerClient) -> None:
    opts = {"type": "tmpfs", "device": "tmpfs", "o": "size=2m"}
    made = plan([volume(opts)], uuid4(), LABELS, Folders([], []))
    try:
        assert "size=2048k" in run(docker_client, made, "grep /mnt /proc/mounts")
    finally:
        docker_client.api.remove_volume(made.volumes[0])


def test_what_is_the_engines_own_is_kept_from_tasks(docker_host: str, docker_client: docker.DockerClient) -> None:
    everything = Settings(data=Path("/nowhere"), bind_roots=(Path("/"),))
    runtime = DockerRuntime(everything, Engine(docker_host))
    runtime.connect()
    for own in (docker_client.info()["DockerRootDir"], docker_host.removeprefix("unix://")):
        with pytest.raises(Refusal, match="never"):
            runtime._folders.admit(own)
    runtime.close()
