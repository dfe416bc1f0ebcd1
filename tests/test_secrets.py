"""Secrets in definitions: taken out, put in, handed on to sub-jobs, and never shown."""

from __future__ import annotations

import json
import typing
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.definition import (
    AuxiliaryTask,
    Definition,
    Each,
    JobDefinition,
    Parallel,
    PostTask,
    Registry,
    Retry,
    Sidecar,
    Subjob,
    TaskDefinition,
    Webhook,
)
from domain.expression import Sealed
from domain.secrets import (
    INSIDE,
    SECRET,
    SecretGone,
    conceal,
    inherit,
    masked,
    masked_json,
    mentions,
    names,
    placeholder,
    redact,
    reveal,
)

SIGN = "sign-word"
PULL_WORD = "pull-word"
PULL = Registry(username="me", password=PULL_WORD)
EXPRESSION = "{{ secrets.pull }}"
CHILD = Subjob(
    name="child",
    tasks=(TaskDefinition(name="t", image="a", registry=PULL),),
    secrets={"token": "child-token", "own": "{{ secrets.token }}"},
    webhooks=(Webhook(url="https://example.com", secret=SIGN),),
)


def task(**given: Any) -> TaskDefinition:
    return TaskDefinition(**{"name": "t", "image": "busybox:stable"} | given)


def job(*tasks: TaskDefinition, **given: Any) -> JobDefinition:
    return JobDefinition(name="job", tasks=tasks or (task(),), **given)


def written(definition: object) -> str:
    return msgspec.json.encode(definition).decode()


def start(subjob: Subjob, values: dict[str, str]) -> tuple[JobDefinition, dict[str, str]]:
    """Make a job of a sub-job, as it is done when its task begins."""
    fields = ("name", "tasks", "secrets", "webhooks")
    return inherit(JobDefinition(**{field: getattr(subjob, field) for field in fields}), values)


def test_a_placeholder_names_its_secret_and_is_sealed() -> None:
    text = f"Bearer {placeholder('token')}, {placeholder('a b')}"
    assert (mentions(text), names(text)) == (True, ["token", "a b"])
    assert type(placeholder("token")) is Sealed


def test_a_text_that_only_looks_like_a_placeholder_is_none() -> None:
    assert not mentions("secret:token")
    assert names("\0secret:token") == []


def test_values_are_put_in_once() -> None:
    values = {"a": f"{placeholder('b')}", "b": r"\1 \g<0>"}
    text = f"{placeholder('a')}-{placeholder('b')}"
    assert reveal(text, values) == placeholder("b") + "-" + values["b"]


def test_a_text_without_secrets_needs_no_values() -> None:
    assert reveal("plain", {}) == "plain"


def test_a_secret_that_is_not_kept_is_named() -> None:
    with pytest.raises(SecretGone, match="the secret token is no longer kept"):
        reveal(placeholder("token"), {"other": "x"})


def test_what_is_shown_has_a_mark_for_each_placeholder() -> None:
    assert masked(f"Bearer {placeholder('token')}!") == "Bearer [REDACTED]!"
    assert masked("plain") == "plain"


@given(st.recursive(st.text('\0secrt:"\\u0aé\n') | st.just(str(placeholder('a"\\\né'))), st.lists))
def test_a_document_is_masked_as_each_of_its_texts_is(document: Any) -> None:
    def expected(part: Any) -> Any:
        return masked(part) if isinstance(part, str) else [expected(each) for each in part]

    assert json.loads(masked_json(msgspec.json.encode(document))) == expected(document)


def test_a_text_that_spells_a_placeholder_leaves_the_document_whole() -> None:
    document = msgspec.json.encode({"run": r"echo '\u0000secret:a\u0000'", "env": str(placeholder("a"))})
    assert json.loads(masked_json(document)) == {"run": r"echo '\u0000secret:a\u0000'", "env": "[REDACTED]"}


def test_values_are_hidden_in_a_text() -> None:
    assert redact("the pässwörd is pässwörd", ["pässwörd"]) == "the [REDACTED] is [REDACTED]"
    assert redact("half a character \ud800", ["pässwörd"]) == "half a character \ud800"


