"""Which images are removed: those that the runner fetched, that no task uses any more, and no others."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import docker
import pytest

from app.runner.answers import EngineAway, EngineRefusal, ImageAbsent
from app.runner.engine import Engine
from app.runner.image_keeper import PERIOD, SOON, WRITE, ImageKeeper
from tests.waiting import until

if TYPE_CHECKING:
    from tests.registry import Registry

HOUR = 3600.0
TTL = 72 * HOUR
FETCHED = {"status": "Status: Downloaded newer image for alpine:3.20"}
FOUND = {"status": "Status: Image is up to date for alpine:3.20"}


class Shelf:
    """An Engine that has images, and nothing else."""

    def __init__(self) -> None:
        self.id = "ONE"
        self.images = {"alpine:3.20": "sha256:a", "busybox:1": "sha256:b"}
        self.in_use: set[str] = set()
        self.is_away = False

    def image_id(self, reference: str) -> str:
        if self.is_away:
            raise EngineAway
        if reference not in self.images:
            raise ImageAbsent
        return self.images[reference]

    def remove_image(self, reference: str) -> None:
        if reference in self.in_use:
            raise EngineRefusal("a container uses it")
        del self.images[reference]


class Case:
    """A keeper at its work, with a clock that goes when it is told to."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.now = 1_000_000.0
        self.shelf = Shelf()
        self.keeper = self.start()

    def start(self, ttl: float = TTL) -> ImageKeeper:
        self.keeper = ImageKeeper(self.shelf, self.path, ttl, lambda: self.now)
        return self.keeper

    def later(self, seconds: float) -> Case:
        self.now += seconds
        return self

    def has(self, reference: str) -> bool:
        return reference in self.shelf.images


@pytest.fixture
def case(tmp_path: Path) -> Case:
    return Case(tmp_path / "images.json")


def test_an_image_is_removed_when_no_task_has_used_it_for_long(case: Case) -> None:
    case.keeper.pulled("alpine:3.20", FETCHED)
    case.later(TTL - 1).keeper.sweep()
    assert case.has("alpine:3.20")
    case.later(1).keeper.sweep()
    assert not case.has("alpine:3.20")


def test_an_image_that_is_used_stays(case: Case) -> None:
    case.keeper.pulled("alpine:3.20", FETCHED)
    case.later(TTL - 1).keeper.used("sha256:a")
    case.later(TTL - 1).keeper.sweep()
    assert case.has("alpine:3.20")


def test_an_image_that_was_there_before_stays(case: Case) -> None:
    case.keeper.used("sha256:b")
    case.keeper.pulled("alpine:3.20", FOUND)
    case.keeper.pulled("alpine:3.20", {})
    case.later(2 * TTL).keeper.sweep()
    assert case.has("busybox:1")
    assert case.has("alpine:3.20")


def test_an_image_to_which_someone_gave_the_name_since_stays(case: Case) -> None:
    case.keeper.pulled("alpine:3.20", FETCHED)
    case.shelf.images["alpine:3.20"] = "sha256:newer"
    case.later(TTL).keeper.sweep()
    case.shelf.images["alpine:3.20"] = "sha256:a"
    case.later(TTL).keeper.sweep()
    assert case.has("alpine:3.20")


def test_the_same_image_on_another_engine_is_someone_elses(case: Case) -> None:
    case.keeper.pulled("alpine:3.20", FETCHED)
    case.shelf.id = "TWO"
    case.later(TTL).keeper.sweep()
    assert case.has("alpine:3.20")
    case.shelf.id = "ONE"
    case.keeper.sweep()
    assert not case.has("alpine:3.20")


def test_an_image_in_use_is_tried_again_later(case: Case) -> None:
    case.keeper.pulled("alpine:3.20", FETCHED)
    case.shelf.in_use.add("alpine:3.20")
    case.later(TTL).keeper.sweep()
    assert case.has("alpine:3.20")
    case.shelf.in_use.clear()
    case.keeper.sweep()
    assert not case.has("alpine:3.20")


def test_an_image_that_someone_removed_is_forgotten(case: Case) -> None:
    case.keeper.pulled("alpine:3.20", FETCHED)
    del case.shelf.images["alpine:3.20"]
    case.later(TTL).keeper.sweep()
    assert json.loads(case.path.read_bytes()) == []


def test_an_image_that_was_removed_at_once_is_not_known(case: Case) -> None:
    case.keeper.pulled("absent:1", FETCHED)
    assert not case.path.exists()


def test_an_engine_that_is_away_is_asked_later(case: Case) -> None:
    case.keeper.pulled("alpine:3.20", FETCHED)
    case.shelf.is_away = True
    case.later(TTL).keeper.sweep()
    case.shelf.is_away = False
    case.keeper.sweep()
    assert not case.has("alpine:3.20")


def test_an_image_that_was_fetched_anew_meanwhile_is_known(case: Case) -> None:
    case.keeper.pulled("alpine:3.20", FETCHED)
    remove = case.shelf.remove_image

    def remove_and_fetch(reference: str) -> None:
        remove(reference)
        case.shelf.images[reference] = "sha256:a"
        case.keeper.pulled(reference, FETCHED)

    case.shelf.remove_image = remove_and_fetch  # type: ignore[method-assign]
    case.later(TTL).keeper.sweep()
    assert [each["reference"] for each in json.loads(case.path.read_bytes())] == ["alpine:3.20"]


