"""Jobs of composite tasks, and the log of what becomes of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from domain.definition import Each, Parallel, Retry, Subjob, TaskDefinition
from domain.event import Recorded
from domain.job import Cancel, Delete, JobEvent, Progress, Restart
from domain.secrets import MARK
from tests import controls as c
from tests.story import Story, task

PAIR = task("pair", parallel=Parallel(tasks=(task("left"), task("right"))))
LAST = task("last")
CHILD = task("child", subjob=Subjob(name="a job of its own", tasks=(task("inner"),), secrets={"k": "{{ secrets.k }}"}))
NEVER = task("never", condition="{{ 1 == 2 }}")
MAYBE = task("maybe", condition="{{ item.index != '0' }}")
STUBBORN = task("stubborn", retry=Retry(limit=2))


def hidden(name: str) -> str:
    """Return what is stored in the place of a secret."""
    return f"{MARK}{name}\0"


def loop(count: int, child: TaskDefinition = LAST, **given: Any) -> TaskDefinition:
    """Make a task that runs another one so many times."""
    return task("loop", each=Each(list=f"{{{{ sequence(0, {count}) }}}}", task=child, **given))


def placed(events: Sequence[JobEvent], after: int = 0, job: UUID = c.JOB) -> list[Recorded]:
    """Place the events of one job in the log, one after another from after a position."""
    return [Recorded(job, number, event, c.NOON, c.CLIENT, number + after) for number, event in enumerate(events, 1)]


def nested() -> Story:
    """Tell of a loop around pairs, one of which has failed after another was done: all else is called off."""
    story = Story(loop(4, PAIR, concurrency=2), LAST)
    story.complete("1.1.1", "one")
    story.complete("1.1.2")
    story.start("1.3.1")
    story.fail("1.2.1", "exit code 3: no")
    return story


def kept() -> Story:
    """Tell of a pair of tasks whose results are kept, and of a job that ends well and will delete itself."""
    left, right = task("left", var="a"), task("right", var="b")
    pair = task("pair", parallel=Parallel(tasks=(left, right)))
    story = Story(pair, LAST, output="{{ tasks.a }}", tags=("red",), description="a nightly run")
    story.complete("1.2", "two")
    story.complete("1.1", "one")
    story.complete("2")
    return story


def restarted() -> Story:
    """Tell of a nested job that failed, was restarted, called off and restarted once more."""
    story = nested()
    story.do(Restart(at=c.NOON))
    story.complete("1.1.1")
    story.do(Cancel(at=c.NOON))
    story.do(Restart(at=c.NOON))
    return story


def deleted() -> Story:
    """Tell of a job that is no longer to be seen."""
    story = kept()
    story.do(Delete(at=c.NOON))
    return story


def tried() -> Story:
    """Tell of a task that failed, and is tried again after another one was skipped."""
    story = Story(NEVER, STUBBORN, LAST)
    story.start("2")
    story.report("2", Progress, progress=50.0)
    story.fail("2")
    return story


def mother() -> Story:
    """Tell of a job that has started another one."""
    return Story(CHILD, LAST, secrets={"k": hidden("k")})


STORIES = {make.__name__: make for make in (nested, kept, restarted, deleted, tried, mother)}
