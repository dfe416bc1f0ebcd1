"""How a task becomes phases, and a phase a container; how long it may take, and how far it is."""

from __future__ import annotations

import io
import tarfile
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec
import pytest

from app.runner import phases, spec
from app.runner.exchange import Exchange, archive, relative
from app.runner.limits import phase_limit, task_limit
from app.runner.phases import Phase
from app.runner.progress import Gauge
from app.runner.runtime import Work
from app.runner.verdict import Failure
from domain.definition import TaskDefinition
from domain.job import attempt_id
from projections.queue import Claim, Place
from tests import controls as c
from tests.site import post, pre, sidecar, task


def work(definition: TaskDefinition, attempt: UUID = c.ATTEMPT_1, path: str = "") -> Work:
    event = msgspec.structs.replace(c.SCHEDULED_1, task=definition, attempt=attempt, path=path)
    return Work(c.JOB, c.RUNNER, Place(2, attempt, c.JOB, 2), Claim(c.EPOCH, 3, c.NOON), event, definition)


FULL = task(
    "own",
    name="Own Task",
    pre=(pre(name="a"), pre(name="b", timeout="5s")),
    post=(post(name="c"), post(name="d", always=True)),
    sidecars=(sidecar(name="Data Base"),),
    networks=("red", "bridge"),
    timeout="1m",
)


def phase(name: str, definition: TaskDefinition = FULL) -> Phase:
    return next(each for each in phases.each(definition) if each.name == name)


def body(name: str, definition: TaskDefinition = FULL) -> Any:
    return spec.body(phase(name, definition), work(definition), Path("/data/a"), {})


def test_each_program_of_a_task_has_a_name_for_the_log_and_one_for_people() -> None:
    named = {each.name: each.title for each in phases.each(FULL)}
    assert named == {
        "pre-1": "pre task a",
        "pre-2": "pre task b",
        "": "",
        "post-1": "post task c",
        "post-2": "post task d",
        "sidecar-1": "sidecar Data Base",
    }
    assert [each.name for each in phases.each(FULL) if each.is_for_failures] == ["post-2"]


def test_a_container_is_named_after_its_attempt_and_phase() -> None:
    assert spec.name(c.ATTEMPT_1) == f"jobledger-{c.ATTEMPT_1.hex}"
    assert spec.name(c.ATTEMPT_1, "pre-1") == f"jobledger-{c.ATTEMPT_1.hex}-pre-1"
    assert body("pre-2")["Labels"]["jobledger.phase"] == "pre-2"


def test_only_the_task_itself_is_in_the_network_of_its_sidecars() -> None:
    own = spec.name(c.ATTEMPT_1)
    assert spec.networks(phase(""), work(FULL)) == (own, "red", "bridge")
    assert spec.networks(phase("sidecar-1"), work(FULL)) == (own, "red", "bridge")
    assert spec.networks(phase("pre-1"), work(FULL)) == ("red", "bridge")
    plain = task()
    assert spec.networks(phase("", plain), work(plain)) == ()
    assert "NetworkingConfig" not in body("", plain)


def test_a_program_is_found_by_its_name_but_in_the_engines_own_network() -> None:
    assert spec.aliases(phase("sidecar-1"), "red") == ("data-base",)
    assert spec.aliases(phase("sidecar-1"), "bridge") == ()
    assert body("pre-1")["NetworkingConfig"] == {"EndpointsConfig": {"red": {"Aliases": ["a"]}}}
    assert body("pre-1")["HostConfig"]["NetworkMode"] == "red"


@pytest.mark.parametrize(
    ("text", "name"), [("Data Base", "data-base"), ("--Größe: 3!", "grosse-3"), ("日本", ""), ("x" * 80, "x" * 63)]
)
def test_a_name_for_people_becomes_one_for_machines(text: str, name: str) -> None:
    assert spec.slug(text.replace("ß", "ss")) == name


def test_a_program_begins_where_its_task_says_or_beside_its_files() -> None:
    assert "WorkingDir" not in body("")
    assert body("", task(workdir="/srv"))["WorkingDir"] == "/srv"
    assert body("", task(files={"a": ""}))["WorkingDir"] == "/tork/workdir"
    assert body("", task(workdir="/srv", files={"a": ""}))["WorkingDir"] == "/srv"
    assert "WorkingDir" not in body("pre-1", task(workdir="/srv", pre=(pre("true"),)))


