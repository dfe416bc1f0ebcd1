"""How far a task is, as it writes it to a file, and as the log is told."""

from __future__ import annotations

import math
from collections.abc import Callable

PERIOD = 1.0
"""Seconds between two looks at the file."""
WHOLE = 100


class Gauge:
    """Reads the progress of one task, and tells of each whole percent at most once."""

    def __init__(self, read: Callable[[], str], tell: Callable[[int], None], complain: Callable[[str], None]) -> None:
        """Know where to read, whom to tell, and to whom to complain of what is no number."""
        self._read = read
        self._tell = tell
        self._complain = complain
        self._has_complained = False

    def look(self) -> None:
        """Tell how far the task is now, if it says so."""
        text = self._read()
        percent = _percent(text)
        if percent is not None:
            self._tell(percent)
        elif text and not self._has_complained:
            self._has_complained = True
            self._complain(f"the progress is no number from 0 to {WHOLE}: {text!r}")


def _percent(text: str) -> int | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return None if math.isnan(number) else int(min(max(number, 0), WHOLE))
