"""The JSON Schema of jobs: it takes what the reader takes, and refuses what a schema can tell to be wrong."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from jsonschema import Draft7Validator, ValidationError

from app.cli import cli, exits
from app.documents import read_job
from app.schema import job_schema
from domain.errors import Invalid
from tests.server import Api
from tests.test_documents_any import JOBS

ROOT = Path(__file__).parent.parent
SCHEMA = json.loads(job_schema())
VALIDATOR = Draft7Validator(SCHEMA)
TASK = "name: n\ntasks:\n  - name: t\n    image: a\n"


class Loader(yaml.SafeLoader):
    """Reads YAML as editors do: without dates."""


Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if not tag.endswith(":timestamp")]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def complaints(document: str) -> list[str]:
    """Return the places of what the schema refuses."""
    data = yaml.load(document, Loader)  # noqa: S506 - it is a safe one
    errors = [each for error in VALIDATOR.iter_errors(data) for each in innermost(error)]
    return ["/".join(map(str, error.absolute_path)) for error in errors]


def innermost(error: ValidationError) -> list[ValidationError]:
    return [each for inner in error.context or () for each in innermost(inner)] or [error]


def is_good(document: str) -> bool:
    try:
        read_job(document.encode(), "yaml", images=False)
    except Invalid:
        return False
    return True


def test_the_schema_is_one() -> None:
    Draft7Validator.check_schema(SCHEMA)


@pytest.mark.parametrize("path", sorted((ROOT / "examples").glob("*.yaml")), ids=lambda path: str(path.name))
def test_the_examples_are_good(path: Path) -> None:
    assert complaints(path.read_text()) == []


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(JOBS)
def test_whatever_the_reader_takes_is_good(data: dict[str, Any]) -> None:
    assert not list(VALIDATOR.iter_errors(data))


GOOD = [
    "",
    "    env: {A: 1, B: true, C: ~, D: 1.5, E: 2024-01-01, F: '{{ inputs.x }}'}\n",
    "    cmd: [1, true, ~, text]\n",
    "    timeout: ~\n    queue:\n    retry:\n    priority: ~\n    tags:\n",
    "    limits: {cpus: .5, memory: 512m}\n",
    "    limits: {cpus: 1, memory: 6291456}\n",
    "    queue: '{{ inputs.queue }}'\n    var: v-{{ inputs.x }}\n",
    "  - name: p\n    parallel: {tasks: [{name: t, image: a}]}\n    image: ''\n    env: {}\n    pre: []\n    retry:\n",
    "  - {name: e, if: false, each: {list: '{{ [1] }}', concurrency: 2, task: {name: t, image: a}}}\n",
    "  - {name: s, subjob: {name: s, id: 5, detached: true, tasks: [{name: t, image: a}]}, var: r}\n",
    "    mounts: [{type: bind, source: /a, target: /b}, {type: tmpfs, target: /c, opts: {size: 1m}}]\n",
    "    sidecars: [{name: s, image: a, probe: {path: /, port: 0x50, timeout: 5s}}]\n",
    "    post: [{name: s, image: a, always: true, files: {a/b.txt: text}}]\n",
    "webhooks: [{url: 'https://a/b', event: task.Progress}, {url: '{{ inputs.url }}', event: ~, if: true}]\n",
    "wait: {timeout: 30s}\nautoDelete: {after: 1h}\ndefaults: {priority: 3, retry: {limit: 2}}\n",
    "secrets: {a: long}\ninputs: {a b: 5}\noutput: '{{ tasks.a }}'\n",
]
BAD = [
    ("tasks/0", "    nmae: x\n"),
    ("", "permissions: []\n"),
    ("tasks/0/retry", "    retry: {}\n"),
    ("tasks/0/retry", "    retry: {limit: 11}\n"),
    ("tasks/0/retry", "    retry: {limit: 1, initialDelay: 1s}\n"),
    ("tasks/0/retry/backoff", "    retry: {limit: 1, delay: 1s, backoff: 0.5}\n"),
    ("tasks/0/priority", "    priority: 10\n"),
    ("tasks/0/priority", "    priority: high\n"),
    ("tasks/0/timeout", "    timeout: soon\n"),
    ("tasks/0/queue", "    queue: x-a\n"),
    ("tasks/0/queue", "    queue: ''\n"),
    ("tasks/0/var", "    var: a.b\n"),
    ("tasks/0/env", "    env: {A=B: x}\n"),
    ("tasks/0/env", "    env: [A]\n"),
    ("tasks/0/cmd", "    cmd: ls\n"),
    ("tasks/0/run", "    run: [ls]\n"),
    ("tasks/0/limits/cpus", "    limits: {cpus: much}\n"),
    ("tasks/0/limits/memory", "    limits: {memory: 10Q}\n"),
    ("tasks/0/mounts/0/type", "    mounts: [{type: npipe, source: /a, target: /a}]\n"),
    ("tasks/0/mounts/0", "    mounts: [{type: bind, target: /a}]\n"),
    ("tasks/0/mounts/0", "    mounts: [{type: volume}]\n"),
    ("tasks/0/mounts/0/source", "    mounts: [{type: tmpfs, source: /a, target: /a}]\n"),
    ("tasks/0/mounts/0/target", "    mounts: [{type: volume, target: a}]\n"),
    ("tasks/0/networks/0", "    networks: ['container:a']\n"),
    ("tasks/0/files", "    files: {../a: x}\n"),
    ("tasks/0/files", "    files: {/a: x}\n"),
    ("tasks/0/workdir", "    workdir: a\n"),
    ("tasks/0/image", "    parallel: {tasks: [{name: t, image: a}]}\n"),
    ("tasks/1/queue", "  - {name: e, queue: q, each: {list: '[]', task: {name: t, image: a}}}\n"),
    ("tasks/1/priority", "  - {name: e, priority: 0, each: {list: '[]', task: {name: t, image: a}}}\n"),
    ("tasks/1/each", "  - {name: e, subjob: {name: s, tasks: [{name: t}]}, each: {list: '[]', task: {name: t}}}\n"),
    ("tasks/1/parallel/tasks", "  - {name: e, parallel: {tasks: []}}\n"),
    ("tasks/1/each/list", "  - {name: e, each: {list: '', task: {name: t}}}\n"),
    ("tasks/1/each/concurrency", "  - {name: e, each: {list: '[]', concurrency: -1, task: {name: t}}}\n"),
    ("tasks/0/sidecars/0/probe/port", "    sidecars: [{name: s, probe: {path: /, port: 0}}]\n"),
    ("tasks/0/sidecars/0/probe/path", "    sidecars: [{name: s, probe: {path: a, port: 1}}]\n"),
    ("tasks/0/pre/0", "    pre: [{name: s, always: true}]\n"),
    ("webhooks/0/url", "webhooks: [{url: 'ftp://a'}]\n"),
    ("webhooks/0/event", "webhooks: [{url: 'http://a', event: job.Started}]\n"),
    ("webhooks/0/headers", "webhooks: [{url: 'http://a', headers: {'a b': c}}]\n"),
    ("secrets/a", "secrets: {a: b}\n"),
    ("secrets", "secrets: {a.b: long}\n"),
    ("wait/timeout", "wait: {timeout: soon}\n"),
]


@pytest.mark.parametrize("lines", GOOD)
def test_what_is_good_for_the_reader_is_good_for_the_schema(lines: str) -> None:
    assert is_good(TASK + lines)
    assert complaints(TASK + lines) == []


@pytest.mark.parametrize(("place", "lines"), BAD)
def test_what_the_schema_refuses_the_reader_refuses_too(place: str, lines: str) -> None:
    assert not is_good(TASK + lines)
    assert place in complaints(TASK + lines)


def test_editors_are_told_what_a_field_is_for() -> None:
    shown = SCHEMA["definitions"]["TaskDefinition"]["properties"]["queue"]["markdownDescription"]
    assert shown.startswith("The queue of the runners that may take the task.\n\nRule: 1 to 128 letters")
    assert shown.endswith("Default: `default`.")


def test_the_command_prints_the_schema() -> None:
    result = CliRunner().invoke(cli, ["schema"])
    assert (result.exit_code, json.loads(result.stdout)) == (exits.DONE, SCHEMA)


def test_the_api_has_the_schema(api: Api) -> None:
    answer = api.get("/schemas/job.json")
    assert (answer.status, answer.json) == (200, SCHEMA)
    assert answer.headers["Content-Type"] == "application/schema+json"
