"""Jobs that delete themselves, and secrets that are kept no longer."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from app import output
from app.log.log import now
from app.policies.desk import Disposal
from app.policies.errands import Errands
from domain import job
from domain.definition import AutoDelete, JobDefinition, Webhook
from domain.job import JobDeleted
from tests.receiver import Office, Receiver, hangs, task
from tests.waiting import until

PRINT = "INSERT INTO parts (attempt, number, created_at, stream, content) VALUES (?, 1, 'now', 1, ?)"


@pytest.fixture
def forgetful(tmp_path: Path) -> Iterator[Office]:
    """Give an installation that keeps no secrets of jobs that are over."""
    opened = Office(tmp_path, secrets_kept=0.0)
    yield opened
    opened.close()


def printed(office: Office, job_id: UUID) -> bytes:
    attempts = [attempt.hex for attempt in office.state(job_id).attempts]
    return b"".join(output.whole(office.settings.output, attempts))


def prints(office: Office, job_id: UUID) -> None:
    """Let the first task of a job have printed something."""
    with closing(sqlite3.connect(office.settings.output, isolation_level=None)) as connection:
        output.create(connection)
        connection.execute(PRINT, (office.attempt(job_id, "1").id.hex, b"hello"))


def happened(office: Office, ago: float, **given: Any) -> UUID:
    """Hand in a job, some time ago, that has completed by now."""
    job_id = uuid4()
    at = now() - timedelta(seconds=ago)
    definition = JobDefinition(**{"name": "job", "tasks": (task(condition="false"),)} | given)
    office.execute(job_id, job.Submit(at=at, job=job_id, definition=definition))
    return job_id


def is_deleted(office: Office, job_id: UUID) -> bool:
    return bool(office.events(job_id, JobDeleted))


def test_a_job_deletes_itself_with_what_it_printed_when_it_is_time(office: Office) -> None:
    with office.policies():
        job_id = office.submit(task(), auto_delete=AutoDelete(after="1s"), secrets={"token": "secret-value"})
        prints(office, job_id)
        office.complete(job_id)
        assert printed(office, job_id) == b"hello"
        until(lambda: is_deleted(office, job_id))
        until(lambda: not printed(office, job_id) and not office.vault.values(job_id))
    completed, deleted = (office.events(job_id, kind)[0] for kind in (job.JobCompleted, JobDeleted))
    assert deleted.at >= completed.delete_at == completed.at + timedelta(seconds=1)


def test_who_deleted_a_job_is_in_the_log(office: Office) -> None:
    with office.policies():
        job_id = happened(office, 10.0, auto_delete=AutoDelete(after="1s"))
        until(lambda: is_deleted(office, job_id))
    deleted = office.recorded(job_id)[-1]
    assert (deleted.context.actor.id, deleted.context.correlation_id) == ("policy", "r1")
    assert deleted.context.reason == "it deletes itself some time after its end"


def test_what_became_due_while_nobody_looked_is_done_at_the_next_start(office: Office) -> None:
    job_id = happened(office, 3600.0, auto_delete=AutoDelete(after="1m"))
    with office.policies():
        until(lambda: is_deleted(office, job_id))


def test_what_is_not_due_is_kept(office: Office) -> None:
    with office.policies():
        later = happened(office, 0.0, auto_delete=AutoDelete(after="1h"))
        due = happened(office, 10.0, auto_delete=AutoDelete(after="1s"))
        until(lambda: is_deleted(office, due))
        assert not is_deleted(office, later)


@pytest.mark.parametrize("end", ["fail", "cancel"])
def test_a_job_that_did_not_end_well_is_kept(office: Office, end: str) -> None:
    with office.policies():
        job_id = office.submit(task(), auto_delete=AutoDelete(after="1s"))
        getattr(office, end)(job_id)
        due = happened(office, 10.0, auto_delete=AutoDelete(after="1s"))
        until(lambda: is_deleted(office, due))
    assert not is_deleted(office, job_id)


@pytest.mark.parametrize("end", ["complete", "fail", "cancel"])
def test_secrets_are_forgotten_after_the_end(forgetful: Office, end: str) -> None:
    with forgetful.policies():
        job_id = forgetful.submit(task(), secrets={"token": "secret-value"})
        forgetful.start(forgetful.submit(task()))
        assert forgetful.vault.values(job_id) == {"token": "secret-value"}
        getattr(forgetful, end)(job_id)
        until(lambda: not forgetful.vault.values(job_id))


def test_secrets_are_kept_for_as_long_as_a_job_can_be_restarted(office: Office, tmp_path: Path) -> None:
    other = Office(tmp_path / "other", secrets_kept=0.0)
    with closing(other), office.policies(), other.policies():
        job_id = office.submit(task(), secrets={"token": "secret-value"})
        office.fail(job_id)
        marker = other.submit(task(), secrets={"token": "secret-value"})
        other.fail(marker)
        until(lambda: not other.vault.values(marker))
    assert office.vault.values(job_id)


def test_a_restart_keeps_the_secrets(forgetful: Office) -> None:
    restarted, ended = (forgetful.submit(task(), secrets={"token": "secret-value"}) for _ in range(2))
    for job_id in (restarted, ended):
        forgetful.cancel(job_id)
    forgetful.restart(restarted)
    with forgetful.policies():
        until(lambda: not forgetful.vault.values(ended))
    assert forgetful.vault.values(restarted)


def test_secrets_stay_until_all_messages_that_may_need_them_are_told(forgetful: Office) -> None:
    with Receiver(hangs) as receiver, forgetful.policies():
        hook = Webhook(url=receiver.url, headers={"X": "{{ secrets.token }}"})
        job_id = forgetful.submit(task(), webhooks=(hook,), secrets={"token": "secret-value"})
        forgetful.cancel(job_id)
        receiver.has(1)
        marker = forgetful.submit(task(), secrets={"token": "secret-value"})
        forgetful.cancel(marker)
        until(lambda: not forgetful.vault.values(marker))
        assert forgetful.vault.values(job_id)
        receiver.gone.set()
        until(lambda: not forgetful.vault.values(job_id))
    assert {each.headers["x"] for each in receiver.received} == {"secret-value"}


def test_secrets_of_a_submission_that_failed_are_forgotten(office: Office) -> None:
    orphan, kept = uuid4(), office.submit(task(), secrets={"token": "secret-value"})
    office.vault.put(orphan, {"token": "secret-value"})
    with closing(sqlite3.connect(office.settings.secrets)) as connection, connection:
        connection.execute("UPDATE secrets SET put_at = ?", (int(time.time()) - 7200,))
    with office.policies():
        until(lambda: not office.vault.values(orphan))
    assert office.vault.values(kept)


def test_what_a_job_needs_that_was_just_restarted_is_not_dropped(office: Office) -> None:
    job_id = office.submit(task(), secrets={"token": "secret-value"})
    Errands(office.log, office.vault, office.settings.output).dispose(Disposal(job_id, due=0.0, output=False))
    assert office.vault.values(job_id)