def test_a_job_without_secrets_stays_the_same_object() -> None:
    subjob = Subjob(name="child", tasks=(task(env={"A": "b"}),), webhooks=(Webhook(url="https://example.com"),))
    nested = task(parallel=Parallel(tasks=(task(each=Each(list="{{ [1] }}", task=task(subjob=subjob))),)))
    for definition in (job(), job(nested), job(task(registry=Registry(username="me")), webhooks=subjob.webhooks)):
        made, taken = conceal(definition)
        assert made is definition
        assert taken == {}


def test_the_secrets_of_a_job_keep_their_names() -> None:
    made, taken = conceal(job(secrets={"token": "hunter22", "odd": "{{ not evaluated }}", "empty": ""}))
    assert taken == {"token": "hunter22", "odd": "{{ not evaluated }}", "empty": ""}
    assert made.secrets == {name: placeholder(name) for name in taken}


def everywhere() -> JobDefinition:
    """Return a job with a secret in each place that may have one."""
    inner = task(registry=PULL, parallel=Parallel(tasks=(task(registry=PULL),)))
    return job(
        task(
            registry=PULL,
            pre=(AuxiliaryTask(name="a", registry=PULL),),
            post=(PostTask(name="b", registry=PULL),),
            sidecars=(Sidecar(name="c"), Sidecar(name="d", registry=PULL)),
        ),
        task(parallel=Parallel(tasks=(task(each=Each(list="{{ [1] }}", task=inner)),))),
        task(subjob=CHILD),
        webhooks=(Webhook(url="https://example.com"), Webhook(url="https://example.com", secret=SIGN)),
        secrets={"token": "job-token"},
    )


def test_secrets_are_taken_out_wherever_they_are() -> None:
    made, taken = conceal(everywhere())
    assert taken == {
        "token": "job-token",
        "webhooks.1.secret": "sign-word",
        "tasks.0.registry.password": "pull-word",
        "tasks.0.pre.0.registry.password": "pull-word",
        "tasks.0.post.0.registry.password": "pull-word",
        "tasks.0.sidecars.1.registry.password": "pull-word",
        "tasks.1.parallel.tasks.0.each.task.registry.password": "pull-word",
        "tasks.1.parallel.tasks.0.each.task.parallel.tasks.0.registry.password": "pull-word",
        "tasks.2.subjob.secrets.token": "child-token",
        "tasks.2.subjob.webhooks.0.secret": "sign-word",
        "tasks.2.subjob.tasks.0.registry.password": "pull-word",
    }
    assert not any(value in written(made) for value in taken.values())


def test_with_its_values_put_in_a_job_is_what_was_written() -> None:
    made, taken = conceal(everywhere())

    def put_in(part: Any) -> Any:
        if isinstance(part, dict):
            return {name: put_in(each) for name, each in part.items()}
        return reveal(part, taken) if isinstance(part, str) else [put_in(each) for each in part]

    assert put_in(json.loads(written(made))) == json.loads(written(everywhere()))


def test_taking_secrets_out_again_finds_none() -> None:
    made, _ = conceal(everywhere())
    assert conceal(made) == (made, {})


def test_a_value_that_is_written_out_where_its_name_would_do_is_taken_for_its_name() -> None:
    spelt = {
        "PLAIN": "hunter22",
        "PART": "Bearer hunter22-long, hunter22",
        "OTHER": "{{ 'hunter22' }}",
        "FREE": "hunter",
    }
    child = Subjob(name="child", tasks=(task(env=spelt),), webhooks=(Webhook(url="https://x", headers=spelt),))
    definition = job(
        task(env=spelt, pre=(AuxiliaryTask(name="a", env=spelt),), sidecars=(Sidecar(name="b", env=spelt),)),
        task(parallel=Parallel(tasks=(task(each=Each(list="{{ [1] }}", task=task(subjob=child))),))),
        secrets={"token": "hunter22", "long": "hunter22-long", "short": "Bea"},
    )
    made, taken = conceal(definition)
    token, long = placeholder("token"), placeholder("long")
    hidden = spelt | {"PLAIN": f"{token}", "PART": f"Bearer {long}, {token}"}
    assert made.tasks[0].env == made.tasks[0].pre[0].env == made.tasks[0].sidecars[0].env == hidden
    inner = made.tasks[1].parallel.tasks[0].each.task.subjob  # type: ignore[union-attr]
    assert inner.tasks[0].env == inner.webhooks[0].headers == hidden  # type: ignore[union-attr]
    assert {name: reveal(text, taken) for name, text in hidden.items()} == spelt


