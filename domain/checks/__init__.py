"""The rules of a job that need more than one field of it, and those of fields whose expressions have been evaluated."""

from domain.checks.evaluated import evaluated_problem
from domain.checks.job import problems

__all__ = ["evaluated_problem", "problems"]
