"""A runner, from the outside: run it, drain it, or have it leave."""

from __future__ import annotations

import logging
from queue import SimpleQueue

from app.lock import Held, locked
from app.log import Log
from app.runner.engine import Engine
from app.runner.orders import Order, signals_heeded
from app.runner.shift import Shift
from app.settings import Settings
from domain.errors import Refused

logger = logging.getLogger("jobledger.runner")


class Runner:
    """Takes attempts from the log and runs them as containers on one Docker Engine."""

    def __init__(self, log: Log, settings: Settings, engine: Engine | None = None) -> None:
        """Make ready to run; without an Engine it is the one that DOCKER_HOST names."""
        self._log = log
        self._settings = settings
        self._engine = engine or Engine(connections=2 * settings.runner_slots + 4)
        self._orders: SimpleQueue[Order] = SimpleQueue()  # which a signal handler may use at any moment

    def run(self) -> None:
        """Work until it is told to end, by a call or by a signal; refused while another runner has its name."""
        folder = self._settings.runner
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        name = self._settings.runner_name
        try:
            with locked(folder / "lock"), signals_heeded(self.drain, self.leave):
                logger.info("runner %s begins", name)
                Shift(self._log, self._settings, self._engine, self._orders).work()
                logger.info("runner %s ended", name)
        except Held as error:
            message = f"a runner named {name} is at work already (process {error.holder}): give this one another name"
            raise Refused(message) from None

    def drain(self) -> None:
        """Have it claim no more and end when what runs has ended."""
        self._orders.put(Order.DRAIN)

    def leave(self) -> None:
        """Have it end now; its containers run on, and its next start takes them up again."""
        self._orders.put(Order.LEAVE)
