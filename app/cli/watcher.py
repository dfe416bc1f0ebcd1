"""Shows what is seen of a job while it runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from rich.text import Text

from app.cli import screen, times
from app.cli.exits import OF_STATE

if TYPE_CHECKING:
    from rich.status import Status

    from app.cli.client import Document


class Watcher:
    """Tells changes on stderr and output on stdout; in a terminal, a line that moves shows that work goes on."""

    def __init__(self, *, states: bool = True) -> None:
        """Begin with nothing seen."""
        self._console = screen.stderr()
        self._states = states
        self._live = self._console.is_terminal and screen.stdout().is_terminal
        self._status: Status | None = None
        self._seen: tuple[object, ...] = ()
        self._at_line_start = True

    def __enter__(self) -> Self:
        """Begin."""
        return self

    def __exit__(self, *_: object) -> None:
        """Take the moving line away, and leave the terminal at the start of a line."""
        self._clear()
        self._end_line()

    def saw(self, job: Document) -> bool:
        """Tell what has changed, if something has."""
        now = (job["state"], job.get("position"))
        if now == self._seen:
            return False
        self._seen = now
        if self._states:
            self._clear()
            self._end_line()
            self._console.print(line(job))
        return True

    def printed(self, chunk: bytes) -> None:
        """Pass on what a task printed."""
        self._clear()
        screen.write(chunk)
        self._at_line_start = chunk.endswith(b"\n")

    def idle(self, job: Document) -> None:
        """Show that work goes on, unless that would land in the middle of a line of output."""
        if not (self._live and self._at_line_start) or job["state"] in OF_STATE:
            return
        text = Text(f"{screen.printable(job['state'])} {times.took(job)}".rstrip())
        if self._status is None:
            spinner = "dots" if self._console.encoding.startswith("utf") else "line"
            self._status = self._console.status(text, spinner=spinner)
            self._status.start()
        else:
            self._status.update(text)

    @property
    def tidying(self) -> str:
        """What brings a terminal in order at a sudden end: the moving line goes, the cursor comes back."""
        if self._status is not None:
            return "\r\x1b[2K\x1b[?25h"
        return "\n"  # after the ^C that the terminal shows

    def _clear(self) -> None:
        if self._status is not None:
            self._status.stop()
            self._status = None

    def _end_line(self) -> None:
        """Begin a new line where output and messages meet on one terminal."""
        if self._live and not self._at_line_start:
            self._console.print()
            self._at_line_start = True


def line(job: Document) -> Text:
    """Say in a line how a job stands."""
    text = Text.assemble(f"{job['id'][: screen.SHORT]} ", screen.cell(job["state"]))
    text.append(screen.cell(_more(job)))
    return text


def _more(job: Document) -> str:
    match job["state"]:
        case "RUNNING":
            return f" task {job['position']} of {job['taskCount']}{_name(job)}"
        case "FAILED":
            return f": {job.get('error', 'no reason is known')}"
        case "COMPLETED":
            return f" in {times.took(job)}"
    return ""


def _name(job: Document) -> str:
    """Return the name of the task at which a job stands: as it runs, or else as it was written."""
    tasks, position = job.get("tasks", ()), job["position"]
    running = [each for each in job.get("execution", ()) if _is_at(each, position)]
    written = tasks[position - 1 : position] if position else ()
    name = next((each["name"] for each in (*running[-1:], *written) if each.get("name")), None)
    return f": {name}" if name else ""


def _is_at(attempt: Document, position: int) -> bool:
    return attempt.get("position") == position and "parentId" not in attempt
