"""What webhooks tell of a job, and that it is what clients saw at that moment."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec
from hypothesis import given, settings

from app.policies.story import Story as Told
from app.policies.summaries import TaskSummary
from domain import job
from domain.definition import Each, Parallel, Subjob, TaskDefinition
from domain.event import Recorded
from domain.webhook import JOB_PROGRESS, JOB_STATE, TASK_PROGRESS, TASK_STATE
from projections import document, search, views
from projections.store import Store
from projections.wire import encode
from tests import controls as c
from tests.story import Story, task
from tests.test_job_model import CHOICES, TASKS, step


class Both:
    """The same events, told as webhooks tell them and written as the API shows them."""

    def __init__(self, story: Story, store: Store, reader: sqlite3.Connection) -> None:
        self.story = story
        self.store = store
        self.reader = reader
        self.told = Told()
        self.tasks: dict[str, dict[str, Any]] = {}

    def catch_up(self) -> None:
        """Tell what is new, a second after what was told before."""
        at = c.NOON + timedelta(seconds=self.told.version)
        news = [
            Recorded(c.JOB, number, msgspec.structs.replace(event, at=at), at, c.CLIENT, number)
            for number, event in enumerate(self.story.events[self.told.version :], self.told.version + 1)
        ]
        for recorded in news:
            self.told.tell(recorded)
            changed = (*self.told.news.get(TASK_STATE, ()), *self.told.news.get(TASK_PROGRESS, ()))
            self.tasks |= {each.id: json.loads(encode(each)) for each in changed if each}
        if news:
            self.store.apply(news)

    def shown(self) -> Any:
        (row,) = search.newest(self.reader, 1, 10).items
        return json.loads(row)

    def execution(self) -> dict[str, Any]:
        """Return the tasks that have begun."""
        whole = json.loads(document.find(self.reader, c.JOB.hex) or b"")
        return {each["id"]: each for each in whole["execution"] if {"scheduledAt", "failedAt"} & each.keys()}


@contextmanager
def both(story: Story) -> Iterator[Both]:
    with TemporaryDirectory() as folder:
        store = views.open_store(Path(folder) / "views-1.db")
        reader = views.connect(store.path)
        try:
            yield Both(story, store, reader)
        finally:
            reader.close()
            store.close()


@settings(max_examples=50, deadline=None)
@given(TASKS, CHOICES)
def test_what_is_told_is_what_the_api_shows_after_every_step(
    tasks: list[TaskDefinition], choices: list[tuple[int, int]]
) -> None:
    story = Story(*tasks, description="what for", tags=("a",), inputs={"x": "y"})
    with both(story) as views_and_told:
        views_and_told.catch_up()
        for place, chance in choices:
            step(story, place, chance)
            views_and_told.catch_up()
            assert json.loads(encode(views_and_told.told.summary)) == views_and_told.shown()
        for task_id, shown in views_and_told.execution().items():
            expected = {name: shown[name] for name in TaskSummary.__struct_encode_fields__ if name in shown}
            assert views_and_told.tasks[task_id] == expected


def told(story: Story, kind: str) -> list[str]:
    """Tell a whole story, and return what there was of one kind: states, or progress, with the paths of tasks."""
    teller = Told()
    lines = []
    for number, event in enumerate(story.events, 1):
        teller.tell(Recorded(c.JOB, number, event, c.NOON, c.CLIENT, number))
        for subject in teller.news.get(kind, ()):
            shown = subject or teller.summary
            what = shown.state if kind in {JOB_STATE, TASK_STATE} else f"{shown.progress:g}"
            lines.append(f"{subject.path} {what}" if subject else what)
    return lines


def test_each_state_of_a_job_is_told_once() -> None:
    story = Story(task(), task())
    for path in ("1", "2"):
        story.complete(path)
    assert told(story, JOB_STATE) == ["PENDING", "SCHEDULED", "RUNNING", "COMPLETED"]


def test_a_failure_and_a_restart_are_told() -> None:
    story = Story(task())
    story.fail("1")
    story.do(job.Restart(at=c.NOON))
    story.complete("1")
    assert told(story, JOB_STATE) == ["PENDING", "SCHEDULED", "RUNNING", "FAILED", "RUNNING", "COMPLETED"]


def test_a_job_that_is_called_off_before_it_began_is_pending_again_after_a_restart() -> None:
    story = Story(task())
    story.do(job.Cancel(at=c.NOON))
    story.do(job.Restart(at=c.NOON))
    assert told(story, JOB_STATE) == ["PENDING", "CANCELLED", "PENDING"]


def test_the_progress_of_a_job_is_told_when_one_of_its_tasks_is_done_or_tells_its_own() -> None:
    story = Story(task(), task(condition="false"), task())
    story.start("1")
    story.report("1", job.Progress, progress=50.0)
    story.complete("1")
    story.complete("3")
    assert told(story, JOB_PROGRESS) == ["16.67", "33.33", "66.67", "100"]


def test_children_of_a_task_of_the_job_add_to_its_progress_and_those_further_inside_do_not() -> None:
    inner = task(parallel=Parallel(tasks=(task(), task())))
    story = Story(task(parallel=Parallel(tasks=(task(), inner))))
    for path in ("1.1", "1.2.1", "1.2.2"):
        story.complete(path)
    assert told(story, JOB_PROGRESS) == ["50", "100", "100"]


def test_the_states_of_a_task_are_told() -> None:
    story = Story(task())
    story.fail("1")
    assert told(story, TASK_STATE) == ["1 SCHEDULED", "1 RUNNING", "1 FAILED"]


def test_composite_tasks_and_their_children_are_told_of() -> None:
    story = Story(task(each=Each(list="[1, 2]", task=task(), concurrency=1)), task(condition="false"))
    story.complete("1.1")
    story.complete("1.2")
    assert told(story, TASK_STATE) == [
        "1 RUNNING",
        *("1.1 SCHEDULED", "1.1 RUNNING", "1.1 COMPLETED"),
        *("1.2 SCHEDULED", "1.2 RUNNING", "1.2 COMPLETED"),
        *("1 COMPLETED", "2 SKIPPED"),
    ]


def test_a_task_that_starts_a_job_is_told_of() -> None:
    story = Story(task(subjob=Subjob(name="inner", tasks=(task(),))))
    story.do(job.EndSubjob(at=c.NOON, attempt=story.attempt("1").id, result="42"))
    assert told(story, TASK_STATE) == ["1 RUNNING", "1 COMPLETED"]
    assert told(story, JOB_STATE) == ["PENDING", "RUNNING", "COMPLETED"]


def test_tasks_that_a_failure_or_a_cancel_ends_are_told_of() -> None:
    story = Story(task(parallel=Parallel(tasks=(task(), task(), task()))))
    story.start("1.2")
    story.fail("1.1")
    assert told(story, TASK_STATE)[-4:] == ["1.1 FAILED", "1 FAILED", "1.2 CANCELLED", "1.3 CANCELLED"]


def test_a_task_that_can_not_be_made_ready_is_told_of_as_failed() -> None:
    story = Story(task(name="{{ fromJSON('no') }}"))
    assert told(story, TASK_STATE) == ["1 FAILED"]


def test_the_progress_of_every_task_is_told() -> None:
    story = Story(task(parallel=Parallel(tasks=(task(),))))
    story.start("1.1")
    story.report("1.1", job.Progress, progress=12.0)
    assert told(story, TASK_PROGRESS) == ["1.1 12"]
    assert told(story, JOB_PROGRESS) == []
