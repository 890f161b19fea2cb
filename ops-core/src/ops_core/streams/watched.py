"""Which tasks are watched, as far as this process has heard."""

import time
from collections.abc import Callable, Iterable
from typing import Final

from ops_core.ports import TaskKey
from ops_core.streams.signals import INTEREST_TTL_S, Interest

#: More than so many are not remembered: who watches more hears of them by looking.
MAX_WATCHED: Final = 100_000


class Watched:
    """Remembers each interest for its time to live."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._until: dict[TaskKey, float] = {}
        self._events_until: dict[TaskKey, float] = {}
        self._deltas_until: dict[TaskKey, float] = {}

    def note(self, interests: Iterable[Interest]) -> None:
        until = self._clock() + INTEREST_TTL_S
        for key, deltas, events in interests:
            if key not in self._until and len(self._until) >= MAX_WATCHED:
                self._forget_old()
                if len(self._until) >= MAX_WATCHED:
                    return
            self._until[key] = until
            if events:
                self._events_until[key] = until
            if deltas:
                self._deltas_until[key] = until

    def wants_change(self, key: TaskKey, *, settled: bool) -> bool:
        """Whether anybody wants to hear that the task's log has grown."""
        known = self._until if settled else self._events_until
        return known.get(key, 0.0) > self._clock()

    def wants_deltas(self, key: TaskKey) -> bool:
        return self._deltas_until.get(key, 0.0) > self._clock()

    def _forget_old(self) -> None:
        now = self._clock()
        self._until = {key: until for key, until in self._until.items() if until > now}
        self._events_until = {key: u for key, u in self._events_until.items() if u > now}
        self._deltas_until = {key: u for key, u in self._deltas_until.items() if u > now}
