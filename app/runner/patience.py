"""Asking an Engine that may be away: whoever asks here gets an answer, when the Engine is back."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from app.runner.engine import Engine, EngineAway
from app.runner.signals import Left, Signals

T = TypeVar("T")


class Patience:
    """Asks for one attempt, and gives up only when the runner ends."""

    def __init__(self, engine: Engine, signals: Signals) -> None:
        """Know whom to ask, and from where the runner's end is heard."""
        self.engine = engine
        self._signals = signals

    def ask(self, question: Callable[[], T]) -> T:
        """Ask until there is an answer."""
        while True:
            try:
                return question()
            except EngineAway:
                self.await_engine()

    def await_engine(self) -> None:
        """Wait until the Engine is there."""
        while not self.engine.is_there.wait(1):
            if self._signals.left:
                raise Left

    def pause(self, seconds: float) -> None:
        """Let some time pass."""
        self._signals.settle(_never, seconds)


def _never() -> bool:
    return False
