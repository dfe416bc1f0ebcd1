"""The language of expressions: `{{ … }}` in a job's texts, and fields that are expressions by themselves.

It is what Tork's jobs use of expr-lang (v1.17), with Go's way of printing values. An evaluation is pure and bounded: it
reads nothing but its scope, reaches no object of Python, and ends after a certain number of steps. The domain has
neither a clock nor chance: both come with the scope.

Sources are read by `lexer`, `cursor`, `operands` and `parser` into `nodes`; `checker` finds what is wrong before there
are values, `secrecy` where secrets may not be; `compiler` makes closures; `template` finds expressions in texts.
"""

from domain.expression.errors import ExpressionError
from domain.expression.limits import Budget
from domain.expression.template import (
    check,
    check_field,
    check_template,
    condition,
    evaluate,
    evaluate_field,
    expression_of,
    format_value,
    has_expression,
    render,
)
from domain.expression.values import Duration, Month, Sealed, Time, Weekday, Zone

__all__ = [
    "Budget",
    "Duration",
    "ExpressionError",
    "Month",
    "Sealed",
    "Time",
    "Weekday",
    "Zone",
    "check",
    "check_field",
    "check_template",
    "condition",
    "evaluate",
    "evaluate_field",
    "expression_of",
    "format_value",
    "has_expression",
    "render",
]
