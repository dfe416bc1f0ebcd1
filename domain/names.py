"""What names and addresses in a job must be like: of images, queues, files, networks, headers and so on."""

from __future__ import annotations

import re

from domain.errors import Problem

LONGEST_IMAGE = 512
LONGEST_PATH = 256
LONGEST_URL = 2048
LONGEST_FILE_NAME = 1024
LONGEST_FILE_PART = 255
"""Bytes, as file systems have it."""
LONGEST_HEADER = 8 * 1024
SHORTEST_SECRET = 4
"""Characters: what is shorter would be found everywhere where secrets are taken out of a text."""

COORDINATOR_QUEUES = frozenset(
    {"pending", "started", "completed", "error", "heartbeat", "jobs", "logs", "progress", "redeliveries"}
)
"""Names that Tork keeps for itself: a job file that uses one would not move between the two."""
NAMESPACES = frozenset({"inputs", "secrets", "tasks", "job"})
"""Names that expressions know already."""
OWN_HEADERS = frozenset(
    {"host", "content-length", "transfer-encoding", "connection", "te", "trailer", "upgrade", "expect"}
)
"""Headers that are ours to write: they say where a request ends and to whom it goes."""
WEBHOOK_EVENTS = ("job.StateChange", "job.Progress", "task.StateChange", "task.Progress")
MOUNT_TYPES = ("volume", "bind", "tmpfs")

QUEUE = re.compile(r"[A-Za-z0-9._-]{1,128}")
VARIABLE = re.compile(r"(?!__)[A-Za-z_][A-Za-z0-9_]{0,63}")
RESULT = re.compile(r"(?!__)[A-Za-z_][A-Za-z0-9_-]{0,63}")
NETWORK = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,127}")
OF_AN_ATTEMPT = re.compile(r"jobledger-[0-9a-f]{32}")
"""The networks by which other tasks reach their sidecars."""
MOUNT_PATH = re.compile(r"/[-/.0-9a-zA-Z_= ]*")
"""The characters that Tork allows; no colon and no comma, which mean something to Docker."""
PROBE_PATH = re.compile(r"/[!-~]*")
HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}")
HEADER_VALUE = re.compile(r"[ -~]*")

LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?"
HOST = rf"(?:{LABEL}(?:\.{LABEL})+|{LABEL}(?=:)|\[[0-9A-Fa-f:]+\])(?::[0-9]{{1,5}})?"
PART = r"[a-z0-9]+(?:(?:\.|__?|-+)[a-z0-9]+)*"
TAG = r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}"
DIGEST = r"[A-Za-z][A-Za-z0-9+._-]*:[0-9A-Fa-f]{32,128}"
IMAGE = re.compile(rf"(?:{HOST}/)?{PART}(?:/{PART})*(?::{TAG})?(?:@{DIGEST})?")
URL = re.compile(r"[Hh][Tt][Tt][Pp][Ss]?://([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::([0-9]{1,5}))?(?:[/?#][!-~]*)?")
USER_IN_URL = re.compile(r"[^:/?#]*://[^/?#]*@")


def queue(text: str) -> Problem | None:
    """Ask for the name of a queue of tasks."""
    hint = "use 1 to 128 letters, digits, dots, dashes and underscores, not beginning with x-"
    if text in COORDINATOR_QUEUES or text.startswith("x-"):
        return Problem("this queue is not for tasks", "queue", hint="choose another name")
    return None if QUEUE.fullmatch(text) else Problem("not a name of a queue", "queue", hint=hint)


def image(text: str) -> Problem | None:
    """Ask for a reference to an image, as a registry understands it."""
    if len(text) > LONGEST_IMAGE:
        return Problem("too long for an image", "image", hint=f"use at most {LONGEST_IMAGE} characters")
    if IMAGE.fullmatch(text):
        return None
    if IMAGE.fullmatch(text.lower()):
        return Problem("not an image", "image", hint="its name must be in lower case")
    return Problem("not an image", "image", hint="write it like alpine:3.20 or registry.example.com/team/image:tag")


def variable(text: str) -> Problem | None:
    """Ask for a name that expressions can use."""
    if VARIABLE.fullmatch(text):
        return None
    hint = "use at most 64 letters, digits and underscores, not beginning with a digit or two underscores"
    return Problem("not a name of a variable", "var", hint=hint)


