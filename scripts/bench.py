"""The command line of `scripts/bench`: each row starts real processes, loads them, and compares with a raw limit."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path
from threading import Event, Thread
from time import monotonic, perf_counter, sleep
from typing import NamedTuple, Self

import click
import urllib3

from scripts import containers, each

ROOT = Path(__file__).parent.parent
LOAD = ROOT / "scripts" / "load"
JOBS = 100_000
YAML = b"name: probe\ntasks:\n  - name: t\n    image: a\n    queue: parked\n"


class Row(NamedTuple):
    """One line of the table."""

    work: str
    ours: str
    raw: str
    ratio: str
    reach: str


class Load(NamedTuple):
    """What wrk measured."""

    requests: int
    bad: int
    rate: float
    p50: float
    p99: float


def wrk(url: str, script: str, connections: int, seconds: int) -> Load:
    """Load an address and return what came of it; answers other than 200 end the benchmark."""
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "-s", str(LOAD / script), url]
    output = subprocess.run(command, check=True, capture_output=True, text=True, env=os.environ | {"LOAD": str(LOAD)})
    figures = output.stdout.rpartition("RESULT ")[2].split()
    load = Load(int(figures[0]), int(figures[1]), *map(float, figures[2:]))
    if load.bad or not load.requests:
        sys.exit(f"{url}: {load.bad} of {load.requests} requests failed")
    return load


class Service:
    """A running command of Jobledger with an API."""

    def __init__(self, process: subprocess.Popen[bytes], port: int) -> None:
        """Name the process and where it listens."""
        self.process = process
        self.url = f"http://127.0.0.1:{port}"
        self.http = urllib3.PoolManager(retries=False, timeout=60)

    def get(self, path: str) -> dict[str, object]:
        """Ask for a document."""
        answer: dict[str, object] = self.http.request("GET", self.url + path).json()
        return answer

    def submit(self, body: bytes = YAML) -> str:
        """Hand in a job and return its id."""
        answer = self.http.request("POST", f"{self.url}/jobs", body=body, headers={"Content-Type": "text/yaml"})
        return str(answer.json()["id"])


@contextmanager
def service(command: str, data: Path, *options: str, preload: Path | None = None) -> Iterator[Service]:
    """Run `jobledger serve` or `up` over a data folder."""
    port = containers.free_port()
    environment = os.environ | ({"LD_PRELOAD": str(preload)} if preload else {})
    arguments = [sys.executable, "-m", "app", command, "--data", str(data), "--port", str(port), *options]
    quiet = subprocess.DEVNULL
    process = subprocess.Popen(arguments, env=environment, cwd=ROOT, stdout=quiet, stderr=quiet)
    running = Service(process, port)
    try:
        _wait_until_up(running)
        yield running
    finally:
        process.terminate()
        process.wait(60)


def _wait_until_up(running: Service) -> None:
    deadline = monotonic() + 60
    while monotonic() < deadline:
        try:
            if running.http.request("GET", f"{running.url}/health").status == HTTPStatus.OK:
                return
        except urllib3.exceptions.HTTPError:
            pass
        if running.process.poll() is not None:
            break
        sleep(0.01)
    sys.exit("the service did not come up")


def syncs(folder: Path) -> float:
    """Return how many times a second a small write is on the disk here."""
    with (folder / "syncs").open("wb") as file:
        began, count = perf_counter(), 500
        for _ in range(count):
            os.write(file.fileno(), b"x" * 8_192)
            os.fdatasync(file.fileno())
        return count / (perf_counter() - began)


class Lag:
    """How long it takes, under load, until what was just answered can be read."""

    def __init__(self, running: Service) -> None:
        """Watch a service."""
        self._service = running
        self._over = Event()
        self._thread = Thread(target=self._watch)
        self.worst = 0.0

    def __enter__(self) -> Self:
        """Begin to watch."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """End."""
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._over.wait(0.25):
            job = self._service.submit()
            began = perf_counter()
            self._service.get(f"/jobs/{job}")
            self.worst = max(self.worst, perf_counter() - began)


def fill(running: Service) -> None:
    """See that there are JOBS jobs and more."""
    while int(str(running.get("/jobs?size=1")["totalItems"])) < JOBS:
        wrk(f"{running.url}/jobs", "post.lua", 32, 10)


def post(data: Path) -> Iterator[Row]:
    """Submit jobs, 8 connections, 60 s, durable, views following, over 100,000 jobs and more."""
    with service("serve", data) as running:
        fill(running)
        with Lag(running) as lag:
            load = wrk(f"{running.url}/jobs", "post.lua", 8, 60)
        raw = syncs(data)
        yield Row(
            "POST /jobs, 8 connections", _a_second(load), f"{raw:,.0f} syncs/s", _ratio(load.rate, raw), "1,800/s"
        )
        yield Row("  views behind, at worst", f"{lag.worst * 1000:.0f} ms", "", "", "1 s")


def slow(data: Path) -> Iterator[Row]:
    """Submit jobs, 64 connections, on a disk whose sync takes 5 ms."""
    shim = data / "slow_sync.so"
    subprocess.run(["gcc", "-shared", "-fPIC", "-O2", "-o", shim, LOAD / "slow_sync.c", "-ldl"], check=True)
    with service("serve", data / "slow", preload=shim) as running:
        load = wrk(f"{running.url}/jobs", "post.lua", 64, 20)
        yield Row("  sync of 5 ms, 64 connections", _a_second(load), "200 syncs/s", _ratio(load.rate, 200), "1,000/s")


def reads(data: Path) -> Iterator[Row]:
    """Read lists, searches and details, 8 connections, over 100,000 jobs and more."""
    with service("serve", data) as running:
        fill(running)
        raw = wrk(f"{running.url}/health", "get.lua", 8, 5).rate
        job = running.get("/jobs?size=1")["items"][0]["id"]  # type: ignore[index]  # a list of documents
        paths = {"/jobs": "6,000/s", "/jobs?q=alpha%20bravo": "1,000/s", f"/jobs/{job}": "6,000/s"}
        for path, reach in paths.items():
            load = wrk(running.url + path, "get.lua", 8, 10)
            yield Row(f"GET {path[:24]}", _a_second(load), f"{raw:,.0f} /health/s", _ratio(load.rate, raw), reach)


def rebuild(data: Path) -> Iterator[Row]:
    """Rebuild the read models of 100,000 jobs and more."""
    with service("serve", data) as running:
        fill(running)
    command = [sys.executable, "-P", "-m", "scripts.rebuild", "--data", str(data)]
    timed = ["/usr/bin/time", "-f", "%M", *command] if Path("/usr/bin/time").exists() else command
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    result = subprocess.run(timed, check=True, capture_output=True, text=True, cwd=ROOT, env=environment)
    rate = result.stdout.partition("(")[2].partition("/s")[0]
    memory = f"{int(result.stderr.split()[-1]) // 1024} MB at most" if timed is not command else ""
    yield Row("rebuild", f"{rate} events/s", memory, "", "30,000 events/s")


def idle(data: Path) -> Iterator[Row]:
    """Start `up` and let it do nothing."""
    began = perf_counter()
    with service("up", data / "idle") as running:
        up = perf_counter() - began
        sleep(3)
        family = containers.family(running.process.pid)
        before, start = containers.processor_seconds(family), monotonic()
        sleep(20)
        share = (containers.processor_seconds(family) - before) / (monotonic() - start)
        memory = containers.memory(family)
    yield Row("idle up: processor", f"{share:.1%} of a core", "", "", "2 %")
    yield Row("idle up: memory", f"{memory / 2**20:.0f} MB", f"{len(family)} processes", "", "250 MB")
    yield Row("up: first /health", f"{up:.2f} s", "", "", "2 s")


def run_containers(data: Path) -> Iterator[Row]:
    """Run 100 jobs of one container on 8 slots, then some one after another, and the same by the raw Engine API."""
    containers.need_an_engine()
    with service("up", data / "containers", "--slots", "8") as running:
        ours = containers.many(running, 100)
        raw = containers.raw_rate(100, 8)
        yield Row("100 jobs of one container, 8 slots", f"{ours:.2f}/s", f"{raw:.2f}/s", _ratio(ours, raw), "0.9")
        one = containers.single(running, 25)
        raw_one = containers.raw_median(25)
        more = f"+{(one - raw_one) * 1000:.0f} ms"
        yield Row("one job, end to end", f"{one * 1000:.0f} ms", f"{raw_one * 1000:.0f} ms", more, "+60 ms")


def loops(data: Path) -> Iterator[Row]:
    """Run 10,000 items on a runtime that does nothing: as one each, and as 100 of 100 items, one after another."""
    many, one = (_loops(data / name, *shape) for name, shape in {"many": (100, 100), "one": (1, 10_000)}.items())
    time, memory = one.seconds / many.seconds, one.memory / many.memory
    yield Row("each of 10,000 items, an item", _ms(one.seconds), f"{_ms(many.seconds)} of 100", f"{time:.2f}", "1.5")
    yield Row("  memory", f"{one.memory:,.0f} B", f"{many.memory:,.0f} B of 100", f"{memory:.2f}", "1.5")
    yield Row("  another job starts, at worst", _ms(one.slowest_start), f"{_ms(one.median_start)} median", "", "100 ms")


def _loops(data: Path, jobs: int, items: int) -> each.Cost:
    with service("serve", data) as running, each.runner(data) as worker:
        each.cost(running, worker, 1, 10)  # warm
        return each.cost(running, worker, jobs, items)


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.2f} ms"


ROWS: dict[str, Callable[[Path], Iterator[Row]]] = {
    "post": post,
    "slow": slow,
    "reads": reads,
    "rebuild": rebuild,
    "containers": run_containers,
    "each": loops,
    "idle": idle,
}


def _ratio(ours: float, raw: float) -> str:
    return f"{ours / raw:.2f}"


def _a_second(load: Load) -> str:
    return f"{load.rate:,.0f}/s"


@click.command(help=f"Measure Jobledger against this machine's raw limits: {', '.join(ROWS)}, or all of them.")
@click.argument("rows", nargs=-1, type=click.Choice(list(ROWS)))
@click.option("--keep", type=click.Path(path_type=Path), help="A folder to work in and to leave as it is.")
def main(rows: tuple[str, ...], keep: Path | None) -> None:
    """Print the table, each row as it is done."""
    if not shutil.which("wrk"):
        sys.exit("the benchmark loads with wrk: apt-get install wrk")
    data = keep or Path(tempfile.mkdtemp(prefix="jobledger-bench-", dir="/var/tmp"))
    data.mkdir(exist_ok=True)
    form = "| {:36} | {:>14} | {:>16} | {:>8} | {:>16} |"
    click.echo(form.format("work", "ours", "raw limit", "ratio", "reach"))
    for name in rows or ROWS:
        for row in ROWS[name](data):
            click.echo(form.format(*row))
    if keep is None:
        shutil.rmtree(data)


if __name__ == "__main__":
    main()
