"""Finds what is meant by an id as people type it: all of it, its first digits, or @latest."""

from __future__ import annotations

from string import hexdigits
from typing import TYPE_CHECKING, Any, NamedTuple

from app.cli.client import Rejected
from app.cli.failure import Failure
from app.cli.screen import SHORT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from app.cli.client import Client, Document

LATEST = "@latest"
FEWEST = 4
WHOLE = 32
"""Digits of an id."""
SURE = SHORT
"""Digits from which on the first find is the one: no two of a million jobs are likely to share them."""
MOST_JOBS = 20
"""Jobs on a page of the API, and recent jobs whose tasks are looked through."""
MOST_SHOWN = 10

NOT_AN_ID = "give the id, at least 4 of its first digits, or @latest for the newest job"


class Printed(NamedTuple):
    """Whose output is meant."""

    path: str
    """Where the API has it."""
    job: str
    """The job, empty if it is not known."""
    task: str = ""
    """The attempt of a task, empty if all of the job is meant."""


def job(client: Client, text: str) -> str:
    """Return the id of the job that is meant."""
    if text == LATEST:
        return _latest(client)
    digits = _digits(text)
    if len(digits) == WHOLE:
        return digits
    found = _jobs(client, digits)
    if not found:
        msg = f"there is no job whose id begins with {digits}"
        raise Failure(msg, hint="`jobledger jobs` lists them")
    return _only(digits, found)


def printed(client: Client, text: str) -> Printed:
    """Return whose output is meant: a job's, or if there is no such job, a task's."""
    if text == LATEST:
        return _of_job(_latest(client))
    digits = _digits(text)
    found = [{"id": digits}] if len(digits) == WHOLE and _is_job(client, digits) else []
    if len(digits) < WHOLE:
        found = _jobs(client, digits)
    return _of_job(_only(digits, found)) if found else _task(client, digits)


def _latest(client: Client) -> str:
    jobs = client.document("/jobs", page=1, size=1)["items"]
    if not jobs:
        msg = "there are no jobs yet"
        raise Failure(msg, hint="submit one: jobledger submit FILE")
    return str(jobs[0]["id"])


def _digits(text: str) -> str:
    digits = text.strip().lower().replace("-", "")
    if not FEWEST <= len(digits) <= WHOLE or not set(digits) <= set(hexdigits):
        msg = f"{text} is not an id"
        raise Failure(msg, hint=NOT_AN_ID)
    return digits


def _jobs(client: Client, digits: str) -> list[Document]:
    """Look through the list of jobs, all of it if the digits are few."""
    found: dict[str, Document] = {}
    for body in client.pages("/jobs", size=MOST_JOBS):
        matching = [each for each in client.read(body)["items"] if each["id"].startswith(digits)]
        found.update({each["id"]: each for each in matching})
        if len(found) > MOST_SHOWN or (found and len(digits) >= SURE):
            break
    return list(found.values())


def _only(digits: str, found: list[Document]) -> str:
    if len(found) == 1:
        return str(found[0]["id"])
    lines = [f"  {each['id']}  {each.get('state', ''):<9}  {each.get('name', '')}" for each in found[:MOST_SHOWN]]
    more = ["  ..."] if len(found) > MOST_SHOWN else []
    message = f"{digits} may be any of these:"
    raise Failure(message, details=[*lines, *more], hint="give more digits")


def _is_job(client: Client, digits: str) -> bool:
    try:
        client.get(f"/jobs/{digits}")
    except Rejected as rejected:
        if rejected.is_missing:
            return False
        raise
    return True


def _task(client: Client, digits: str) -> Printed:
    """Look for a task among those of recent jobs; an id that is whole may be an older one's."""
    found = {task["id"]: job_id for job_id, task in _recent_tasks(client) if task["id"].startswith(digits)}
    if not found and len(digits) == WHOLE:
        return Printed(f"/tasks/{digits}/log", "", digits)
    if not found:
        msg = f"there is no job whose id begins with {digits}, and no task of the newest {MOST_JOBS} jobs"
        raise Failure(msg, hint="`jobledger jobs` lists the jobs, `jobledger show ID` the tasks of one")
    task = _only(digits, [{"id": each} for each in found])
    return Printed(f"/tasks/{task}/log", found[task], task)


def _recent_tasks(client: Client) -> Iterator[tuple[str, dict[str, Any]]]:
    for each in client.document("/jobs", page=1, size=MOST_JOBS)["items"]:
        for task in client.document(f"/jobs/{each['id']}").get("execution", ()):
            yield each["id"], task


def _of_job(identifier: str) -> Printed:
    return Printed(f"/jobs/{identifier}/log", identifier)
