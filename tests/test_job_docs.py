"""docs/job.md is up to date, complete, and what it says is so."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
import yaml

from app.documents import read_job
from domain import definition
from domain.definition import AuxiliaryTask, Definition
from domain.expression import evaluate, format_value
from domain.expression.checker import BUILTINS
from scripts import job_docs
from scripts.job_docs import Example
from tests.test_schema import complaints

PAGE = job_docs.page()
EXAMPLES = job_docs.examples()
STRUCTS = [
    kind
    for kind in vars(definition).values()
    if isinstance(kind, type) and issubclass(kind, Definition) and kind is not Definition
]
SCOPE = {
    "inputs": {"who": "world", "count": "3", "sizes": "a,b,c"},
    "tasks": {"chunks": '[{"start": 0, "length": 10}, {"start": 10, "length": 5}]'},
    "item": {"index": "0", "value": {"size": 7.0}},
    "$now": datetime(2026, 11, 24, tzinfo=UTC),
    "$seed": 1,
}


def title(example: Example) -> str:
    return str(yaml.safe_load(example.job)["name"])


def fields(kind: type[Definition]) -> set[tuple[str, str]]:
    """Return the fields of a type; those that it has of another are the other's."""
    own = {field.encode_name for field in msgspec.structs.fields(kind)}
    if issubclass(kind, AuxiliaryTask) and kind is not AuxiliaryTask:
        own -= {field.encode_name for field in msgspec.structs.fields(AuxiliaryTask)}
    return {(kind.__name__, name) for name in own}


def test_the_page_is_up_to_date() -> None:
    assert job_docs.PAGE.read_text() == PAGE, "run scripts/docs"


def test_every_field_is_told_of_once() -> None:
    assert Counter(job_docs.tables()) == Counter(field for kind in STRUCTS for field in fields(kind))


@pytest.mark.parametrize("example", EXAMPLES, ids=title)
def test_every_example_is_a_good_job(example: Example) -> None:
    assert read_job(example.job.encode(), "yaml", images=example.runtime == "docker").tasks
    assert complaints(example.job) == []


def test_the_job_of_the_readme_is_a_good_one() -> None:
    (job,) = re.findall(
        r"^```yaml\n(name: .*?)^```$", (job_docs.ROOT / "README.md").read_text(), re.MULTILINE | re.DOTALL
    )
    assert read_job(job.encode(), "yaml").tasks
    assert complaints(job) == []


def used(value: Any) -> Iterator[tuple[str, str]]:
    """Yield the fields of a definition that were written."""
    if isinstance(value, Definition):
        for field in msgspec.structs.fields(value):
            given = getattr(value, field.name)
            default = field.default_factory() if field.default_factory is not msgspec.NODEFAULT else field.default
            if given != default:
                owner = next(kind for kind in type(value).__mro__[::-1] if hasattr(kind, field.name))
                yield owner.__name__, field.encode_name
                yield from used(given)
    elif isinstance(value, tuple):
        for each in value:
            yield from used(each)


def test_every_field_is_in_an_example() -> None:
    shown = {field for example in EXAMPLES for field in used(read_job(example.job.encode(), "yaml", images=False))}
    assert shown == {field for kind in STRUCTS for field in fields(kind)}


def test_every_example_has_a_name_of_its_own() -> None:
    assert len({title(example) for example in EXAMPLES}) == len(EXAMPLES)


def test_links_lead_somewhere() -> None:
    headings = re.findall(r"^#+ (.*)$", PAGE, re.MULTILINE)
    anchors = {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}
    assert set(re.findall(r"\]\(#([^)]*)\)", PAGE)) <= anchors


def test_every_function_is_told_of() -> None:
    functions = PAGE.partition("### Functions")[2].partition("```")[0]
    assert set(re.findall(r"`(\w+)(?:\([^)`]*\))?`", functions)) >= BUILTINS


def expressions() -> list[tuple[str, str]]:
    blocks = re.findall(r"^```text expressions\n(.*?)^```$", job_docs.FRAME.read_text(), re.MULTILINE | re.DOTALL)
    pairs = [line.rpartition(" => ") for block in blocks for line in block.splitlines()]
    return [(source.strip(), value) for source, _, value in pairs]


@pytest.mark.parametrize(("source", "value"), expressions())
def test_an_expression_has_the_value_that_the_page_says(source: str, value: str) -> None:
    assert format_value(evaluate(source, SCOPE)) == value


def test_the_page_is_made_by_the_script(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job_docs, "PAGE", tmp_path / "job.md")
    assert job_docs.main(["--check"]) == 1
    assert job_docs.main([]) == 0
    assert job_docs.main(["--check"]) == 0
