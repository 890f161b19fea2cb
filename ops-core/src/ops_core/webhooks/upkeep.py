"""Deletes old deliveries: a chore of the dispatcher."""

import time
from collections.abc import Callable
from typing import Final

from ops_core.webhooks.port import DeliveryStore

#: Deliveries that one pass deletes.
BATCH: Final = 500

#: How often old deliveries are looked for when there were none. Seconds.
LOOK_S: Final = 60.0


class DeliveryUpkeep:
    """Keeps deliveries for `kept_s` after their end."""

    def __init__(
        self, store: DeliveryStore, kept_s: float, clock: Callable[[], float] = time.monotonic
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
