"""Built-in functions of texts."""

from __future__ import annotations

from collections.abc import Callable

from domain.expression.errors import Fault
from domain.expression.limits import Evaluation, Value, bounded_list, bounded_text
from domain.expression.members import octets
from domain.expression.operators import seek_cost
from domain.expression.values import SPACES, conversion, text, to_int, type_name

EVERY = -1
"""As many as there are."""


def trim(evaluation: Evaluation, value: Value, characters: Value = SPACES) -> str:
    """Take white space, or given characters, from both ends."""
    given, taken = text(value), text(characters)
    evaluation.spend(seek_cost(len(given), len(taken)))
    return given.strip(taken)


def trim_prefix(_evaluation: Evaluation, value: Value, prefix: Value = " ") -> str:
    """Take a beginning away."""
    return text(value).removeprefix(text(prefix))


def trim_suffix(_evaluation: Evaluation, value: Value, suffix: Value = " ") -> str:
    """Take an end away."""
    return text(value).removesuffix(text(suffix))


def upper(evaluation: Evaluation, value: Value) -> str:
    """Write in capitals, each character by itself."""
    given = text(value)
    return given.upper() if given.isascii() else _each(given, _upper, evaluation)


def lower(evaluation: Evaluation, value: Value) -> str:
    """Write in small letters, each character by itself."""
    given = text(value)
    return given.lower() if given.isascii() else _each(given, lambda character: character.lower()[0], evaluation)


def _each(given: str, change: Callable[[str], str], evaluation: Evaluation) -> str:
    evaluation.spend(2 * len(given))
    return "".join(map(change, given))


def _upper(character: str) -> str:
    """Return the one capital of a character: Go knows none that are two, such as SS."""
    capital = character.upper()
    if len(capital) == 1:
        return capital
    title = character.title()
    return title if len(title) == 1 else character


def split(evaluation: Evaluation, value: Value, separator: Value, most: Value = EVERY) -> list[str]:
    """Cut at each separator."""
    return _parts(evaluation, text(value), text(separator), to_int(most))


def split_after(evaluation: Evaluation, value: Value, separator: Value, most: Value = EVERY) -> list[str]:
    """Cut after each separator, which stays."""
    parts = _parts(evaluation, text(value), text(separator), to_int(most))
    return [part + separator for part in parts[:-1]] + parts[-1:]


def _parts(evaluation: Evaluation, given: str, separator: str, most: int) -> list[str]:
    if most == 0:
        return []
    cuts = given.count(separator) if separator else max(len(given) - 1, 0)
    cuts = cuts if most < 0 else min(cuts, most - 1)
    bounded_list(cuts + 1)
    evaluation.spend((cuts >> 1) + seek_cost(len(given), len(separator)))
    if separator:
        return given.split(separator, cuts)
    return [*given[:cuts], given[cuts:]] if given else []


def replace(evaluation: Evaluation, value: Value, old: Value, new: Value, most: Value = EVERY) -> str:
    """Put a text in the place of another."""
    given, sought, instead, limit = text(value), text(old), text(new), to_int(most)
    found = given.count(sought)
    found = found if limit < 0 else min(found, limit)
    evaluation.spend((found >> 1) + seek_cost(len(given), len(sought)))
    bounded_text(len(given) + found * (len(instead) - len(sought)), evaluation)
    return given.replace(sought, instead, found)


def repeat(evaluation: Evaluation, value: Value, times: Value) -> str:
    """Write a text many times over."""
    given, count = text(value), to_int(times)
    if count < 0:
        raise Fault(f"invalid argument for repeat (expected positive integer, got {count})")
    bounded_text(max(count, len(given) * count), evaluation)
    return given * count


def join(evaluation: Evaluation, items: Value, separator: Value = "") -> str:
    """Make one text of many."""
    if type(items) is not list:
        raise Fault(f"invalid argument for join (type {type_name(items)})")
    glue = text(separator)
    for item in items:
        if type(item) is not str:
            raise conversion(item, "string")
    evaluation.spend(len(items) >> 1)
    bounded_text(sum(map(len, items)) + len(glue) * len(items), evaluation)
    return glue.join(items)


def index_of(evaluation: Evaluation, value: Value, sought: Value) -> int:
    """Tell where a text is found first, in bytes from the beginning."""
    given, part = _bytes(value, evaluation), _bytes(sought, evaluation)
    evaluation.spend(seek_cost(len(given), len(part)))
    return given.find(part)


def last_index_of(evaluation: Evaluation, value: Value, sought: Value) -> int:
    """Tell where a text is found last, in bytes from the beginning."""
    given, part = _bytes(value, evaluation), _bytes(sought, evaluation)
    evaluation.spend(2 * seek_cost(len(given), len(part)))
    place = given[::-1].find(part[::-1])  # unlike rfind, find takes no time that explodes
    return len(given) - len(part) - place if place >= 0 else -1


def _bytes(value: Value, evaluation: Evaluation) -> bytes:
    return octets(text(value), evaluation)


def has_prefix(_evaluation: Evaluation, value: Value, prefix: Value) -> bool:
    """Tell whether a text begins with another."""
    return text(value).startswith(text(prefix))


def has_suffix(_evaluation: Evaluation, value: Value, suffix: Value) -> bool:
    """Tell whether a text ends with another."""
    return text(value).endswith(text(suffix))


TEXTS: dict[str, Callable[..., Value]] = {
    "trim": trim,
    "trimPrefix": trim_prefix,
    "trimSuffix": trim_suffix,
    "upper": upper,
    "lower": lower,
    "split": split,
    "splitAfter": split_after,
    "replace": replace,
    "repeat": repeat,
    "join": join,
    "indexOf": index_of,
    "lastIndexOf": last_index_of,
    "hasPrefix": has_prefix,
    "hasSuffix": has_suffix,
}
"""By name."""
