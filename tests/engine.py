"""A Docker Engine for the tests, apart from the machine's: started at first need, shared by all workers of a run.

conftest.py takes it in with `pytest_plugins = ["tests.engine"]`. A test that names one of the fixtures is marked
`docker`. An Engine that hangs is replaced after the test that suffered from it, and the report says so.
"""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Generator, Iterator
from contextlib import closing, suppress
from pathlib import Path

import docker
import pytest

from scripts import private_engine
from scripts.packages import Unable

FOLDER = "JOBLEDGER_TEST_ENGINE"
"""The environment variable by which the workers of a run learn where their Engine lives."""
PLACE = Path("/var/tmp")  # noqa: S108 - not /tmp: that may lie in memory; the folders in it are made by mkdtemp
PREFIX = "jobledger-engine-"
OWNER = pytest.StashKey[int]()
STARTED = pytest.StashKey[bool]()


@pytest.fixture(scope="session")
def engine(pytestconfig: pytest.Config) -> Path:
    """Give the socket of an Engine that has the image busybox:stable."""
    try:
        private_engine.own(_folder())
    except Unable as error:
        pytest.fail(f"This test needs a Docker Engine. {error}", pytrace=False)
    pytestconfig.stash[STARTED] = True
    return _folder() / "docker.sock"


@pytest.fixture(scope="session")
def docker_host(engine: Path) -> str:
    """Give the Engine's address, as DOCKER_HOST takes it."""
    return f"unix://{engine}"


@pytest.fixture
def docker_client(docker_host: str) -> Iterator[docker.DockerClient]:
    """Give a client with a deadline for each answer: an Engine that hangs fails the test and no more."""
    with closing(docker.DockerClient(base_url=docker_host, version="auto", timeout=30)) as client:
        yield client


@pytest.hookimpl(tryfirst=True)  # before `-m docker` selects
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests that need an Engine."""
    for item in items:
        if _needs_engine(item):
            item.add_marker("docker")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """After a failure look whether the Engine hangs, for then the test may be right."""
    report = yield
    if report.failed and STARTED in item.config.stash and _needs_engine(item) and not private_engine.answers(_folder()):
        report.sections.append(("Docker Engine", f"It gave no answer when asked after this test. {_replace()}"))
    return report


def _replace() -> str:
    try:
        private_engine.own(_folder())
    except Unable as error:
        return f"It could not be started again: {error}"
    return "It was started again for the tests that follow."


def pytest_configure(config: pytest.Config) -> None:
    """Choose the folder of this run's Engine; end the Engines of runs that were killed."""
    if not hasattr(config, "workerinput"):
        _end_abandoned()
        folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=PLACE))
        config.stash[OWNER] = os.open(folder / "owner", os.O_CREAT | os.O_RDWR)
        fcntl.flock(config.stash[OWNER], fcntl.LOCK_EX)
        os.environ[FOLDER] = str(folder)


def pytest_unconfigure(config: pytest.Config) -> None:
    """End the Engine with the run that it belongs to."""
    if OWNER in config.stash:
        with suppress(OSError, Unable):  # the next run tries again
            _end(_folder())
        os.close(config.stash[OWNER])


def _needs_engine(item: pytest.Item) -> bool:
    return isinstance(item, pytest.Function) and "engine" in item.fixturenames


def _folder() -> Path:
    return Path(os.environ[FOLDER])


def _end_abandoned() -> None:
    """End the Engines of runs that were killed: a run that lives holds a lock in its folder."""
    for folder in PLACE.glob(f"{PREFIX}*"):
        with suppress(OSError, Unable), (folder / "owner").open() as owner:  # another user's, or just gone
            fcntl.flock(owner, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _end(folder)


def _end(folder: Path) -> None:
    private_engine.stop(folder)
    for path in folder.iterdir():
        path.unlink()
    folder.rmdir()
