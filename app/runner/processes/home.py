"""The folder of one attempt: who lives in it, the folders of its programs, and what their wardens keep."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from uuid import UUID

import msgspec

from app.runner import removal
from app.runner.exchange import Exchange
from app.runner.phases import Phase
from app.runner.processes import machine
from app.runner.processes.ward import Ward

PLATE = "attempt"
"""The file that says who lives there: it is there before anything is started, and gone before anything is removed."""
DRAFT, GONE = "draft", "gone"
"""Ends of the names of folders that are not yet, or not any more, an attempt's."""


class Plate(msgspec.Struct, frozen=True):
    """Whose folder it is."""

    log: UUID
    job: UUID
    attempt: UUID
    path: str
    """The way to the task in its job."""
    boot: str
    """In which start of the machine the folder was made: only then is what it does not say certain."""


class Home:
    """One attempt's folder."""

    def __init__(self, folder: Path) -> None:
        """Name the folder; it need not be there."""
        self.folder = folder

    def create(self, plate: Plate) -> None:
        """Make the folder anew, whole or not at all; to be done only while nothing was started."""
        draft = self._beside(DRAFT)
        for old in (draft, self.folder):
            removal.remove(old)
        draft.mkdir(parents=True, mode=0o700)
        (draft / PLATE).write_bytes(msgspec.json.encode(plate))
        draft.rename(self.folder)

    @property
    def plate(self) -> Plate | None:
        """Whose folder it is, if it is there."""
        with suppress(OSError, msgspec.DecodeError):  # the second, when the power was lost
            return msgspec.json.decode((self.folder / PLATE).read_bytes(), type=Plate)
        return None

    @property
    def is_sure(self) -> bool:
        """Whether what is not in the folder did not happen: with the power some of it may be lost."""
        plate = self.plate
        return plate is not None and plate.boot == machine.boot()

    def exchange(self, phase: Phase) -> Exchange:
        """Return the folder of a program."""
        return Exchange(self.folder / _name(phase))

    def ward(self, phase: Phase) -> Ward:
        """Return what the warden of a program keeps."""
        return Ward(self.folder, _name(phase))

    def wards(self) -> Iterator[Ward]:
        """Yield all that may have been started."""
        for bell in self.folder.glob("*.bell"):
            yield Ward(self.folder, bell.stem)

    def remove(self) -> None:
        """Remove the folder, with all that the task left in it; what is not ours to remove stays."""
        gone = self._beside(GONE)
        with suppress(OSError):  # it is not there, or was about to be removed before
            self.folder.rename(gone)
        for old in (gone, self._beside(DRAFT)):
            removal.remove(old)

    def _beside(self, end: str) -> Path:
        return self.folder.with_name(f"{self.folder.name}.{end}")


def homes(folder: Path) -> Iterator[tuple[Home, Plate]]:
    """Yield the folders of all attempts, and remove what is left of those that were being removed."""
    for path in folder.glob("*"):
        home = Home(path)
        if path.suffix == f".{GONE}":
            removal.remove(path)
        elif not path.suffix and (plate := home.plate):
            yield home, plate


def _name(phase: Phase) -> str:
    return phase.name or "own"
