"""A runner, from the outside: run it, drain it, or have it leave."""

from __future__ import annotations

import logging
from queue import SimpleQueue

from app.lock import Held, locked
from app.log import Log
from app.runner.orders import Order, signals_heeded
from app.runner.runtime import Runtime
from app.runner.shift import Shift
from app.settings import Settings
from app.vault import VaultUnusable
from domain.errors import Refused

logger = logging.getLogger("jobledger.runner")


class Runner:
    """Takes attempts from the log and runs them on one runtime."""

    def __init__(self, log: Log, settings: Settings, runtime: Runtime | None = None) -> None:
        """Make ready to run; without a runtime it is the one that the settings name."""
        self._log = log
        self._settings = settings
        self._runtime = runtime or _runtime(settings)
        self._orders: SimpleQueue[Order] = SimpleQueue()  # which a signal handler may use at any moment

    def run(self) -> None:
        """Work until it is told to end, by a call or by a signal; refused while another runner has its name."""
        folder = self._settings.runner
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        name = self._settings.runner_name
        try:
            with locked(folder / "lock"), signals_heeded(self.drain, self.leave):
                logger.info("runner %s begins", name)
                Shift(self._log, self._settings, self._runtime, self._orders).work()
                logger.info("runner %s ended", name)
        except Held as error:
            message = f"a runner named {name} is at work already (process {error.holder}): give this one another name"
            raise Refused(message) from None
        except VaultUnusable as error:
            raise Refused(str(error)) from None

    def drain(self) -> None:
        """Have it claim no more and end when what runs has ended."""
        self._orders.put(Order.DRAIN)

    def leave(self) -> None:
        """Have it end now; its containers run on, and its next start takes them up again."""
        self._orders.put(Order.LEAVE)


def _runtime(settings: Settings) -> Runtime:
    if settings.runtime == "process":
        from app.runner.processes import ProcessRuntime  # noqa: PLC0415 - each runtime needs much that no other does

        return ProcessRuntime(settings)
    from app.runner.docker_runtime import DockerRuntime  # noqa: PLC0415 - as above

    return DockerRuntime(settings)
