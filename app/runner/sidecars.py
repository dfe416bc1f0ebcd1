"""The services of one task: begun before its own container, known to be ready, and ended with it."""

from __future__ import annotations

import http.client
from collections.abc import Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from datetime import timedelta
from threading import Event, Lock, Thread

from app.log.log import now
from app.runner import phases, spec
from app.runner.docker_leg import Begun, DockerLeg, Means
from app.runner.engine import EngineAway, EngineRefusal
from app.runner.limits import Limit, own_limit, task_limit
from app.runner.phases import Phase
from app.runner.signals import Cancelled, TimedOut
from app.runner.verdict import LINES, CalledOff, Failure, NeverRan, exited
from domain.amounts import parse_duration
from domain.definition import Probe

PERIOD = 1.0
"""Seconds between two questions whether a sidecar is ready."""
ANSWER = 5.0
"""Seconds that it has for an answer."""
PROBING = "1m"
"""How long it may take to be ready, when it does not say otherwise."""
PATIENCE = 60
"""Seconds for which the Engine is asked, at a time, to tell of its end."""
MOMENT = 1.0
"""The same, when it was just asked to end."""
GOOD = range(200, 300)


class Service:
    """One sidecar."""

    def __init__(self, means: Means, phase: Phase, probe: Probe | None) -> None:
        """Know it; it is not begun."""
        self._means = means
        self._phase = phase
        self._probe = probe
        self._leg = DockerLeg(means, phase)
        self._ready = Event()
        self._over = Event()
        """Set when nobody cares any more what becomes of it."""
        self._speaking = Lock()
        self._ended: Failure | None = None
        """How it ended, if it has by itself."""
        self._probed_until = now()
        self._last_answer = "it has no address in the network of its task"

    @property
    def is_ready(self) -> bool:
        """Whether the task's own container may begin."""
        return self._ready.is_set()

    @property
    def has_failed(self) -> bool:
        """Whether it never will be ready."""
        return not self.is_ready and (self._ended is not None or now() >= self._probed_until)

    def begin(self, announced: Collection[str]) -> None:
        """Start it, and begin to ask whether it is ready."""
        with self._leg.ending():
            begun = self._leg.begin(announced=self._phase.name in announced, heard=False)
            self._means.reporter.started(begun.at)
            self._observe(begun)
            self._ask()

    def rejoin(self) -> None:
        """Hear of its end if it still runs: it was ready before a crash of the runner."""
        self._ready.set()
        container = self._leg.container.look()
        if container is not None and container.running:
            self._observe(Begun(container.id, container.began))

    def see_ready(self) -> None:
        """Fail unless it is ready."""
        if self.is_ready:
            return
        if self._ended is not None:
            raise self._ended
        given = self._probe.timeout if self._probe else ""
        msg = f"{self._phase.title}: probe timed out after {given or PROBING}: {self._last_answer}"
        raise Failure(msg, "timeout")

    def let_go(self) -> None:
        """Care no more what becomes of it: nothing is said of it from now on, for the output may be closed."""
        with self._speaking:
            self._over.set()

    def end(self) -> None:
        """End it, and see that it is gone."""
        self.let_go()
        if self._leg.container.look() is not None:
            self._leg.container.stop(spec.GRACE)
            self._leg.container.vanish()

    def _observe(self, begun: Begun) -> None:
        Thread(target=self._watch, args=(begun,), name=f"sidecar {begun.id[:12]}", daemon=True).start()

    def _watch(self, begun: Begun) -> None:
        """Wait for its end; when nobody wanted that, say so."""
        limit = own_limit(self._phase, begun.at)
        exit_code = self._outlast(begun.id, limit)
        if self._over.is_set():
            return
        is_late = limit is not None and now() >= limit.at
        self._ended = limit.failure() if limit and is_late else self._failure(begun.id, exit_code)
        self._say(self._ended.error)
        self._means.signals.wake()

    def _say(self, line: str) -> None:
        with self._speaking:
            if self.is_ready and not self._over.is_set():
                self._means.say(line)

    def _outlast(self, container: str, limit: Limit | None) -> int | None:
        """Return its exit code; when its time is over it is ended."""
        engine = self._means.engine
        while not self._over.is_set():
            remaining = (limit.at - now()).total_seconds() if limit else PATIENCE
            try:
                if remaining <= 0:
                    engine.stop(container, spec.GRACE)
                exit_code = engine.wait(container, min(max(remaining, MOMENT), PATIENCE))
            except EngineAway:
                engine.is_there.wait(PATIENCE)
            except EngineRefusal:
                return None
            else:
                if exit_code is not None:
                    return exit_code
        return None

    def _failure(self, container: str, exit_code: int | None) -> Failure:
        if exit_code is None:
            return Failure(f"{self._phase.title}: its container is gone", "container")
        last, oom_killed, memory = b"", False, 0
        with suppress(EngineAway, EngineRefusal):
            last = self._means.engine.tail(container, LINES)
            shown = self._means.engine.inspect(container)
            oom_killed, memory = shown.oom_killed, shown.memory
        return exited(exit_code, last, oom_killed=oom_killed, memory=memory).titled(self._phase.title)

    def _ask(self) -> None:
        """Have it asked, in a thread of its own, whether it is ready; without a probe it is."""
        if self._probe is None:
            self._ready.set()
            return
        # from now on, and not from its start: that may be long ago, before a crash, and nobody has asked since
        self._probed_until = now() + timedelta(seconds=parse_duration(self._probe.timeout or PROBING))
        container = self._leg.container.look()
        address = container.addresses.get(spec.name(self._means.work.place.attempt), "") if container else ""
        if address:
            self._last_answer = f"{address}:{self._probe.port} has not answered"
            Thread(target=self._probing, args=(address, self._probe), name=f"probe {address}", daemon=True).start()

    def _probing(self, address: str, probe: Probe) -> None:
        while answer := _complaint(address, probe):
            self._last_answer = answer
            if self._over.wait(PERIOD):
                return
        self._ready.set()
        self._means.signals.wake()


