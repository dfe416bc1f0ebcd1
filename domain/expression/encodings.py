"""Built-in functions that write and read JSON and base64, as Go does."""

from __future__ import annotations

import base64
import binascii
import json
import math
import re
from collections.abc import Callable
from decimal import Decimal

from domain.expression.errors import Fault
from domain.expression.limits import LONG, Evaluation, Value, bounded_text, deeper
from domain.expression.printing import go_float
from domain.expression.values import (
    MAPS,
    Duration,
    Month,
    Time,
    Weekday,
    refusal,
    text,
    type_name,
    whole,
)

INDENT = "  "
ESCAPED = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}
"""What Go's JSON does not leave as it is, for the sake of browsers."""
BASE64 = re.compile("[A-Za-z0-9+/]")
UNSAFE = re.compile("[<>&\u2028\u2029]")
ESCAPE = "Invalid \\escape"
UNENDED = "unexpected end of JSON input"
GO_WORDS = {
    "Expecting value": "looking for beginning of value",
    "Expecting property name enclosed in double quotes": "looking for beginning of object key string",
    "Expecting ':' delimiter": "after object key",
    "Expecting ',' delimiter": "after array element",
    "Extra data": "after top-level value",
    "Invalid control character at": "in string literal",
    ESCAPE: "in string escape code",
    "Invalid \\uXXXX escape": "in \\u hexadecimal character escape",
}
"""Go's words for what Python says of JSON."""


class _Json:
    """Writes one value, piece by piece."""

    def __init__(self, evaluation: Evaluation) -> None:
        self._evaluation = evaluation
        self.pieces: list[str] = []

    def value(self, value: Value, depth: int) -> None:
        writer = SCALARS.get(type(value))
        if writer:
            written = writer(value)
            if len(written) > LONG:
                self._evaluation.spend(len(written) >> 3)
            self.pieces.append(written)
            return
        if type(value) is not list and type(value) not in MAPS:
            raise refusal(value, f"json: unsupported type: {type_name(value)}")
        self._evaluation.spend((8 + (depth >> 2)) * (len(value) + 2))
        if type(value) is list:
            self._list(value, deeper(depth))
        else:
            self._map(value, deeper(depth))

    def _list(self, items: list[Value], depth: int) -> None:
        before = "[\n"
        for item in items:
            self.pieces.append(before + INDENT * depth)
            self.value(item, depth)
            before = ",\n"
        self.pieces.append(f"\n{INDENT * (depth - 1)}]" if items else "[]")

    def _map(self, pairs: dict[Value, Value], depth: int) -> None:
        if not all(type(key) is str for key in pairs):
            raise Fault(f"json: unsupported type: {type_name(pairs)}")
        before = "{\n"
        for key in sorted(pairs):
            self.pieces.append(f"{before}{INDENT * depth}{_string(key)}: ")
            self.value(pairs[key], depth)
            before = ",\n"
        self.pieces.append(f"\n{INDENT * (depth - 1)}}}" if pairs else "{}")


def _string(value: str) -> str:
    written = json.dumps(whole(value), ensure_ascii=False)
    return UNSAFE.sub(lambda found: ESCAPED[found[0]], written)


def _float(number: float) -> str:
    if not math.isfinite(number):
        raise Fault(f"json: unsupported value: {go_float(number)}")
    if number == 0 or 1e-6 <= abs(number) < 1e21:  # noqa: PLR2004 - Go's bounds for plain digits
        return format(Decimal(repr(number)), "f").removesuffix(".0")
    return go_float(number).replace("e-0", "e-")


def _time(time: Time) -> str:
    moment = time.moment.isoformat()
    day, _, rest = moment.partition(".")
    if rest:
        fraction, zone = rest[:6].rstrip("0"), rest[6:]
        moment = f"{day}.{fraction}{zone}"
    return json.dumps(moment.replace("+00:00", "Z"))


SCALARS: dict[type, Callable[[Value], str]] = {
    type(None): lambda _value: "null",
    bool: lambda value: "true" if value else "false",
    int: str,
    float: _float,
    str: _string,
    Time: _time,
    Duration: lambda duration: str(duration.nanoseconds),
    Month: lambda month: str(month.number),
    Weekday: lambda weekday: str(weekday.number),
}
"""How a value is written that has no others in it."""


def to_json(evaluation: Evaluation, value: Value) -> str:
    """Write a value as JSON, on lines of its own."""
    writing = _Json(evaluation)
    writing.value(value, 0)
    written = "".join(writing.pieces)
    bounded_text(len(written), evaluation)
    return written


def from_json(evaluation: Evaluation, value: Value) -> Value:
    """Read JSON, whose numbers are all floats."""
    source = text(value)
    evaluation.spend((len(source) >> 2) + 2 * sum(map(source.count, "[{,")))
    try:
        found = json.loads(source, parse_int=_number, parse_float=_number, parse_constant=_constant)
    except json.JSONDecodeError as error:
        raise Fault(_in_go_words(error)) from None
    except RecursionError:
        raise Fault("exceeded max depth") from None
    return _cleaned(found, 0) if "\\u" in source else found


def _number(digits: str) -> float:
    number = float(digits)
    if math.isinf(number):
        raise Fault(f"json: cannot unmarshal number {digits[:40]} into Go value of type float64")
    return number


def _constant(name: str) -> float:
    """Refuse what Python takes for numbers: NaN and infinity."""
    raise Fault(f"invalid character '{name[0]}' looking for beginning of value")


def _in_go_words(error: json.JSONDecodeError) -> str:
    place = error.pos + (error.msg == ESCAPE)  # Python points at the backslash
    character = error.doc[place : place + 1]
    if not character or error.msg not in GO_WORDS:
        return UNENDED
    return f"invalid character '{json.dumps(character)[1:-1]}' {GO_WORDS[error.msg]}"


def _cleaned(value: Value, depth: int) -> Value:
    """Take out of texts what Go's strings can not hold, and NUL."""
    if type(value) is str:
        return whole(value)
    if type(value) is list:
        return [_cleaned(item, deeper(depth)) for item in value]
    if type(value) is dict:
        return {whole(key): _cleaned(item, deeper(depth)) for key, item in value.items()}
    return value


def to_base64(evaluation: Evaluation, value: Value) -> str:
    """Write a text's bytes in base64."""
    data = text(value).encode(errors="replace")
    bounded_text(2 * len(data), evaluation)
    return base64.b64encode(data).decode()


def from_base64(_evaluation: Evaluation, value: Value) -> str:
    """Read base64; line breaks in it do no harm."""
    encoded = text(value).replace("\r", "").replace("\n", "")
    try:
        return whole(base64.b64decode(encoded, validate=True).decode(errors="replace"))
    except (binascii.Error, ValueError):
        place = next((index for index, each in enumerate(encoded) if not BASE64.match(each)), len(encoded) // 4 * 4)
        raise Fault(f"illegal base64 data at input byte {place}") from None


ENCODINGS: dict[str, Callable[..., Value]] = {
    "toJSON": to_json,
    "fromJSON": from_json,
    "toBase64": to_base64,
    "fromBase64": from_base64,
}
"""By name."""
