"""The dispatcher: what must happen later, happens from here.

It rings for pending rows that nobody has claimed, carries out deadlines, and gives back the tasks of dead
workers. Several dispatchers may run: every statement passes over rows that another one holds.
"""

import asyncio
import time
from collections.abc import Callable
from typing import Final

import structlog

from ops_core.errors import BrokerUnavailable, StoreUnavailable
from ops_core.ports import Bell, UpkeepStore

log = structlog.get_logger(__name__)

#: Rows looked at in one pass.
BATCH: Final = 500

#: After the store was away, or slower than this, heartbeats are not judged for a while: they could not
#: be written either, and every worker would look dead. Seconds.
SLOW_S: Final = 1.0
SETTLE_S: Final = 5.0


class Dispatcher:
    """Polls the store: every `busy_s` while there is something to do, slowing down to `idle_s`. Seconds."""

    def __init__(
        self,
        store: UpkeepStore,
        bell: Bell,
        *,
        busy_s: float = 0.05,
        idle_s: float = 0.2,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._bell = bell
        self._busy_s = busy_s
        self._idle_s = idle_s
        self._clock = clock
        self._judges_at = clock()

    async def run(self, stop: asyncio.Event) -> None:
        """Works until `stop` is set. A store or a broker that is away is waited for."""
        rest = self._busy_s
        while not stop.is_set():
            try:
                busy = await self.tick()
            except (StoreUnavailable, BrokerUnavailable) as error:
                log.warning("upkeep waits", error=str(error))
                busy = False
            rest = self._busy_s if busy else min(rest * 2, self._idle_s)
            try:
                await asyncio.wait_for(stop.wait(), rest)
            except TimeoutError:
                continue

    async def tick(self) -> bool:
        """One pass over everything that is due. Returns whether there was anything.

        Raises `StoreUnavailable`, `BrokerUnavailable`.
        """
        expired = await self._expire()
        orphans = 0
        if self._clock() >= self._judges_at:
            orphans = await self._store.bury_workers()
        rung = await self._ring()
        if orphans or expired:
            log.info("upkeep", given_back=orphans, expired=expired)
        return bool(orphans or expired or rung)

    async def _expire(self) -> int:
        """Carries out deadlines; how the store answers here tells whether heartbeats can be judged."""
        started = self._clock()
        try:
            expired = await self._store.expire(BATCH)
        except StoreUnavailable:
            self._judges_at = self._clock() + SETTLE_S
            raise
        if self._clock() - started > SLOW_S:
            self._judges_at = self._clock() + SETTLE_S
        return expired

    async def _ring(self) -> int:
        """Rings for due rows. A row is put off only when its ring was confirmed, so that when a broker
        comes back everything that is due is rung at once."""
        rung = 0
        for due in await self._store.due_rings(BATCH):
            for _ in range(due.count):
                await self._bell.ring(due.queue, due.tasks[0].task_id)
            if due.count:
                await self._store.rang(due.tasks)
                rung += len(due.tasks)
        return rung
