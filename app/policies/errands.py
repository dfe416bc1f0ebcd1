"""Sending commands to other jobs, and dropping what is to be kept no longer. To do either twice does no harm."""

from __future__ import annotations

import logging
from pathlib import Path

import msgspec

from app import output
from app.log import Log
from app.log.log import now
from app.policies.courier import POLICY
from app.policies.desk import Disposal, Errand
from app.vault import Vault
from domain import job
from domain.errors import Missing, Refused
from domain.event import Context
from domain.job import EndSubjob, Submit
from domain.policy import Order
from domain.secrets import SecretGone, inherit

logger = logging.getLogger("jobledger.policies")


class Errands:
    """Goes where the agenda says."""

    def __init__(self, log: Log, vault: Vault, printed: Path) -> None:
        """Know the log, the secrets of jobs, and the file of what their tasks printed."""
        self._log = log
        self._vault = vault
        self._printed = printed

    def run(self, errand: Errand) -> None:
        """Send a command; that its receiver refuses it means that there is nothing to do."""
        try:
            self._run(errand)
        except (Refused, Missing) as error:
            logger.info("%s is not for job %s: %s", type(errand.command).__name__, errand.stream.hex, error)

    def dispose(self, disposal: Disposal) -> None:
        """Drop the secrets of a job that is over, and the output of one that was deleted."""
        state: job.Job = self._log.load(job, disposal.job)
        if state.status.is_active:
            return  # it was restarted just now
        if disposal.output:
            output.drop(self._printed, [attempt.hex for attempt in state.attempts])
        self._vault.forget(disposal.job)

    def sweep(self) -> None:
        """Drop the secrets of jobs that could not be submitted after all."""
        self._vault.sweep(lambda stream: self._log.version(stream) > 0)

    def _run(self, errand: Errand) -> None:
        command = errand.command
        if not isinstance(command, Submit):
            return self._send(errand, command)
        if self._log.version(errand.stream):
            return None
        try:
            return self._send(errand, self._provided(errand, command))
        except SecretGone as error:
            logger.warning("job %s can not be started: %s", errand.stream.hex, error)
            if command.parent is None:
                return None
            failed = EndSubjob(at=command.at, attempt=command.parent.attempt, error=str(error))
            return self._send(errand._replace(stream=command.parent.job), failed)

    def _provided(self, errand: Errand, command: Submit) -> Submit:
        """Give a new job the secrets that it needs of the one that starts it."""
        definition, values = inherit(command.definition, self._vault.values(errand.job))
        self._vault.put(errand.stream, values)
        return msgspec.structs.replace(command, definition=definition)

    def _send(self, errand: Errand, command: Order) -> None:
        context = Context(
            POLICY,
            correlation_id=errand.correlation,
            causation_id=str(errand.cause),
            reason=errand.reason,
        )
        self._log.execute(job, errand.stream, msgspec.structs.replace(command, at=now()), context)
