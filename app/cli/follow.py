"""Watches a job, or one task of it, to its end."""

from __future__ import annotations

from contextlib import contextmanager
from time import monotonic, sleep
from typing import TYPE_CHECKING

from app.cli.client import Unreachable
from app.cli.exits import OF_STATE
from app.cli.interruption import last_words
from app.cli.watcher import Watcher

if TYPE_CHECKING:
    from collections.abc import Iterator

    from app.cli.client import Client, Document
    from app.cli.identify import Printed

QUICK = 0.1
SLOW = 0.5
"""Seconds between two looks, while something happens and while nothing does."""
GENTLE = 5
"""Times as long as a look took, at least, until the next one: a job of thousands of tasks is much to tell."""
OVER = {*OF_STATE, "SKIPPED"}
PATIENCE = 30.0
"""Seconds for a server that is away to come back: `up` starts one that died again."""


def wait(client: Client, job_id: str, watcher: Watcher) -> Document:
    """Watch a job until its end, and return it as it then is."""
    pause = QUICK
    while True:
        job, least = _look(client, job_id)
        pause = QUICK if watcher.saw(job) else min(1.2 * pause, SLOW)
        if job["state"] in OF_STATE:
            return job
        watcher.idle(job)
        sleep(max(pause, least))


def follow(client: Client, printed: Printed, watcher: Watcher) -> Document:
    """Watch until the end, pass on what is printed meanwhile, and return the job as it then is."""
    offset, pause = 0, QUICK
    while True:
        job, least = _look(client, printed.job)
        ended = _has_ended(job, printed.task)
        changed = not ended and watcher.saw(job)
        length, whole = _pass_on(client, printed.path, offset, watcher)
        offset += length
        if whole and not length and ended:
            watcher.saw(job)  # after the last of the output, which came before the end
            return job
        pause = QUICK if length or changed else min(1.2 * pause, SLOW)
        watcher.idle(job)
        sleep(max(pause, least))


@contextmanager
def watching(job_id: str, *, states: bool = True) -> Iterator[Watcher]:
    """Show what happens; Ctrl-C ends that, and says that the job goes on, how to come back to it or call it off."""
    leave = f"The job goes on. To look again: jobledger logs -f {job_id}\nTo call it off: jobledger cancel {job_id}\n"
    watcher = Watcher(states=states)
    with last_words(lambda: watcher.tidying + leave), watcher:
        yield watcher


def _look(client: Client, job_id: str) -> tuple[Document, float]:
    """Return the job, and how long to leave it alone at least."""
    deadline = monotonic() + PATIENCE
    while True:
        began = monotonic()
        try:
            return client.document(f"/jobs/{job_id}"), GENTLE * (monotonic() - began)
        except Unreachable:
            if monotonic() > deadline:
                raise
        sleep(SLOW)


def _pass_on(client: Client, path: str, offset: int, watcher: Watcher) -> tuple[int, bool]:
    """Print from an offset on; return how many bytes there were, and whether that was all that there is."""
    length = 0
    try:
        for chunk in client.text(path, offset):
            watcher.printed(chunk)
            length += len(chunk)
    except Unreachable:
        return length, False  # what was printed counts: next time it goes on from there
    return length, True


def _has_ended(job: Document, task: str) -> bool:
    """Tell whether a job has ended, or of it the one task that is watched."""
    states = [each["state"] for each in job.get("execution", ()) if each["id"] == task]
    return (states or [job["state"]])[0] in OVER
