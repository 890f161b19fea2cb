"""The dispatcher: what must happen later, happens from here.

It rings for pending rows that nobody has claimed, carries out deadlines, wakes what waits for a moment,
tells of ends those who must know, gives back the tasks of dead workers, and deletes what is old. Several
dispatchers may run: every statement passes over rows that another one holds.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Final, TypeVar

import structlog

from ops_core.errors import BrokerUnavailable, StoreUnavailable
from ops_core.ports import Bell, UpkeepStore
from ops_core.upkeep.part import Chore, Part

log = structlog.get_logger(__name__)

T = TypeVar("T")

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
        self._clock = clock
        self._judges_at = clock()
        self._prunes_at = clock()
        self._prunes = BATCH
        self._unheard: BrokerUnavailable | None = None
        self._waits = False
        parts: dict[str, Chore] = {
            "expired": self._expire,
            "given_back": self._bury,
            "woken": lambda: store.wake(BATCH),
            "told": lambda: store.tell_ends(TOLD),
            "pruned": self._prune,
            **(chores or {}),
        }
        self._parts = [Part(name, chore, clock) for name, chore in parts.items()]

    async def run(self, stop: asyncio.Event) -> None:
        """Works until `stop` is set. A store or a broker that is away is waited for."""
        rest = self._busy_s
        while not stop.is_set():
            rest = self._busy_s if await self._passed() else min(rest * 2, self._idle_s)
            try:
                await asyncio.wait_for(stop.wait(), rest)
            except TimeoutError:
                continue

    async def _passed(self) -> bool:
        """Whether a pass had anything to do. The log hears of an outage when it begins and when it ends."""
        try:
            busy = await self.tick()
        except (StoreUnavailable, BrokerUnavailable) as error:
            if not self._waits:
                log.warning("upkeep waits", error=str(error))
            self._waits = True
            return False
        if self._waits:
            log.info("upkeep goes on")
        self._waits = False
        return busy

    async def tick(self) -> bool:
        """One pass over everything that is due. Returns whether there was anything.

        The rings come first, and once more for what the pass made runnable: no other part may stand in their
        way. Raises `StoreUnavailable` when none could be taken, which ends the pass, and `BrokerUnavailable`
        when none could be given, at its end.
        """
        rung = await self._ring()
        done = {part.name: await part.run() for part in self._parts}
        if any(done.values()) and self._unheard is None:
            rung += await self._ring()
        if self._unheard is not None:
            raise self._unheard
        if done["expired"] or done["given_back"] or done["pruned"]:
            log.info("upkeep", **done)
        return rung > 0 or any(done.values())

    async def _bury(self) -> int:
        return await self._store.bury_workers(BATCH) if self._clock() >= self._judges_at else 0

    async def _expire(self) -> int:
        return await self._watched(lambda: self._store.expire(BATCH))

    async def _watched(self, call: Callable[[], Awaitable[T]]) -> T:
        """What a call of the store returns; how the store answers tells whether heartbeats can be judged."""
        started = self._clock()
        try:
            answer = await call()
        except StoreUnavailable:
            self._judges_at = self._clock() + SETTLE_S
            raise
        if self._clock() - started > SLOW_S:
            self._judges_at = self._clock() + SETTLE_S
        return answer

    async def _prune(self) -> int:
        """Deletes what is older than the retention, a batch at a time, and looks again after a while.

        A batch that the store did not get through (a few hundred long logs may take longer than it gives a
        statement) would fail again: the next one is later, and smaller. Quick ones grow again.
        """
        if self._retention_s is None or self._clock() < self._prunes_at:
            return 0
        started = self._clock()
        try:
            pruned = await self._store.prune(self._retention_s, self._prunes)
        except StoreUnavailable:
            self._prunes = max(1, self._prunes // 2)
            self._prunes_at = self._clock() + PRUNE_S
            raise
        if pruned < self._prunes:
            self._prunes_at = self._clock() + PRUNE_S
        if self._clock() - started < SLOW_S:
            self._prunes = min(BATCH, self._prunes * 2)
        return pruned

    async def _ring(self) -> int:
        """How many queues were rung. A broker that is away is kept for the end of the pass."""
        try:
            return await self._give_rings()
        except StoreUnavailable:
            raise
        except BrokerUnavailable as error:
            self._unheard = error
        # A fault that nobody foresaw: deadlines and the dead must not wait until somebody has mended it.
        except Exception:
            log.exception("nothing can be rung for, going on with the rest")
        return 0

    async def _give_rings(self) -> int:
        """Rings for due rows, which the store has put off by then: who is rung finds them free.

        What the broker did not confirm is due again at once, so that when a broker comes back everything
        that waits is rung. If this process dies in between, the rows come again after their rest.
        """
        if self._unheard is not None:  # else each pass would take rings only to return them
            await self._bell.check()
            self._unheard = None
        taken = await self._watched(lambda: self._store.take_rings(BATCH))
        for place, rings in enumerate(taken):
            try:
                for _ in range(rings.count):
                    await self._bell.ring(rings.queue, rings.rows[0].key.task_id)
            except BrokerUnavailable:
                await self._store.return_rings([row for rest in taken[place:] for row in rest.rows])
                raise
        return len(taken)
