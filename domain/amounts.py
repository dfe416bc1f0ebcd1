"""Reads what is written as a text and means an amount: a time, memory, processors, GPUs."""

from __future__ import annotations

import csv
import re

import msgspec

LONGEST_TIMEOUT = 365 * 24 * 3600.0
LONGEST_AMOUNT = 64
"""Characters: ample for every unit, and a bound for the work of reading it."""

DURATION = re.compile(r"\+?(?:(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:ns|us|µs|μs|ms|s|m|h))+")
PART_OF_DURATION = re.compile(r"([0-9.]+)([a-zµμ]+)")
SECONDS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}

CPUS = re.compile(r"[0-9]+(?:\.[0-9]*)?|\.[0-9]+")
FEWEST_CPUS = 0.01
"""The least share of a processor that Linux can give."""
MOST_CPUS = 1024.0

MEMORY = re.compile(r"([0-9]+(?:\.[0-9]*)?|\.[0-9]+) ?(?:([kmgtpKMGTP])(?:[iI]?[bB])?|[bB])?")
POWERS = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4, "p": 5}
LEAST_MEMORY = 6 * 1024**2
"""Bytes; a Docker Engine makes no container with less."""
MOST_MEMORY = 1024**5

ALL = -1
MOST_GPUS = 1024
LONGEST_GPUS = 2048
"""Characters."""
COUNT = re.compile(r"[0-9]{1,4}")
DEVICE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,127}(?:/[0-9]{1,3}){0,2}")
DRIVER = re.compile(r"nvidia|amd")
"""Drivers of GPUs; another one, as `cdi`, could hand out any device of the host."""
WORD = re.compile(r"[a-z][a-z0-9_.-]{0,63}")


class Gpus(msgspec.Struct, frozen=True):
    """Which GPUs a container gets, in the words of the Engine's device requests."""

    count: int = 0
    """How many; `ALL` for all there are; 0 when devices are named."""
    devices: tuple[str, ...] = ()
    driver: str = ""
    """The Engine's own choice when empty."""
    capabilities: tuple[str, ...] = ("gpu",)


def parse_duration(text: str) -> float:
    """Read a duration as Go writes it (`5s`, `1h30m`, `1.5h`, `300ms`) and return its seconds."""
    if len(text) > LONGEST_AMOUNT or not DURATION.fullmatch(text):
        raise ValueError("not a duration: it is numbers with units, of which there are h, m, s, ms, us and ns")
    seconds = sum(float(number) * SECONDS[unit] for number, unit in PART_OF_DURATION.findall(text))
    if seconds <= 0:
        raise ValueError("a duration must be longer than nothing")
    if seconds > LONGEST_TIMEOUT:
        raise ValueError("a duration can not be longer than a year, 8760h")
    return seconds


def parse_cpus(text: str) -> float:
    """Read a number of processors (`1.5`, `.5`)."""
    if len(text) > LONGEST_AMOUNT or not CPUS.fullmatch(text):
        raise ValueError("not a number of processors")
    cpus = float(text)
    if not FEWEST_CPUS <= cpus <= MOST_CPUS:
        raise ValueError(f"processors must be from {FEWEST_CPUS:g} to {MOST_CPUS:,.0f}")
    return cpus


def parse_memory(text: str, least: int = 1) -> int:
    """Read an amount of memory as Docker does (`512m`, `1gb`; each unit is 1,024 of the one before), in bytes."""
    found = MEMORY.fullmatch(text) if len(text) <= LONGEST_AMOUNT else None
    if not found:
        raise ValueError("not an amount of memory: it is a number with a unit, of which there are b, k, m, g, t and p")
    size = int(float(found[1]) * 1024 ** POWERS[(found[2] or "").lower()])
    if size < least:
        raise ValueError(f"too little memory: at least {least:,} bytes")
    if size > MOST_MEMORY:
        raise ValueError("too much memory: at most a pebibyte, 1p")
    return size


def parse_gpus(text: str) -> Gpus:
    """Read GPUs as the command line of Docker does: `all`, `2`, `device=0,1`, `count=2,capabilities=utility`."""
    wanted: dict[str, list[str]] = {}
    name = ""
    for field in _fields(text):
        name = _note(field, name, wanted)
    count = _count(wanted.pop("count", None), devices="device" in wanted)
    return Gpus(
        count=count,
        devices=_words(wanted.get("device", []), DEVICE, "device"),
        driver=next(iter(_words(wanted.get("driver", []), DRIVER, "driver")), ""),
        capabilities=tuple(dict.fromkeys((*_words(wanted.get("capabilities", []), WORD, "capability"), "gpu"))),
    )


def _fields(text: str) -> list[str]:
    try:
        rows = list(csv.reader([text[: LONGEST_GPUS + 1]], strict=True))
    except csv.Error:
        raise ValueError("a quote is not closed, or stands in the middle of a word") from None
    if rows == [[]] or len(text) > LONGEST_GPUS:
        raise ValueError(f"GPUs are asked for in 1 to {LONGEST_GPUS:,} characters")
    return rows[0]


def _note(field: str, before: str, wanted: dict[str, list[str]]) -> str:
    """Note one part; return its name, for a device after a comma may follow without one."""
    name, equals, value = field.partition("=")
    if not equals and before == "device":
        wanted["device"].append(field)
        return before
    if not equals:
        name, value = "count", field
    if name not in {"count", "device", "driver", "capabilities"}:
        raise ValueError("there are only all, a number, count=, device=, driver= and capabilities=")
    if name in wanted:
        raise ValueError(f"{name} can be given only once")
    wanted[name] = value.split(",")
    return name


def _count(given: list[str] | None, *, devices: bool) -> int:
    if given is None:
        return 0 if devices else 1
    if devices:
        raise ValueError("give either a number of GPUs or the devices, not both")
    if given == ["all"]:
        return ALL
    if len(given) > 1 or not COUNT.fullmatch(given[0]) or not 1 <= int(given[0]) <= MOST_GPUS:
        raise ValueError(f"the number of GPUs must be all, or from 1 to {MOST_GPUS:,}")
    return int(given[0])


def _words(given: list[str], pattern: re.Pattern[str], what: str) -> tuple[str, ...]:
    if not all(pattern.fullmatch(word) for word in given):
        raise ValueError(f"not a name of a {what}")
    return tuple(given)