def result(text: str) -> Problem | None:
    """Ask for a name under which a result can be found, as `tasks['my-name']` if not in another way."""
    if RESULT.fullmatch(text):
        return None
    hint = "use at most 64 letters, digits, dashes and underscores, not beginning with a digit, a dash or __"
    return Problem("not a name of a result", "var", hint=hint)


def item_variable(text: str) -> Problem | None:
    """Ask for a name that stands for nothing else in expressions."""
    if text in NAMESPACES:
        return Problem("this name has a meaning in expressions already", "var", hint="choose another one")
    return variable(text)


def environment_name(text: str) -> Problem | None:
    """Ask for what Linux takes for a name in the environment."""
    if not text:
        return Problem("the name of an environment variable must not be empty", "env", hint="write NAME: value")
    if "=" in text:
        return Problem("the name of an environment variable must not contain =", "env", hint="write NAME: value")
    return None


def file_name(text: str) -> Problem | None:
    """Ask for a name that stays in its folder, however it is read."""
    if not text or any(part in {"", ".", ".."} for part in text.split("/")):
        return Problem("not a name of a file in the working directory", "file_name", hint="write a.txt or folder/a.txt")
    if len(text.encode()) > LONGEST_FILE_NAME or any(
        len(part.encode()) > LONGEST_FILE_PART for part in text.split("/")
    ):
        return Problem("too long for the name of a file", "file_name", hint=f"use at most {LONGEST_FILE_PART} bytes")
    return None


def mount_path(text: str) -> Problem | None:
    """Ask for an absolute path that means what it seems to mean."""
    if not MOUNT_PATH.fullmatch(text):
        hint = "write an absolute path of letters, digits, spaces and any of - _ . = /"
        return Problem("not a path that can be mounted", "mount", hint=hint)
    if ".." in text.split("/"):
        return Problem("a path that leads back through ..", "mount", hint="write the path itself")
    return None


def folder(text: str) -> Problem | None:
    """Ask for an absolute path to a folder in which a program can work."""
    parts = [part for part in text.split("/") if part not in {"", "."}]
    if not text.startswith("/") or ".." in parts:
        return Problem("not an absolute path", "workdir", hint="begin it with /, and leave out ..")
    kept = parts[:1] in (["proc"], ["sys"], ["dev"]) or (parts[:1] == ["tork"] and parts[1:2] != ["workdir"])
    return Problem("no folder to work in", "workdir", hint="choose another one, as /tork/workdir") if kept else None


def network(text: str) -> Problem | None:
    """Ask for the name of a network; a container may be in no other's, and not in the host's."""
    if text.lower() in {"host", "none", "default"} or OF_AN_ATTEMPT.match(text):
        return Problem("tasks can not have this network", "network", hint="name a network that was made for them")
    if NETWORK.fullmatch(text):
        return None
    return Problem("not a name of a network", "network", hint="use letters, digits, dots, dashes and underscores")


def url(text: str) -> Problem | None:
    """Ask for an address that HTTP can reach, without a name or password in it."""
    if USER_IN_URL.match(text):
        return Problem("an address with a user name in it", "url", hint="send it in a header, as a secret")
    found = URL.fullmatch(text) if len(text) <= LONGEST_URL else None
    if found and int(found[2] or 1) in range(1, 2**16):
        return None
    return Problem("not an address of the web", "url", hint="write it like https://example.com/path")


def header_name(text: str) -> Problem | None:
    """Ask for the name of a header that is not ours to write."""
    if not HEADER_NAME.fullmatch(text):
        return Problem("not a name of a header", "header", hint="use letters, digits and dashes")
    if text.lower() in OWN_HEADERS or text.lower().startswith("webhook-"):
        return Problem("this header can not be set", "header", hint="remove it")
    return None


def secret(text: str) -> Problem | None:
    """Ask for enough characters to be told from other texts."""
    if len(text) >= SHORTEST_SECRET:
        return None
    hint = f"use at least {SHORTEST_SECRET} characters, or an input for what is no secret"
    return Problem("too short for a secret", "secret_too_short", hint=hint)
