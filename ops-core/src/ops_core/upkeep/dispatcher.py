"""The dispatcher: what must happen later, happens from here.

It rings for pending rows that nobody has claimed, carries out deadlines, wakes what waits for a moment,
tells of ends those who must know, gives back the tasks of dead workers, and deletes what is old. Several
dispatchers may run: every statement passes over rows that another one holds.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

import structlog

from ops_core.errors import BrokerUnavailable, StoreUnavailable
from ops_core.ports import Bell, UpkeepStore

log = structlog.get_logger(__name__)

Chore = Callable[[], Awaitable[int]]
"""One pass over what is due of one kind; returns how much there was. Short: everything else waits for it."""

#: Rows taken in one pass of each kind: a transaction that holds more locks would be in others' way.
BATCH: Final = 500

#: Ends told in one pass; each is a transaction of its own, and deadlines and deaths must not wait for many.
TOLD: Final = 100

#: After the store was away, or slower than this, heartbeats are not judged for a while: they could not
#: be written either, and every worker would look dead. Seconds.
SLOW_S: Final = 1.0
SETTLE_S: Final = 5.0

#: How often old tasks are looked for when there were none. Seconds.
PRUNE_S: Final = 60.0


class Dispatcher:
    """Polls the store: every `busy_s` while there is something to do, slowing down to `idle_s`. Seconds.

    `chores`: what else a pass does, by the name that its log line says.
    """

    def __init__(
        self,
        store: UpkeepStore,
        bell: Bell,
        *,
        busy_s: float = 0.05,
        idle_s: float = 0.2,
        retention_s: float | None = None,
        chores: Mapping[str, Chore] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._bell = bell
        self._busy_s = busy_s
        self._idle_s = idle_s
        self._retention_s = retention_s
        self._chores = dict(chores or {})
        self._clock = clock
        self._judges_at = clock()
        self._prunes_at = clock()
        self._prunes = BATCH
        self._unheard = False

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
        done = {
            "expired": await _guarded(self._expire),
            "given_back": await _guarded(self._bury),
            "woken": await _guarded(lambda: self._store.wake(BATCH)),
            "told": await _guarded(lambda: self._store.tell_ends(TOLD)),
            "pruned": await _guarded(self._prune),
            **{name: await _guarded(chore) for name, chore in self._chores.items()},
            "rung": await _guarded(
                self._ring
            ),  # the last, because it ends the pass when the broker is away
        }
        if done["expired"] or done["given_back"] or done["pruned"]:
            log.info("upkeep", **done)
        return any(done.values())

    async def _bury(self) -> int:
        return await self._store.bury_workers(BATCH) if self._clock() >= self._judges_at else 0

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

    async def _prune(self) -> int:
        """Deletes what is older than the retention, a batch at a time, and looks again after a while.

        A batch that the store did not get through (a few hundred long logs may take longer than it gives a
        statement) would fail again, and end every pass before its rings: the next one is later, and smaller.
        """
        if self._retention_s is None or self._clock() < self._prunes_at:
            return 0
        try:
            pruned = await self._store.prune(self._retention_s, self._prunes)
        except StoreUnavailable:
            self._prunes = max(1, self._prunes // 2)
            self._prunes_at = self._clock() + PRUNE_S
            raise
        if pruned < self._prunes:
            self._prunes_at = self._clock() + PRUNE_S
        return pruned

    async def _ring(self) -> int:
        """Rings for due rows, which the store has put off by then: who is rung finds them free.

        What the broker did not confirm is due again at once, so that when a broker comes back everything
        that waits is rung. If this process dies in between, the rows come again after their rest.
        """
        if self._unheard:  # else each pass would take rings only to return them
            await self._bell.check()
            self._unheard = False
        taken = await self._store.take_rings(BATCH)
        for place, rings in enumerate(taken):
            try:
                for _ in range(rings.count):
                    await self._bell.ring(rings.queue, rings.rows[0].key.task_id)
            except BrokerUnavailable:
                self._unheard = True
                await self._store.return_rings([row for rest in taken[place:] for row in rest.rows])
                raise
        return len(taken)


async def _guarded(part: Chore) -> int:
    """One part of a pass: a fault that nobody foresaw costs this part, not the others, nor the dispatcher."""
    try:
        return await part()
    except (StoreUnavailable, BrokerUnavailable):
        raise
    except Exception:
        log.exception("a part of upkeep failed, going on with the others")
        return 0
