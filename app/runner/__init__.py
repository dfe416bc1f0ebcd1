"""The runner: takes attempts from the log, runs them as containers, and records how they ended."""

from app.runner.engine import Engine
from app.runner.runner import Runner

__all__ = ["Engine", "Runner"]