def test_an_expression_stays() -> None:
    definition = job(
        task(registry=Registry(username="me", password=EXPRESSION)),
        task(subjob=Subjob(name="child", tasks=(task(),), secrets={"a": "{{ secrets.b }}"})),
        webhooks=(Webhook(url="https://example.com", secret=EXPRESSION),),
    )
    assert conceal(definition)[0] is definition


def test_a_name_that_is_made_up_is_nobody_elses() -> None:
    secrets = {"tasks.0.registry.password": "mine", "tasks.0.registry.password'": "mine too"}
    made, taken = conceal(job(task(registry=PULL), secrets=secrets))
    assert taken == secrets | {"tasks.0.registry.password''": "pull-word"}
    assert made.tasks[0].registry is not None
    assert reveal(made.tasks[0].registry.password, taken) == "pull-word"


def test_names_that_are_made_up_do_not_meet_each_other() -> None:
    subjob = Subjob(name="child", tasks=(task(),), secrets={"a": "first", "a'": "second"})
    made, taken = conceal(job(task(subjob=subjob), secrets={"tasks.0.subjob.secrets.a": "mine"}))
    assert made.tasks[0].subjob is not None
    assert {name: reveal(text, taken) for name, text in made.tasks[0].subjob.secrets.items()} == subjob.secrets


def test_a_subjob_has_its_secrets_under_its_own_names() -> None:
    parent, kept = conceal(job(task(subjob=CHILD), secrets={"token": "job-token"}))
    assert parent.tasks[0].subjob is not None
    evaluated = msgspec.structs.replace(
        parent.tasks[0].subjob, secrets=parent.tasks[0].subjob.secrets | {"own": f"x-{placeholder('token')}"}
    )
    child, taken = start(evaluated, kept)
    assert child.secrets == {"token": placeholder("token"), "own": placeholder("own")}
    assert [taken[name] for name in child.secrets] == ["child-token", "x-job-token"]


def test_a_subjob_takes_over_what_else_it_came_with() -> None:
    parent, kept = conceal(job(task(subjob=CHILD)))
    assert parent.tasks[0].subjob is not None
    child, taken = start(parent.tasks[0].subjob, kept)
    assert child.tasks[0].registry is not None
    assert reveal(child.tasks[0].registry.password, taken) == "pull-word"
    assert reveal(child.webhooks[0].secret, taken) == "sign-word"
    assert not any(value in written(child) for value in kept.values())


def test_a_secret_of_the_parent_is_not_taken_for_the_subjobs_of_the_same_name() -> None:
    webhook = Webhook(url="https://example.com", headers={"Authorization": f"Bearer {placeholder('token')}"})
    subjob = Subjob(name="child", tasks=(task(),), secrets={"token": "child-token"}, webhooks=(webhook,))
    child, taken = start(subjob, {"token": "parent-token"})
    assert reveal(child.webhooks[0].headers["Authorization"], taken) == "Bearer parent-token"
    assert taken == {"token": "child-token", "parent.token": "parent-token"}


def test_a_secret_that_is_used_twice_is_taken_over_once() -> None:
    webhook = Webhook(
        url="https://example.com", headers={"A": str(placeholder("token")), "B": str(placeholder("token"))}
    )
    _, taken = start(Subjob(name="child", tasks=(task(),), webhooks=(webhook,)), {"token": "parent-token", "b": "b"})
    assert taken == {"parent.token": "parent-token"}


def test_a_name_that_is_taken_over_is_not_one_of_the_subjobs_own() -> None:
    webhook = Webhook(url="https://example.com", secret=str(placeholder("a")))
    subjob = Subjob(name="child", tasks=(task(),), secrets={"parent.a": "child-word"}, webhooks=(webhook,))
    child, taken = start(subjob, {"a": "parent-word"})
    assert taken == {"parent.a": "child-word", "parent.a'": "parent-word"}
    assert reveal(child.webhooks[0].secret, taken) == "parent-word"


