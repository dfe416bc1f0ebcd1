"""A real API process for tests, over an empty data folder, and a way to write to its log beside it."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from time import clock_gettime, monotonic, sleep
from typing import Any, NamedTuple

import pytest
import urllib3

from app.log import Log
from app.settings import Settings
from scripts.containers import free_port
from tests.waiting import PATIENCE, end

ROOT = Path(__file__).parent.parent


class Answer(NamedTuple):
    """What came back."""

    status: int
    headers: Any
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Api:
    """A client of one API process."""

    def __init__(self, port: int, settings: Settings, process: int = 0) -> None:
        """Ask at a port; with the number of the server's process it can be told how much that works."""
        self.port = port
        self._processor = ~process << 3 | 2  # as clock_getcpuclockid(3) makes it
        self.settings = settings
        self.url = f"http://127.0.0.1:{port}"
        self._http = urllib3.PoolManager(maxsize=16, retries=False, timeout=30)

    def ask(self, method: str, path: str, body: bytes | str | None = None, **headers: str) -> Answer:
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        response = self._http.request(method, self.url + path, body=body, headers=given)
        return Answer(response.status, response.headers, response.data)

    def get(self, path: str, **headers: str) -> Answer:
        return self.ask("GET", path, **headers)

    def put(self, path: str) -> Answer:
        return self.ask("PUT", path)

    def submit(self, body: bytes | str, content_type: str = "text/yaml") -> Answer:
        return self.ask("POST", "/jobs", body, Content_Type=content_type)

    def worked(self) -> float:
        """Tell how many seconds of a processor the server has used: these do not depend on who else is at work."""
        return clock_gettime(self._processor)

    def close(self) -> None:
        self._http.clear()


@contextlib.contextmanager
def running(data: Path, *options: str) -> Iterator[Api]:
    """Run `jobledger serve` for a while."""
    settings = Settings(data=data, port=free_port())
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "app", "serve", "--data", str(data), "--port", str(settings.port)]
    process = subprocess.Popen([*command, *options], env=environment, cwd=ROOT)
    api = Api(settings.port, settings, process.pid)
    try:
        _wait_until_up(api, process)
        yield api
    finally:
        api.close()
        end(process)


def _wait_until_up(api: Api, process: subprocess.Popen[bytes]) -> None:
    deadline = monotonic() + PATIENCE
    while monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(urllib3.exceptions.HTTPError):
            if api.get("/health").status == 200:
                return
        sleep(0.02)
    pytest.fail("the API did not come up")


@pytest.fixture(scope="session")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """Give an API that the tests of one worker share; nothing runs its jobs."""
    with running(tmp_path_factory.mktemp("api")) as served:
        yield served


@pytest.fixture(scope="session")
def log(api: Api) -> Iterator[Log]:
    """Give the same log, opened by another process than the API: this one."""
    opened = Log(api.settings.log)
    yield opened
    opened.close()


@pytest.fixture
def unmeasured(monkeypatch: pytest.MonkeyPatch) -> None:
    """Start commands without the measuring of coverage, which takes memory: for tests of how much they take."""
    for name in ("COVERAGE_PROCESS_START", "COVERAGE_PROCESS_CONFIG"):
        monkeypatch.delenv(name, raising=False)