@pytest.mark.parametrize("name", ["../x", "a/../../x", "..", "", "/", "a\0b"])
def test_no_file_leads_out_of_its_folder(name: str) -> None:
    with pytest.raises(ValueError, match="is not the name of a file"):
        relative(name)


def test_files_are_written_where_all_may_write_and_none_may_change_them(tmp_path: Path) -> None:
    Exchange(tmp_path / "a").create("", {"one": "1", "/deep/er/two": "2"})
    found = {
        str(path.relative_to(tmp_path / "a")): path.stat().st_mode & 0o777 for path in (tmp_path / "a").rglob("w*/**/*")
    }
    assert found == {
        "workdir/one": 0o444,
        "workdir/deep": 0o777,
        "workdir/deep/er": 0o777,
        "workdir/deep/er/two": 0o444,
    }


def test_files_are_packed_with_the_folder_that_they_are_for() -> None:
    with tarfile.open(fileobj=io.BytesIO(archive({"one": "1", "deep/two": "zwei"}, "/srv/app"))) as tar:
        packed = {entry.name: (entry.mode, entry.size) for entry in tar}
    assert packed == {"srv/app/one": (0o444, 1), "srv/app/deep/two": (0o444, 4)}


BEGAN = c.NOON + timedelta(seconds=57)


def test_a_task_has_its_time_from_its_claim_on() -> None:
    limit = task_limit(work(FULL))
    assert limit is not None
    assert (limit.at - c.NOON, limit.error) == (timedelta(minutes=1), "timed out after 1m")
    assert task_limit(work(task())) is None


@pytest.mark.parametrize(
    ("name", "began", "tidying", "expected"),
    [
        ("", BEGAN, False, (60, "timed out after 1m")),
        ("pre-1", BEGAN, False, (60, "timed out after 1m")),
        ("pre-2", BEGAN, False, (60, "timed out after 1m")),
        ("pre-2", c.NOON, False, (5, "pre task b: timed out after 5s")),
        ("post-2", BEGAN, True, (57 + 60, "post task d: timed out after 1m")),
    ],
)
def test_a_program_has_its_own_time_within_that_of_the_task(
    name: str, began: Any, *, tidying: bool, expected: tuple[int, str]
) -> None:
    limit = phase_limit(work(FULL), phase(name), began, tidying=tidying)
    assert limit is not None
    assert ((limit.at - c.NOON).total_seconds(), limit.error) == expected


def test_a_failure_names_its_program_once() -> None:
    assert str(Failure("exit code 3", "exit", 3).titled("pre task a")) == "pre task a: exit code 3"
    late = Failure("pre task b: timed out after 5s", "timeout")
    assert late.titled("pre task b") is late
    assert str(Failure("exit code 3", "exit", 3).titled("")) == "exit code 3"


FIRST_IN_A_LOOP = attempt_id(attempt_id(c.JOB, 2, 1), 3, 1)


@pytest.mark.parametrize(
    ("attempt", "path", "follows"),
    [
        (attempt_id(c.JOB, 1, 1), "", False),
        (attempt_id(c.JOB, 1, 2), "", True),
        (FIRST_IN_A_LOOP, "2.3", False),
        (attempt_id(attempt_id(c.JOB, 2, 1), 3, 2), "2.3", True),
        (attempt_id(attempt_id(c.JOB, 2, 2), 3, 1), "2.3", True),
    ],
    ids=["first", "second", "first in a loop", "second in a loop", "first in a loop that was restarted"],
)
def test_an_attempt_knows_whether_there_was_one_before(attempt: UUID, path: str, *, follows: bool) -> None:
    assert work(task(), attempt, path).may_follow is follows


def told(*texts: str) -> tuple[list[int], list[str]]:
    percents: list[int] = []
    complaints: list[str] = []
    reading = iter(texts)
    gauge = Gauge(lambda: next(reading), percents.append, complaints.append)
    for _ in texts:
        gauge.look()
    return percents, complaints


def test_progress_is_a_whole_percent_from_0_to_100() -> None:
    assert told("", "12.9", "-3", "1e3", "inf", " 7 ") == ([12, 0, 100, 100, 7], [])


def test_what_is_no_number_is_told_once() -> None:
    assert told("half", "5", "nan", "") == ([5], ["the progress is no number from 0 to 100: 'half'"])
