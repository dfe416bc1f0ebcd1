"""How a job goes on: which tasks begin when one has ended, until nothing is left to begin.

Everything that follows from one command is in one append, so there is no moment in which a job is stuck. What a
decision counts as it goes is kept in copies: the state is changed by its events alone.
"""

from __future__ import annotations

from copy import copy
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID, uuid5

import msgspec

from domain.definition import TaskDefinition, parse_duration
from domain.errors import Refused
from domain.expression import Budget
from domain.job import ready
from domain.job.events import (
    JobCompleted,
    JobEvent,
    JobFailed,
    SubjobStarted,
    TaskCompleted,
    TaskExpanded,
    TaskFailed,
    TaskLost,
    TaskRejected,
    TaskScheduled,
    TaskSkipped,
)
from domain.job.ready import Unready
from domain.job.scope import item_scope, job_scope, task_scope, template
from domain.job.state import Attempt, Branch, Job, attempt_id

MOST_AT_ONCE = 20_000
"""Events of one decision, above which no more tasks begin: those that are skipped take no room from each other."""
LARGEST_AT_ONCE = 16 * 1024 * 1024
"""Bytes of the tasks that begin in one decision, above which no more begin beside others: their turn comes later."""
SUBJOB = "subjob"
"""Names the job that an attempt starts, among all that could be named after it."""


class Seat(NamedTuple):
    """Where a task has its place in a job."""

    parent: UUID | None
    position: int
    path: str
    place: int
    number: int
    attempt: UUID


class Rejected(Exception):
    """A task failed before it could run."""

    def __init__(self, owner: UUID | None, error: str) -> None:
        """Name the composite task around it, and say why."""
        super().__init__(error)
        self.owner = owner
        self.error = error


