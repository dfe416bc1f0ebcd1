"""What tests do with a job: over the API as a client, and over the log as the runner that takes its tasks."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from app.log import Log
from app.log.log import now
from domain import job
from tests.controls import CLIENT, ENGINE, NOON, PRINTED, RUNNER
from tests.server import Api
from tests.waiting import until

SAMPLE = """
name: sample job
tasks:
  - name: sample task
    image: ubuntu:mantic
    run: echo hello world
"""
EPOCH = {"runner": RUNNER, "epoch": 1}


def submitted(api: Api, body: str = SAMPLE) -> str:
    answer = api.submit(body)
    assert answer.status == 200, answer.body
    job_id: str = answer.json["id"]
    return job_id


def advance(log: Log, job_id: str, *reports: str, **given: Any) -> UUID:
    """Claim a job's present task as a runner would, and go on with it as far as the reports say."""
    stream = UUID(job_id)
    attempt = log.load(job, stream).latest.id
    log.execute(job, stream, job.Claim(at=NOON, attempt=attempt, engine=ENGINE, **EPOCH), CLIENT)
    commands = {
        "intend": lambda: job.IntendStart(at=NOON, attempt=attempt, container="c", **EPOCH),
        "start": lambda: job.Start(at=NOON, attempt=attempt, **EPOCH),
        "complete": lambda: job.Complete(at=NOON, attempt=attempt, output=PRINTED, **EPOCH, **given),
        "fail": lambda: job.Fail(at=NOON, attempt=attempt, cause="exit", **EPOCH, **given),
    }
    for report in reports:
        log.execute(job, stream, commands[report](), CLIENT)
    return attempt


def named(log: Log, job_id: str, path: str) -> UUID:
    """Return the latest attempt at a path."""
    state = log.load(job, UUID(job_id))
    return next(each.id for each in reversed(state.attempts.values()) if each.path == path)


def finish(log: Log, job_id: str, *paths: str, result: str = "") -> None:
    """Bring tasks of a job to a good end."""
    for path in paths:
        mine = {"at": now(), "attempt": named(log, job_id, path)} | EPOCH
        for command in (
            job.Claim(engine=ENGINE, **mine),
            job.IntendStart(container="c", **mine),
            job.Complete(result=result, **mine),
        ):
            log.execute(job, UUID(job_id), command, CLIENT)


def end_subjob(log: Log, job_id: str, path: str) -> None:
    """Say that the job has ended well that a task had started."""
    log.execute(job, UUID(job_id), job.EndSubjob(at=now(), attempt=named(log, job_id, path)), CLIENT)


def shown(api: Api, job_id: str, state: str) -> Any:
    """Look at a job until it is in a state: what another process wrote is seen within milliseconds."""
    until(lambda: api.get(f"/jobs/{job_id}").json["state"] == state)
    return api.get(f"/jobs/{job_id}").json
