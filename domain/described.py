"""Describes fields: for whoever reads documents, for people, and for the JSON Schema, all in one place.

The rules stand in `Meta.extra`, where only the reader of documents looks for them, so that what is stored is never
judged again:

- `rule`: the problems of a text or a number; `count`: those of a list or mapping of so many;
- `says`: the rule in words; `default`: what an empty field means;
- `trimmed`: whether line breaks at the end are left out, which blocks of YAML have.
"""

from __future__ import annotations

from typing import Any

from msgspec import Meta

from domain.rules import Rule, few, within

TEMPLATE = r"[\s\S]*\{\{[\s\S]+\}\}[\s\S]*"
"""A text with an expression, as far as a pattern can tell."""


def text(description: str, rule: Rule, says: str = "", *examples: str, **more: Any) -> Meta:
    """Describe a text. `default` and `trimmed` are as above; the rest is for the JSON Schema."""
    extra = {"rule": rule, "says": says, "default": more.pop("default", ""), "trimmed": more.pop("trimmed", False)}
    return Meta(
        description=description or None, examples=list(examples) or None, extra=extra, extra_json_schema=more or None
    )


def number(description: str, least: float, most: float, *examples: float, default: str = "") -> Meta:
    """Describe a number."""
    extra = {"rule": within(least, most), "says": f"{least:g} to {most:,g}", "default": default}
    limits = {"minimum": least, "maximum": most}
    return Meta(description=description, examples=list(examples), extra=extra, extra_json_schema=limits)


def several(description: str, most: int, what: str, fewest: int = 0) -> Meta:
    """Describe a list."""
    limits = {"maxItems": most} | ({"minItems": fewest} if fewest else {})
    return Meta(description=description, extra=_counted(most, what, fewest), extra_json_schema=limits)


def mapping(description: str, most: int, what: str, example: dict[str, str] | None = None, says: str = "") -> Meta:
    """Describe values under names; what is to be said of these goes on from how many there may be."""
    extra = _counted(most, what, 0)
    extra["says"] += says
    examples = [example] if example else None
    return Meta(description=description, extra=extra, examples=examples, extra_json_schema={"maxProperties": most})


def _counted(most: int, what: str, fewest: int) -> dict[str, Any]:
    says = f"{fewest} to {most:,} {what}s" if fewest else f"at most {most:,} {what}s"
    return {"count": few(most, what, fewest), "says": says}


def shape(pattern: str, *, template: bool = False, empty: bool = True) -> str:
    """Write a pattern for the JSON Schema."""
    return f"^(?:{pattern}{'|' + TEMPLATE if template else ''}){'?' if empty else ''}$"