class Sidecars:
    """All of one attempt."""

    def __init__(self, means: Means) -> None:
        """Know them; none is begun."""
        self._means = means
        beside = zip(phases.beside(means.work.task), means.work.task.sidecars, strict=True)
        self._all = [Service(means, phase, sidecar.probe) for phase, sidecar in beside]

    @contextmanager
    def beside(self, announced: Collection[str]) -> Iterator[None]:
        """Have them run beside what is done here; what was announced before a crash is taken up as it is."""
        try:
            self._begin(announced)
            yield
        except (Failure, NeverRan, CalledOff, Cancelled, TimedOut):
            self.end()
            raise
        finally:  # also when the runner leaves, and they run on
            for service in self._all:
                service.let_go()
        self.end()

    def end(self) -> None:
        """End them, and see that they are gone."""
        if self._all:
            with ThreadPoolExecutor(len(self._all)) as pool:
                list(pool.map(Service.end, self._all))

    def _begin(self, announced: Collection[str]) -> None:
        if phases.OWN in announced:  # it runs, or has ended: what is gone of the sidecars is not missed
            for service in self._all:
                service.rejoin()
            return
        for service in self._all:
            service.begin(announced)
        limit = task_limit(self._means.work)
        self._means.signals.limit(limit and limit.at)
        while not self._means.signals.wait(self._is_settled, PERIOD):
            pass
        for service in self._all:
            service.see_ready()

    def _is_settled(self) -> bool:
        return all(service.is_ready for service in self._all) or any(service.has_failed for service in self._all)


def _complaint(address: str, probe: Probe) -> str:
    """Ask a sidecar whether it is well; return nothing if it is, else what it said, or why it could not."""
    connection = http.client.HTTPConnection(address, probe.port, timeout=ANSWER)
    try:
        connection.request("GET", probe.path)
        status = connection.getresponse().status
    except (OSError, http.client.HTTPException) as error:
        return f"no answer from {address}:{probe.port}: {getattr(error, 'strerror', None) or error}"
    else:
        return "" if status in GOOD else f"{address}:{probe.port} answers with HTTP {status}"
    finally:
        connection.close()
