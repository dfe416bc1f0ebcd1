"""Which lanes have something to tell, and when: each by one courier at a time, and few at a time to one host."""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Iterator
from itertools import count
from threading import Lock

from app.policies.desk import Lane

Queue = list[tuple[float, int, Lane]]
"""A heap of lanes, with the moment from which on each may go; of those for the same moment the first goes first."""
MOST_TO_A_HOST = 4
"""Couriers that are with one host at a time: one that does not answer must not hold up what goes to others."""


class Lanes:
    """The lanes of all jobs, in memory; any thread may ask."""

    def __init__(self) -> None:
        """Begin with none."""
        self._lock = Lock()
        self._order = count()
        self._waiting: defaultdict[str, Queue] = defaultdict(list)
        """By host."""
        self._busy: defaultdict[str, int] = defaultdict(int)
        self._known: dict[Lane, bool] = {}
        """Those that wait or are with a courier, and whether something was added meanwhile."""

    def add(self, lane: Lane, now: float) -> None:
        """Say that there is something to tell in a lane."""
        with self._lock:
            if lane in self._known:
                self._known[lane] = True
            else:
                self._wait(lane, now)

    def take(self, now: float) -> Lane | None:
        """Return a lane whose turn it is; it is to be given back."""
        with self._lock:
            first = min((queue[0] for queue in self._free()), default=None)
            if first is None or first[0] > now:
                return None
            lane = first[2]
            self._leave(lane.host)
            self._known[lane] = False
            return lane

    def give_back(self, lane: Lane, due: float | None, now: float) -> None:
        """Say from when on a lane may go again; None when it had nothing more to tell."""
        with self._lock:
            self._busy[lane.host] -= 1
            if not self._busy[lane.host]:
                del self._busy[lane.host]
            if due is None and not self._known[lane]:
                del self._known[lane]
            else:
                self._wait(lane, now if due is None else due)

    def due(self) -> float | None:
        """Return when the next lane may go."""
        with self._lock:
            return min((queue[0][0] for queue in self._free()), default=None)

    def _free(self) -> Iterator[Queue]:
        """Yield the queues of hosts that can take another courier."""
        return (queue for host, queue in self._waiting.items() if self._busy.get(host, 0) < MOST_TO_A_HOST)

    def _wait(self, lane: Lane, due: float) -> None:
        self._known.setdefault(lane, False)
        heapq.heappush(self._waiting[lane.host], (due, next(self._order), lane))

    def _leave(self, host: str) -> None:
        heapq.heappop(self._waiting[host])
        if not self._waiting[host]:
            del self._waiting[host]
        self._busy[host] += 1
