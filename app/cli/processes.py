"""What the processes that do the work begin with: their log lines, their folder, their end."""

from __future__ import annotations

import logging
from contextlib import contextmanager
from typing import TYPE_CHECKING

from app.cli import lifeline
from app.cli.failure import Failure

if TYPE_CHECKING:
    from collections.abc import Iterator

    from app.settings import Settings

LINE = "%(asctime)s.%(msecs)03d {name:<6} %(levelname)-7s %(message)s"
TIME = "%Y-%m-%d %H:%M:%S"


def begin(name: str, descriptor: int | None) -> None:
    """Log to stderr under a name, and end with the process that started this one."""
    lifeline.hold(descriptor)
    logging.basicConfig(level=logging.WARNING, format=LINE.format(name=name), datefmt=TIME)
    logging.getLogger("jobledger").setLevel(logging.INFO)


def prepare(settings: Settings) -> None:
    """Create the data folder, or fail with what to do."""
    try:
        settings.prepare()
    except OSError as error:
        raise unusable(settings, error) from error


@contextmanager
def explained(*expected: type[Exception]) -> Iterator[None]:
    """Tell of what is expected to go wrong without a traceback, and as something that no new start would mend."""
    try:
        yield
    except expected as error:
        raise Failure(str(error)) from error


def unusable(settings: Settings, error: OSError) -> Failure:
    """Say that the data folder does not do."""
    message = f"the data folder {settings.data} can not be used: {error.strerror or error}"
    return Failure(message, hint="choose a folder that this account may write to: --data DIR")