def test_nothing_is_removed_when_the_time_is_0(case: Case) -> None:
    case.keeper.pulled("alpine:3.20", FETCHED)
    keeper = case.start(ttl=0)
    case.later(1000 * TTL)
    keeper.look()
    assert keeper._sweeping is None


def test_a_restart_forgets_nothing(case: Case) -> None:
    case.keeper.pulled("alpine:3.20", FETCHED)
    case.later(TTL - 1).keeper.used("sha256:a")
    case.start()
    case.later(TTL - 1).keeper.sweep()
    assert case.has("alpine:3.20")
    case.later(1).keeper.sweep()
    assert not case.has("alpine:3.20")


def test_uses_are_not_written_down_each_time(case: Case) -> None:
    case.keeper.pulled("alpine:3.20", FETCHED)
    written = case.path.read_bytes()
    case.later(WRITE - 1).keeper.used("sha256:a")
    assert case.path.read_bytes() == written
    case.later(1).keeper.used("sha256:a")
    assert case.path.read_bytes() != written


def test_uses_of_images_that_are_not_its_own_are_not_written_down(case: Case) -> None:
    case.keeper.used("sha256:b")
    assert not case.path.exists()


def test_a_file_that_can_not_be_read_removes_nothing(case: Case, caplog: pytest.LogCaptureFixture) -> None:
    case.path.write_text('[{"engine": "ONE", "refer')
    case.start()
    assert "can not be read" in caplog.text
    case.later(TTL).keeper.sweep()
    assert case.has("alpine:3.20")


def test_a_file_that_can_not_be_written_stops_no_task(case: Case, caplog: pytest.LogCaptureFixture) -> None:
    case.path.mkdir()
    (case.path / "in the way").touch()
    case.keeper.pulled("alpine:3.20", FETCHED)
    assert "can not be written down" in caplog.text
    case.later(TTL).keeper.sweep()
    assert not case.has("alpine:3.20")


def test_it_looks_soon_after_the_start_and_then_once_an_hour(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[float] = []
    monkeypatch.setattr(case.keeper, "sweep", lambda: looks.append(case.now))
    begun = case.now
    for _ in range(3 * 360):
        case.keeper.look()
        if case.keeper._sweeping is not None:
            case.keeper._sweeping.join()
        case.later(10)
    assert looks == [begun + SOON + number * PERIOD for number in range(3)]


@pytest.fixture
def connected(docker_host: str) -> Iterator[Engine]:
    made = Engine(docker_host)
    made.connect()
    yield made
    made.close()


def image_of_its_own(client: docker.DockerClient) -> str:
    """Make an image that nobody else has; return its name."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        archive.addfile(tarfile.TarInfo(uuid4().hex))
    name = f"only-{uuid4().hex}"
    client.api.import_image_from_data(packed.getvalue(), repository=name, tag="1")
    return f"{name}:1"


def fetched(engine: Engine, registry: Registry) -> tuple[str, dict[str, Any]]:
    """Have the Engine pull an image that it does not have; return its name, and the Engine's last words."""
    name = image_of_its_own(registry.client)
    reference = registry.offer(name)
    registry.client.api.remove_image(name)
    *_, last = engine.pull(reference, registry.credentials)
    return reference, last


def test_a_real_image_is_removed_from_the_engine(connected: Engine, registry: Registry, tmp_path: Path) -> None:
    keeper = ImageKeeper(connected, tmp_path / "images.json", 1e-9)
    reference, last = fetched(connected, registry)
    image = connected.image_id(reference)
    keeper.pulled(reference, last)
    keeper.sweep()
    assert not registry.has(reference)
    with pytest.raises(ImageAbsent):
        connected.image_id(image)


def test_a_real_image_that_was_there_is_not(connected: Engine, registry: Registry, tmp_path: Path) -> None:
    keeper = ImageKeeper(connected, tmp_path / "images.json", 1e-9)
    reference, _ = fetched(connected, registry)
    *_, last = connected.pull(reference, registry.credentials)
    keeper.pulled(reference, last)
    keeper.sweep()
    assert registry.has(reference)
    connected.remove_image(reference)


def test_a_real_image_is_not_removed_while_a_container_uses_it(
    connected: Engine, registry: Registry, tmp_path: Path
) -> None:
    keeper = ImageKeeper(connected, tmp_path / "images.json", 1e-9)
    reference, last = fetched(connected, registry)
    keeper.pulled(reference, last)
    container = registry.client.containers.create(reference, ["x"])
    keeper.sweep()
    assert registry.has(reference)
    container.remove()
    keeper.sweep()
    assert not registry.has(reference)


def test_a_real_image_stays_under_the_name_that_someone_gave_it(
    connected: Engine, registry: Registry, tmp_path: Path
) -> None:
    keeper = ImageKeeper(connected, tmp_path / "images.json", 1e-9)
    reference, last = fetched(connected, registry)
    keeper.pulled(reference, last)
    mine = f"mine-{uuid4().hex}:1"
    registry.client.images.get(reference).tag(mine)
    keeper.sweep()
    assert registry.has(mine)
    connected.remove_image(mine)


def test_images_are_removed_in_a_thread_of_its_own(connected: Engine, registry: Registry, tmp_path: Path) -> None:
    now = [0.0]
    keeper = ImageKeeper(connected, tmp_path / "images.json", 1.0, lambda: now[0])
    reference, last = fetched(connected, registry)
    keeper.pulled(reference, last)
    now[0] += SOON
    keeper.look()
    until(lambda: not registry.has(reference))
