"""Stored events are a promise for ever: a frozen sample of each one can be read, and is written the same today."""

from __future__ import annotations

from pathlib import Path
from typing import get_args
from uuid import UUID

import msgspec
import pytest
from eventsourcing.persistence import StoredEvent

from app.log.mapper import NoTranscoder, TagMapper
from domain.event import Recorded
from domain.job import JobEvent
from domain.job.evolve import CHANGES
from domain.runner import RunnerEvent
from tests import controls

SAMPLES = Path(__file__).parent / "events"
EVENTS = {event.__name__: event for event in (*get_args(JobEvent), *get_args(RunnerEvent))}
NAMES = sorted(path.stem for path in SAMPLES.glob("*.json"))
"""An event that has got more fields since it was first stored has one more sample: `TaskScheduled-2`."""
MAPPER = TagMapper(NoTranscoder())


def stored(name: str) -> StoredEvent:
    return StoredEvent(controls.JOB, 1, tag(name), (SAMPLES / f"{name}.json").read_bytes().rstrip())


def tag(name: str) -> str:
    return name.partition("-")[0]


def test_of_every_event_of_a_job_it_is_known_what_it_changes() -> None:
    assert CHANGES.keys() == set(get_args(JobEvent))


@pytest.mark.parametrize("name", NAMES)
def test_a_frozen_sample_can_be_read(name: str) -> None:
    recorded = MAPPER.to_domain_event(stored(name))
    assert type(recorded.event) is EVENTS[tag(name)]
    assert recorded.originator_id == controls.JOB


@pytest.mark.parametrize("name", NAMES)
def test_an_event_is_written_today_as_its_sample_was(name: str) -> None:
    sample = stored(name)
    assert MAPPER.to_stored_event(MAPPER.to_domain_event(sample)) == sample


def test_every_event_has_a_sample_and_no_sample_is_left_of_an_event_that_can_not_be_read_any_more() -> None:
    assert {tag(name) for name in NAMES} == EVENTS.keys()


@pytest.mark.parametrize("name", EVENTS)
def test_every_field_of_an_event_stands_in_a_sample(name: str) -> None:
    """So that none of them can be renamed, or change what it means on the disk, in silence."""
    written: set[str] = set()
    for sample in NAMES:
        if tag(sample) == name:
            written |= msgspec.json.decode(stored(sample).state)["event"].keys()
    assert {field.encode_name for field in msgspec.structs.fields(EVENTS[name])} <= written


def test_no_import_path_reaches_the_disk() -> None:
    event = Recorded(UUID(int=1), 1, controls.SUBMITTED, controls.NOON, controls.CLIENT)
    sealed = MAPPER.to_stored_event(event)
    assert sealed.topic == "JobSubmitted"
    assert b"domain" not in sealed.state


def test_what_is_not_an_event_is_not_stored() -> None:
    with pytest.raises(TypeError, match="stored by its tag"):
        NoTranscoder().encode(object())
    with pytest.raises(TypeError, match="read by their tag"):
        NoTranscoder().decode(b"{}")
