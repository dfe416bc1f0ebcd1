"""A runtime that runs nothing: each task ends well at once. It shows what all but the tasks themselves costs.

In the place of Docker's, in a benchmark or a test:

    Runner(log, settings, NoopRuntime()).run()

As a process of its own, beside `jobledger serve --data DIR`; SIGTERM drains it:

    PYTHONPATH=. .venv/bin/python -P -m scripts.noop_runtime --data DIR --slots 8
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection
from contextlib import closing
from pathlib import Path
from threading import Event
from uuid import UUID

import click

from app.log import Log
from app.log.log import now
from app.runner import Runner
from app.runner.phases import OWN
from app.runner.reporter import Reporter
from app.runner.runtime import Work
from app.runner.signals import Cancelled, Signals
from app.runner.tools import Tools
from app.runner.verdict import Verdict, completed, stopped
from app.settings import Settings
from domain.job import TaskStatus
from projections.queue import Place


class Nothing:
    """What is left of an attempt that never ran."""

    def clean(self) -> None:
        """There is nothing to remove."""


class NoopCourse(Nothing):
    """Says all that is said of a task that ran."""

    def __init__(self, reporter: Reporter) -> None:
        """Know who speaks for the attempt."""
        self._reporter = reporter

    def run(self, status: TaskStatus, phases: Collection[str]) -> Verdict:
        """End well at once, unless it was called off."""
        if status is TaskStatus.CANCELLED:
            return stopped()
        try:
            if OWN not in phases:
                self._reporter.intend(OWN, "none")
            self._reporter.started(now())
        except Cancelled:
            return stopped()
        return completed("")


class NoopRuntime:
    """Is always there, and has nothing to find, to keep or to remove."""

    name = "no-op runtime"
    id = "noop"

    def __init__(self) -> None:
        """Be there."""
        self.is_there = Event()
        self.lost: Callable[[], None] = lambda: None

    def connect(self) -> None:
        """Be found there."""
        self.is_there.set()

    def course(self, work: Work, tools: Tools, signals: Signals) -> NoopCourse:  # noqa: ARG002 - nothing waits
        """Take an attempt upon itself."""
        return NoopCourse(Reporter(tools.ledger, work))

    def found(self, log: UUID, runner: UUID) -> Collection[Place]:  # noqa: ARG002 - whosever they were
        """Find nothing."""
        return ()

    def leftover(self, log: UUID, place: Place) -> Nothing:  # noqa: ARG002 - as above
        """Leave nothing."""
        return Nothing()

    def close(self) -> None:
        """Hold nothing."""


@click.command()
@click.option("--data", type=click.Path(path_type=Path), required=True, help="The folder of the log.")
@click.option("--name", default="noop", show_default=True, help="The runner's name.")
@click.option("--slots", default=0, help="Tasks at a time.")
def main(data: Path, name: str, slots: int) -> None:
    """Run a runner whose tasks end at once."""
    logging.basicConfig(level=logging.INFO)
    settings = Settings(data=data, name=name, slots=slots)
    settings.prepare()
    with closing(Log(settings.log)) as log:
        Runner(log, settings, NoopRuntime()).run()


if __name__ == "__main__":
    main()
