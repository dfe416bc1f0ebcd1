"""Whatever comes in: it is a job or `Invalid`, and a job survives storage."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from app.documents import Form, read_job
from domain.definition import JobDefinition
from domain.errors import Invalid

TASK = "name: n\ntasks:\n  - name: t\n    image: a\n"
OK = '{"name": "n", "tasks": [{"name": "t", "image": "a"}]}'

FRAGMENTS = [
    *"\n \t-:,[]{}&*!|>'\"%@#?~<\\ab1",
    "\n  ",
    "- ",
    ": ",
    "<<",
    "---\n",
    "...\n",
    "!!str ",
    "&a ",
    "*a",
    "{{ x }}",
]
FRAGMENTS += [
    "name: ",
    "tasks:\n",
    "  - name: t\n",
    "    image: a\n",
    "\ud800",
    "\0",
    "\ufeff",
    "\\ud800",
    "1e999",
    "null",
]


def read_or_refuse(body: bytes, form: Form) -> None:
    """Read; what is accepted must survive storage, and what is refused must be sayable."""
    try:
        job = read_job(body, form)
    except Invalid as invalid:
        msgspec.json.encode(invalid.problems)
        str(invalid).encode()
        return
    stored = msgspec.json.encode(job)
    assert msgspec.json.decode(stored, type=JobDefinition) == job
    assert read_job(stored, "json") == job


@settings(deadline=None)
@given(st.binary(), st.sampled_from(["yaml", "json"]))
def test_any_bytes_are_a_job_or_invalid(body: bytes, form: Form) -> None:
    read_or_refuse(body, form)


@settings(deadline=None)
@given(st.lists(st.sampled_from(FRAGMENTS), max_size=60), st.sampled_from(["", TASK, OK[:-1]]))
def test_anything_that_looks_like_yaml_or_json_is_a_job_or_invalid(parts: list[str], before: str) -> None:
    body = (before + "".join(parts)).encode(errors="surrogatepass")
    read_or_refuse(body, "yaml")
    read_or_refuse(body, "json")


TEXT = st.text(max_size=20)
DATA = st.recursive(
    TEXT | st.none() | st.booleans() | st.integers() | st.floats(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=10,
)
FIELDS = st.sampled_from(
    [*JobDefinition.__struct_fields__, *JobDefinition.LATER, "image", "run", "cmd", "env", "queue"]
)


@settings(deadline=None)
@given(st.dictionaries(FIELDS | TEXT, DATA) | DATA)
def test_any_data_is_a_job_or_invalid(data: Any) -> None:
    read_or_refuse(json.dumps(data).encode(), "json")
    read_or_refuse(yaml.safe_dump(data).encode(errors="surrogatepass"), "yaml")


PLAIN = st.text(st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"]), max_size=20).filter(
    lambda text: "{{" not in text
)
TASKS = st.fixed_dictionaries(
    {"name": PLAIN.filter(bool), "image": st.sampled_from(["a", "b.c:5000/d/e:f"])},
    optional={
        "run": st.text(st.characters(exclude_categories=["Cc", "Cs"]) | st.sampled_from("\t\n"), max_size=40),
        "cmd": st.lists(PLAIN),
        "entrypoint": st.lists(PLAIN),
        "env": st.dictionaries(PLAIN.filter(lambda text: bool(text) and "=" not in text), PLAIN),
        "queue": st.from_regex(r"\A[a-w][A-Za-z0-9._-]{10,20}\Z"),
        "timeout": st.sampled_from(["5s", "1h30m", ".5h"]),
        "var": st.from_regex(r"\A[a-z_][a-z0-9_]{0,20}\Z"),
    },
)
JOBS = st.fixed_dictionaries(
    {"name": PLAIN.filter(bool), "tasks": st.lists(TASKS, min_size=1, max_size=3)},
    optional={"description": PLAIN, "tags": st.lists(PLAIN, max_size=5)},
)


@settings(deadline=None)
@given(JOBS)
def test_a_good_job_means_the_same_in_json_in_yaml_and_in_storage(data: dict[str, Any]) -> None:
    body = json.dumps(data).encode()
    job = read_job(body, "json")
    assert job == msgspec.json.decode(body, type=JobDefinition)
    assert job == read_job(yaml.safe_dump(data, allow_unicode=False).encode(), "yaml")
    read_or_refuse(body, "json")