def test_a_value_that_looks_like_an_expression_is_handed_on_unseen() -> None:
    odd = "{{ inputs.x }}"
    parent, kept = conceal(
        job(task(subjob=Subjob(name="child", tasks=(task(),), secrets={"a": str(placeholder("a"))})))
    )
    assert parent.tasks[0].subjob is not None
    child, taken = start(parent.tasks[0].subjob, kept | {"a": odd})
    assert taken == {"a": odd}
    assert odd not in written(child)


def test_a_subjob_without_secrets_is_what_was_written() -> None:
    retry = Retry(limit=3, backoff=1.5)
    subjob = Subjob(name="child", tasks=(task(retry=retry, priority=7, post=(PostTask(name="p", always=True),)),))
    assert start(subjob, {"token": "parent-token"}) == (JobDefinition(name="child", tasks=subjob.tasks), {})


def test_a_subjob_whose_secrets_are_gone_can_not_be_started() -> None:
    parent, _ = conceal(job(task(subjob=CHILD)))
    assert parent.tasks[0].subjob is not None
    with pytest.raises(SecretGone):
        start(parent.tasks[0].subjob, {})


def test_secrets_reach_a_subjob_of_a_subjob_inside_loops() -> None:
    innermost = Subjob(name="c", tasks=(task(registry=PULL),), secrets={"deep": "deep-word", "token": "other-word"})
    each = task(each=Each(list="{{ [1] }}", task=task(parallel=Parallel(tasks=(task(subjob=innermost),)))))
    middle = Subjob(name="b", tasks=(each,), secrets={"token": "middle-word"})
    top, top_kept = conceal(job(task(each=Each(list="{{ [1] }}", task=task(subjob=middle))), secrets={"token": "top"}))
    child, child_kept = start(_subjob(top), top_kept)
    grandchild, kept = start(_subjob(child), child_kept)
    assert {name: kept[name] for name in grandchild.secrets} == {"deep": "deep-word", "token": "other-word"}
    assert grandchild.tasks[0].registry is not None
    assert reveal(grandchild.tasks[0].registry.password, kept) == "pull-word"
    assert [child_kept[name] for name in child.secrets] == ["middle-word"]
    assert not any(value in written((top, child, grandchild)) for value in (*top_kept.values(), *kept.values()))


def _subjob(definition: JobDefinition) -> Subjob:
    return next(part for part in _parts(definition) if isinstance(part, Subjob))


def _parts(part: Any) -> Iterator[Any]:
    yield part
    below = (
        part if isinstance(part, tuple) else [getattr(part, name) for name in getattr(part, "__struct_fields__", ())]
    )
    for each in below:
        if isinstance(each, tuple | Definition):
            yield from _parts(each)


def _kinds(annotation: Any) -> Iterator[type[Definition]]:
    if isinstance(annotation, type) and issubclass(annotation, Definition):
        yield annotation
    for each in typing.get_args(annotation):
        yield from _kinds(each)


def _reach_secrets(kind: type[Definition], seen: frozenset[type[Definition]] = frozenset()) -> bool:
    """Tell whether something of a kind can have a secret in it."""
    if kind in SECRET:
        return True
    inner = {each for annotation in typing.get_type_hints(kind).values() for each in _kinds(annotation)}
    return any(_reach_secrets(each, seen | {kind}) for each in inner - seen - {kind})


def test_every_field_in_which_a_secret_can_be_is_looked_into() -> None:
    seen: set[type[Definition]] = set()
    waiting: list[type[Definition]] = [JobDefinition]
    while waiting:
        kind = waiting.pop()
        seen.add(kind)
        fields = {name: list(_kinds(hint)) for name, hint in typing.get_type_hints(kind).items()}
        leading = {name for name, kinds in fields.items() if any(map(_reach_secrets, kinds))}
        assert leading == set(INSIDE.get(kind, ())), kind
        waiting += [each for kinds in fields.values() for each in kinds if each not in seen]


def test_every_field_that_is_named_after_a_secret_is_one() -> None:
    found = {
        (kind, field)
        for kind in (*INSIDE, *SECRET)
        for field in ("password", "secret", "secrets")
        if hasattr(kind, field)
    }
    assert found == {*SECRET.items(), (JobDefinition, "secrets")}
