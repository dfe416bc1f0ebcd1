"""What the domain knows of secrets: the placeholders that stand for them, and where texts may have them.

A placeholder is a text between two NUL characters, which can be nowhere else in a definition. Events hold nothing else
of a secret; its value is put in by whoever needs it, in memory, at the last moment.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from operator import attrgetter
from typing import Any, TypeVar

import msgspec

from domain.definition import (
    AuxiliaryTask,
    Definition,
    Each,
    JobDefinition,
    Parallel,
    PostTask,
    Registry,
    Sidecar,
    Subjob,
    TaskDefinition,
    Webhook,
)
from domain.expression import Sealed, has_expression
from domain.names import SHORTEST_SECRET

REDACTED = "[REDACTED]"
"""What is seen in the place of a secret."""
MARK = "\0secret:"
PLACEHOLDER = re.compile(r"\0secret:([^\0]*)\0")
IN_JSON = re.compile(rb'(?<!\\)((?:\\\\)*)\\u0000secret:(?:[^"\\]|\\(?!u0000).)*\\u0000')
"""The same in JSON, where a backslash that was itself written with a backslash does not begin a NUL."""
SHORTEST_LINE = 8
"""Characters of a part of a value that is sought by itself."""
LONGEST = 512
"""Characters that are sought together; of a longer value each part of this length is hidden by itself."""
ASCII = re.compile(rf"[ -~]{{{SHORTEST_LINE},}}")
"""What is left of a value when others can not spell its other characters."""
INHERITED = "parent."

INSIDE: dict[type[Definition], tuple[str, ...]] = {
    JobDefinition: ("webhooks", "tasks"),
    TaskDefinition: ("registry", "pre", "post", "sidecars", "parallel", "each", "subjob"),
    AuxiliaryTask: ("registry",),
    PostTask: ("registry",),
    Sidecar: ("registry",),
    Parallel: ("tasks",),
    Each: ("task",),
    Subjob: ("webhooks", "tasks"),
}
"""The fields in which the fields below are found."""
INSIDE_TASK = attrgetter(*INSIDE[TaskDefinition])
SECRET: dict[type[Definition], str] = {Registry: "password", Webhook: "secret", Subjob: "secrets"}
"""The fields that are secret by themselves, beside the secrets of a job."""
MAY_SPELL: dict[type[Definition], str] = {
    TaskDefinition: "env",
    AuxiliaryTask: "env",
    PostTask: "env",
    Sidecar: "env",
    Webhook: "headers",
}
"""The fields in which the value of a secret is as good as its name, for there they are put in at the last moment."""

Text = TypeVar("Text", bound=Definition)


class SecretGone(Exception):
    """A text needs a secret that is not kept."""

    def __init__(self, name: str) -> None:
        """Name the secret."""
        super().__init__(f"the secret {name} is no longer kept: submit the job anew")
        self.name = name


def placeholder(name: str) -> Sealed:
    """Return what stands for a secret while expressions are evaluated; what is stored is the plain text of it."""
    return Sealed(_stand_in(name))


def _stand_in(name: str) -> str:
    return f"{MARK}{name}\0"


def mentions(text: str) -> bool:
    """Tell whether a text has a placeholder in it."""
    return MARK in text


def names(text: str) -> list[str]:
    """Return the names of the secrets that a text needs."""
    return PLACEHOLDER.findall(text)


def reveal(text: str, values: Mapping[str, str]) -> str:
    """Put the values of secrets in, or raise `SecretGone`; what comes out must be neither stored nor shown."""
    if not mentions(text):
        return text
    try:
        return PLACEHOLDER.sub(lambda found: values[found[1]], text)
    except KeyError as error:
        raise SecretGone(error.args[0]) from None


def masked(text: str) -> str:
    """Return a text as it may be shown."""
    return PLACEHOLDER.sub(REDACTED, text) if mentions(text) else text


def masked_json(document: bytes) -> bytes:
    """Return a document of JSON as it may be shown."""
    if rb"\u0000secret:" not in document:
        return document
    return IN_JSON.sub(rb"\1" + REDACTED.encode(), document)


def redact(text: str, values: Iterable[str]) -> str:
    """Hide the values of secrets in a text that came from outside."""
    data = text.encode(errors="surrogatepass")
    shown, at = [], 0
    for start, end in hidden(data, needles(values)):
        shown += [data[at:start], REDACTED.encode()]
        at = end
    return b"".join((*shown, data[at:])).decode(errors="surrogatepass") if shown else text


def needles(values: Iterable[str]) -> tuple[bytes, ...]:
    """Return what is to be sought to hide some values: each one, and what may be seen of it by itself."""
    if isinstance(values, Mapping):
        values = values.values()  # to hide the names instead would be a quiet disaster
    found = {piece for value in values for part in _parts(value) for piece in _pieces(part)}
    return tuple(sorted((piece.encode(errors="surrogatepass") for piece in found), key=len, reverse=True))


def hidden(data: bytes, sought: Iterable[bytes]) -> list[tuple[int, int]]:
    """Return where something that is sought begins and ends, in order; what overlaps is hidden as one."""
    spans: list[tuple[int, int]] = []
    for start, end in sorted(span for needle in sought for span in _found(data, needle)):
        if spans and start < spans[-1][1]:
            spans[-1] = (spans[-1][0], max(end, spans[-1][1]))
        else:
            spans.append((start, end))
    return spans


def _found(data: bytes, needle: bytes) -> Iterator[tuple[int, int]]:
    start = data.find(needle)
    while start >= 0:
        yield start, start + len(needle)
        start = data.find(needle, start + 1)


def _parts(value: str) -> Iterator[str]:
    """Yield a value without the space around it, which is often lost, and its lines, of which one may be seen alone."""
    whole = value.strip()
    whole = whole if len(whole) >= SHORTEST_SECRET else value
    if len(whole) >= SHORTEST_SECRET and not whole.isspace():
        yield whole
    parts = (*whole.splitlines(), *ASCII.findall(whole))
    yield from (part.strip() for part in parts if len(part.strip()) >= SHORTEST_LINE)


def _pieces(part: str) -> Iterator[str]:
    """Yield the part, or if it is long its pieces, which overlap so that together they hide it as one."""
    for start in range(0, max(1, len(part) - LONGEST), LONGEST - 1):
        yield part[start : start + LONGEST]
    yield part[-LONGEST:]


def conceal(definition: JobDefinition) -> tuple[JobDefinition, dict[str, str]]:
    """Take the values of all secrets out of a job, and put placeholders in their place.

    What has an expression in it stays: it is not a value. A job without secrets is returned as it is.
    """
    if not (definition.secrets or definition.webhooks or any(map(any, map(INSIDE_TASK, definition.tasks)))):
        return definition, {}  # most jobs, and each submission asks
    taken = _Taken(definition.secrets)
    made = taken.within(definition, "")
    if taken.own:
        made = msgspec.structs.replace(made, secrets={name: _stand_in(name) for name in definition.secrets})
    return made, taken.values


def inherit(definition: JobDefinition, values: Mapping[str, str]) -> tuple[JobDefinition, dict[str, str]]:
    """Make a job of its own of a sub-job, which comes with placeholders for secrets of the job that starts it.

    Its own secrets get their values, under their own names; the others are taken over, under names that no secret of
    its own has. Raises `SecretGone` when the other job has not all that is needed.
    """
    own = {name: reveal(text, values) for name, text in definition.secrets.items()}
    bare: dict[str, Any] = msgspec.to_builtins(msgspec.structs.replace(definition, secrets={}))
    taken: dict[str, str] = {}

    renames: dict[str, str] = {}

    def take_over(found: re.Match[str]) -> str:
        if found[1] not in renames:
            name = renames[found[1]] = _free(f"{INHERITED}{found[1]}", own | taken)
            taken[name] = reveal(found[0], values)
        return _stand_in(renames[found[1]])

    renamed = msgspec.convert(_each_text(bare, lambda text: PLACEHOLDER.sub(take_over, text)), JobDefinition)
    made, concealed = conceal(msgspec.structs.replace(renamed, secrets=own))
    return made, concealed | taken


class _Taken:
    """The values that were taken out of a definition, by the names under which they are kept."""

    def __init__(self, secrets: dict[str, str]) -> None:
        self.own = {name: value for name, value in secrets.items() if not mentions(value)}
        self.values = dict(self.own)
        self._secrets = secrets
        self._spelt = {value: name for name, value in self.own.items() if len(value) >= SHORTEST_SECRET}
        longest_first = sorted(self._spelt, key=len, reverse=True)
        self._spellings = re.compile("|".join(map(re.escape, longest_first))) if longest_first else None

    def within(self, node: Text, path: str) -> Text:
        """Take the secrets out of what is inside a part of a definition; without any it stays the same object."""
        changed = {}
        for field in INSIDE.get(type(node), ()):
            found = getattr(node, field)
            if found and (made := self._part(found, f"{path}{field}")) is not found:
                changed[field] = made
        if field := SECRET.get(type(node), ""):
            found = getattr(node, field)
            if found and (made := self._secret(found, f"{path}{field}")) is not found:
                changed[field] = made
        if field := MAY_SPELL.get(type(node), ""):
            found = getattr(node, field)
            if found and (made := self._unspelt(found)) != found:
                changed[field] = made
        return msgspec.structs.replace(node, **changed) if changed else node

    def _unspelt(self, texts: dict[str, str]) -> dict[str, str]:
        """Name the secrets whose values were written out; within an expression they stay."""
        spellings = self._spellings
        if spellings is None:
            return texts
        return {
            name: text if mentions(text) or has_expression(text) else spellings.sub(self._name, text)
            for name, text in texts.items()
        }

    def _name(self, found: re.Match[str]) -> str:
        return _stand_in(self._spelt[found[0]])

    def _part(self, part: Any, path: str) -> Any:
        if not isinstance(part, tuple):
            return self.within(part, f"{path}.")
        made = tuple(self.within(each, f"{path}.{index}.") for index, each in enumerate(part))
        return part if all(one is other for one, other in zip(part, made, strict=True)) else made

    def _secret(self, secret: Any, path: str) -> Any:
        if isinstance(secret, str):
            return self._text(secret, path)
        made = {name: self._text(text, f"{path}.{name}") for name, text in secret.items()}
        return secret if all(made[name] is text for name, text in secret.items()) else made

    def _text(self, text: str, path: str) -> str:
        if not text or mentions(text) or has_expression(text):
            return text
        name = _free(path, self._secrets | self.values)
        self.values[name] = text
        return _stand_in(name)


def _free(name: str, others: Mapping[str, str]) -> str:
    """Make a name that is not among others."""
    return _free(f"{name}'", others) if name in others else name


def _each_text(part: Any, change: Callable[[str], str]) -> Any:
    if isinstance(part, str):
        return change(part)
    if isinstance(part, dict):
        return {name: _each_text(each, change) for name, each in part.items()}
    if isinstance(part, list | tuple):
        return [_each_text(each, change) for each in part]
    return part