class Flow:
    """The events of one decision, and how far they bring the job."""

    def __init__(self, job: Job, at: datetime) -> None:
        """Go on from a state."""
        self.events: list[JobEvent] = []
        self._job = job
        self._at = at
        self._definition = job.submitted
        self._branches: dict[UUID | None, Branch] = {}
        self._seats: dict[UUID, Seat] = {}
        """Composite tasks that began in this decision."""
        self._results = job.results
        self._budget = Budget()
        self._size = 0
        """Bytes of the tasks that have begun in this decision."""

    def begin(self) -> None:
        """Begin the first task."""
        self._go_on(None)

    def restart(self, position: int) -> None:
        """Begin anew at a task of the job."""
        self._branch(None).rewind(position)
        self._go_on(None)

    def complete(self, attempt: Attempt, done: TaskCompleted) -> None:
        """End a task well, and go on with what follows."""
        self._complete(done, attempt.task)
        self._branch(attempt.parent).end()
        self._go_on(attempt.parent)

    def fail(self, attempt: Attempt, failed: TaskFailed) -> None:
        """End a task badly, and with it all that is around it."""
        self.events.append(failed)
        self._fail_around(attempt.parent, failed.error)

    def retry(
        self, attempt: Attempt, ended: TaskFailed | TaskLost, delay: float, *, retries: int, losses: int = 0
    ) -> None:
        """End an attempt and schedule another one of the same task, just as it was evaluated."""
        if attempt.task is None:
            raise Refused(f"attempt {attempt.id.hex} is over")
        self.events.append(ended)
        number = attempt.number + 1
        owner = attempt.parent or self._job.id
        scheduled = TaskScheduled(
            at=self._at,
            attempt=attempt_id(owner, attempt.place, number),
            position=attempt.position,
            number=number,
            task=attempt.task,
            parent=attempt.parent,
            path=attempt.path,
            retries=retries,
            due=self._at + timedelta(seconds=delay) if delay else None,
            losses=losses,
        )
        self.events.append(scheduled)

    def _go_on(self, owner: UUID | None) -> None:
        """Begin what may begin now in a branch, and when all of it is done, in the one around it."""
        try:
            while self._fill(owner):
                if owner is None:
                    return self._end_job()
                parent = self._parent(owner)
                self._complete(TaskCompleted(at=self._at, attempt=owner), None)
                self._branch(parent).end()
                owner = parent
        except Rejected as rejected:
            self._fail_around(rejected.owner, rejected.error)

    def _fill(self, owner: UUID | None) -> bool:
        """Begin children while there is room; tell whether all of them are done."""
        branch = self._branch(owner)
        while branch.has_room and not (branch.running and self._size > LARGEST_AT_ONCE):
            seat = self._seat(owner, branch.begun + 1)
            branch.begin(seat.place)
            if self._begin(seat, branch):
                branch.end()
        return branch.is_done

    def _begin(self, seat: Seat, branch: Branch) -> bool:
        """Begin one task; tell whether it is over already."""
        task = template(self._definition, branch, seat.place)
        scope = task_scope(self._scope(), branch, seat.place, self._at, seat.attempt)
        try:
            self._check_number()
            if not ready.is_wanted(task, scope):
                return self._skip(seat, task)
            if task.each is not None or task.parallel is not None:
                return self._expand(seat, branch, ready.composite(task, scope), scope)
            if task.subjob is not None:
                return self._start_job(seat, ready.composite(task, scope))
            made = ready.ready(task, scope, self._definition.defaults)
        except Unready as error:
            self._add(TaskRejected, seat, task, error=str(error))
            raise Rejected(seat.parent, str(error)) from None
        self._add(TaskScheduled, seat, made)
        return False

    def _check_number(self) -> None:
        if len(self.events) >= MOST_AT_ONCE:
            raise Unready(f"more than {MOST_AT_ONCE:,} tasks would begin or be skipped at once")

    def _skip(self, seat: Seat, task: TaskDefinition) -> bool:
        self._add(TaskSkipped, seat, ready.skipped(task) if seat.parent else task)
        return True

    def _expand(self, seat: Seat, outer: Branch, task: TaskDefinition, scope: dict[str, object]) -> bool:
        items = ready.items_of(task, scope) if task.each is not None else None
        size = len(items) if items is not None else len(task.parallel.tasks) if task.parallel is not None else 0
        wanted = task.each.concurrency if task.each is not None else 0
        room = outer.share
        limit = max(1, min(size, room, wanted or size))
        self._add(TaskExpanded, seat, task, size=size, limit=limit, items=items)
        inner = Branch(size, limit, room, items=items, task=task, scope=item_scope(outer, seat.place))
        self._branches[seat.attempt], self._seats[seat.attempt] = inner, seat
        if not self._fill(seat.attempt):
            return False
        self._complete(TaskCompleted(at=self._at, attempt=seat.attempt), None)
        return True

    def _start_job(self, seat: Seat, task: TaskDefinition) -> bool:
        child = uuid5(seat.attempt, SUBJOB)
        self._add(SubjobStarted, seat, task, job=child)
        if task.subjob is None or not task.subjob.detached:
            return False
        self._complete(TaskCompleted(at=self._at, attempt=seat.attempt), None)
        return True

    def _complete(self, done: TaskCompleted, task: TaskDefinition | None) -> None:
        self.events.append(done)
        if done.result and task is not None and task.var:
            self._results = {**self._results, task.var: done.result}

    def _end_job(self) -> None:
        definition = self._definition
        scope = {**self._scope(), "$now": self._at, "$seed": self._job.id.int}
        try:
            result = ready.result_of(definition.output, scope)
        except Unready as error:
            self.events.append(JobFailed(at=self._at, error=str(error)))
            return
        after = parse_duration(definition.auto_delete.after) if definition.auto_delete else 0.0
        delete_at = self._at + timedelta(seconds=after) if after else None
        self.events.append(JobCompleted(at=self._at, result=result, delete_at=delete_at))

    def _fail_around(self, owner: UUID | None, error: str) -> None:
        while owner is not None:
            self.events.append(TaskFailed(at=self._at, attempt=owner, error=error, cause="child"))
            owner = self._parent(owner)
        self.events.append(JobFailed(at=self._at, error=error))

    def _branch(self, owner: UUID | None) -> Branch:
        if owner not in self._branches:
            self._branches[owner] = copy(self._job.branch(owner))
        return self._branches[owner]

    def _parent(self, owner: UUID) -> UUID | None:
        return self._seats[owner].parent if owner in self._seats else self._job.attempts[owner].parent

    def _seat(self, owner: UUID | None, place: int) -> Seat:
        if owner is None:
            latest = self._job.latest
            number = latest.number + 1 if latest is not None and latest.position == place else 1
            return Seat(None, place, str(place), place, number, attempt_id(self._job.id, place, number))
        around = self._seats.get(owner) or self._job.attempts[owner]
        path = f"{around.path}.{place}"
        return Seat(owner, around.position, path, place, 1, attempt_id(owner, place, 1))

    def _scope(self) -> dict[str, object]:
        return {**job_scope(self._job.id, self._definition, self._results), "$budget": self._budget}

    def _add(self, kind: type, seat: Seat, task: TaskDefinition, **facts: object) -> None:
        event: JobEvent = kind(
            at=self._at,
            attempt=seat.attempt,
            position=seat.position,
            number=seat.number,
            task=task,
            parent=seat.parent,
            path=seat.path,
            **facts,
        )
        self.events.append(event)
        self._size += len(msgspec.json.encode(task))
