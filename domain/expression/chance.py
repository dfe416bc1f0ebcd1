"""Chance that is the same whenever the same is asked: numbers made of a seed, a place and a count."""

from __future__ import annotations

from hashlib import blake2b

from domain.expression.errors import Fault
from domain.expression.limits import Evaluation, Value
from domain.expression.values import refusal, type_name

COST = 10
"""Steps that a number takes."""


def random_int(position: int, evaluation: Evaluation, most: Value = 2**63) -> int:
    """Return one of the integers from zero up to another, without that."""
    if type(most) is not int:
        raise refusal(most, f"interface conversion: interface {{}} is {type_name(most)}, not int")
    if most <= 0:
        raise Fault("invalid argument to Intn")
    evaluation.spend(COST)
    evaluation.draws += 1
    asked = f"{evaluation.scope.get('$seed', 0)}:{position}:{evaluation.draws}"
    return int.from_bytes(blake2b(asked.encode(), digest_size=16).digest()) % most
