"""The runtime for machines without Docker: tasks run as processes of the runner's own account."""

from app.runner.processes.runtime import ProcessRuntime

__all__ = ["ProcessRuntime"]
