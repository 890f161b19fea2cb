"""Deletes what is older than it is kept, a batch at a time: a chore of the dispatcher."""

import time
from collections.abc import Callable
from typing import Final, Protocol

#: Rows that one pass deletes.
BATCH: Final = 500

#: How often old rows are looked for when there were none. Seconds.
LOOK_S: Final = 60.0


class Prunable(Protocol):
    """A store whose rows grow old: lines of the audit log, deliveries that have ended."""

    async def prune(self, older_than_s: float, limit: int) -> int:
        """Returns how many it deleted. Raises `StoreUnavailable`."""
        ...


class Pruning:
    """Keeps the rows of a store for `kept_s`."""

    def __init__(
        self, store: Prunable, kept_s: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._store = store
        self._kept_s = kept_s
        self._clock = clock
        self._looks_at = clock()

    async def prune(self) -> int:
        """Returns how many it deleted. Raises `StoreUnavailable`."""
        if self._clock() < self._looks_at:
            return 0
        pruned = await self._store.prune(self._kept_s, BATCH)
        if pruned < BATCH:
            self._looks_at = self._clock() + LOOK_S
        return pruned
