"""Whatever comes in: it is a job or `Invalid`, and a job survives storage."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.documents import Form, read_job
from domain.definition import JobDefinition, TaskDefinition
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


def written_names(kind: type[msgspec.Struct]) -> list[str]:
    return [field.encode_name for field in msgspec.structs.fields(kind)]


TEXT = st.text(max_size=20)
DATA = st.recursive(
    TEXT | st.none() | st.booleans() | st.integers() | st.floats(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=10,
)
FIELDS = st.sampled_from(sorted({*JobDefinition.LATER, *written_names(JobDefinition), *written_names(TaskDefinition)}))


@settings(deadline=None)
@given(st.dictionaries(FIELDS | TEXT, DATA) | DATA)
def test_any_data_is_a_job_or_invalid(data: Any) -> None:
    read_or_refuse(json.dumps(data).encode(), "json")
    read_or_refuse(yaml.safe_dump(data).encode(errors="surrogatepass"), "yaml")


PLAIN = st.text(st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"]), max_size=20).filter(
    lambda text: "{{" not in text
)
NAMES = PLAIN.filter(bool)
LINES = st.text(st.characters(exclude_categories=["Cc", "Cs"]) | st.sampled_from("\t\n"), max_size=40).filter(
    lambda text: "{{" not in text
)
WORDS = st.from_regex(r"\A[a-z][a-z0-9_]{4,20}\Z")
IMAGES = st.sampled_from(["a", "b.c:5000/d/e:f", "{{ inputs.image }}"])
DURATIONS = st.sampled_from(["5s", "1h30m", ".5h"])
TEMPLATES = PLAIN | st.sampled_from(["{{ inputs.x }}", "a {{ tasks.a + 'b' }} c"])
ENVIRONMENTS = st.dictionaries(PLAIN.filter(lambda text: bool(text) and "=" not in text), TEMPLATES, max_size=4)
RETRIES = st.fixed_dictionaries(
    {"limit": st.integers(1, 10), "delay": st.just("1s")},
    optional={"backoff": st.integers(1, 100) | st.floats(1, 100), "maxDelay": st.sampled_from(["1s", "1h"])},
)
AUXILIARIES = st.fixed_dictionaries(
    {"name": NAMES, "image": IMAGES},
    optional={
        "run": LINES,
        "cmd": st.lists(TEMPLATES, max_size=4),
        "env": ENVIRONMENTS,
        "files": st.dictionaries(WORDS, LINES, max_size=3),
        "registry": st.fixed_dictionaries({}, optional={"username": PLAIN, "password": WORDS}),
    },
)
TASKS = st.fixed_dictionaries(
    {"name": NAMES, "image": IMAGES},
    optional={
        "description": LINES,
        "run": LINES,
        "cmd": st.lists(TEMPLATES, max_size=4),
        "entrypoint": st.lists(PLAIN, max_size=4),
        "env": ENVIRONMENTS,
        "files": st.dictionaries(WORDS, LINES, max_size=3),
        "queue": st.from_regex(r"\A[a-w][A-Za-z0-9._-]{10,20}\Z"),
        "pre": st.lists(AUXILIARIES, max_size=2),
        "mounts": st.lists(st.just({"type": "tmpfs", "target": "/x", "opts": {"size": "1m"}}), max_size=1),
        "retry": RETRIES,
        "limits": st.sampled_from([{}, {"cpus": "1.5"}, {"memory": "1g", "cpus": ".5"}]),
        "timeout": DURATIONS,
        "var": WORDS,
        "if": st.sampled_from(["true", "{{ inputs.x == '1' }}"]),
        "tags": st.lists(PLAIN, max_size=3),
        "priority": st.integers(0, 9),
    },
)
COMPOSITES = st.recursive(
    TASKS,
    lambda inner: (
        st.fixed_dictionaries(
            {"name": NAMES, "parallel": st.fixed_dictionaries({"tasks": st.lists(inner, min_size=1, max_size=3)})}
        )
        | st.fixed_dictionaries(
            {
                "name": NAMES,
                "each": st.fixed_dictionaries(
                    {"list": st.just("{{ sequence(0, 3) }}"), "task": inner}, optional={"var": WORDS}
                ),
            }
        )
    ),
    max_leaves=4,
)
WEBHOOKS = st.fixed_dictionaries(
    {"url": st.sampled_from(["http://a", "https://b.c/d?e", "{{ inputs.url }}"])},
    optional={"event": st.sampled_from(["", "job.Progress"]), "headers": st.dictionaries(WORDS, WORDS, max_size=2)},
)
JOBS = st.fixed_dictionaries(
    {"name": NAMES, "tasks": st.lists(COMPOSITES, min_size=1, max_size=3)},
    optional={
        "description": LINES,
        "tags": st.lists(PLAIN, max_size=5),
        "inputs": st.dictionaries(NAMES, LINES, max_size=3),
        "secrets": st.dictionaries(WORDS, WORDS, max_size=3),
        "output": st.just("{{ tasks.a }}"),
        "defaults": st.fixed_dictionaries({}, optional={"retry": RETRIES, "priority": st.integers(0, 9)}),
        "webhooks": st.lists(WEBHOOKS, max_size=2),
        "autoDelete": st.just({"after": "1h"}),
        "wait": st.just({"timeout": "1m"}),
    },
)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(JOBS)
def test_a_good_job_means_the_same_in_json_in_yaml_and_in_storage(data: dict[str, Any]) -> None:
    body = json.dumps(data).encode()
    job = read_job(body, "json")
    assert job == msgspec.json.decode(body, type=JobDefinition)
    assert job == read_job(yaml.safe_dump(data, allow_unicode=False).encode(), "yaml")
    read_or_refuse(body, "json")
