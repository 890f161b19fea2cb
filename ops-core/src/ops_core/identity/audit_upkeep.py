"""Deletes old lines of the audit log: a chore of the dispatcher."""

import time
from collections.abc import Callable
from typing import Final

from ops_core.identity.ports import AuditStore

#: Lines that one pass deletes.
BATCH: Final = 500

#: How often old lines are looked for when there were none. Seconds.
LOOK_S: Final = 60.0


class AuditUpkeep:
    """Keeps lines for `kept_s`."""

    def __init__(
        self, store: AuditStore, kept_s: float, clock: Callable[[], float] = time.monotonic
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
