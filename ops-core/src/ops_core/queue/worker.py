"""A worker: claims what it has room for, runs it on one event loop, and hands it over when told to stop.

A waiting task holds no thread. What runs beside the tasks: one intake thread a queue, the step writer,
the heartbeat that brings orders, and the claims for slots that became free. When the writer or the heartbeat
fails, the worker ends: it would be declared dead anyway, and live on.
"""

import asyncio
import os
import socket
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final
from uuid import uuid4

import structlog
from dramatiq import Broker

from ops_core.errors import LostOwnership, StoreUnavailable
from ops_core.ports import ORDINARY, Bell, Lease, Orders, Profile, TaskHandler, WorkerStore
from ops_core.queue.claims import Claims
from ops_core.queue.isolation import Isolate, Isolation
from ops_core.queue.running import Running
from ops_core.run import UNWIND_S, Run, Stop
from ops_core.writer import StepWriter

log = structlog.get_logger(__name__)

#: How long a drained task may take to be settled when the store is slow. Seconds.
SETTLE_S: Final = 2.0

#: Turnover before and after a heartbeat, and what it said is owned, and cancelled.
_Seen = tuple[int, int, frozenset[Lease], frozenset[str]]


class Worker:
    """Runs the tasks of `queues`, at most `slots` at once. Durations in seconds."""

    def __init__(  # noqa: PLR0913  each is a part or a setting with a default
        self,
        store: WorkerStore,
        broker: Broker,
        bell: Bell,
        handlers: Mapping[str, TaskHandler],
        *,
        queues: Sequence[str] = ("default",),
        slots: int = 100,
        heartbeat_s: float = 0.3,
        drain_grace_s: float = 30.0,
        profile: Profile = ORDINARY,
        isolate: Isolate | None = None,
    ) -> None:
        host, pid = socket.gethostname(), os.getpid()
        self.worker_id = f"{host}-{pid}-{uuid4().hex[:8]}"
        self._store = store
        self._broker = broker
        self._queues = list(queues)
        self._slots = slots
        self._heartbeat_s = heartbeat_s
        self._drain_grace_s = drain_grace_s
        self._profile = replace(profile, host=host, pid=pid)
        self._isolation = None if isolate is None else Isolation(isolate)
        self._writer = StepWriter(store)
        self._running = Running(store, self._writer, handlers, self._ended)
        self._claims = Claims(
            store,
            broker,
            bell,
            self._running,
            self.worker_id,
            queues=self._queues,
            slots=slots,
            alone=profile.alone,
        )
        self._idle_before: frozenset[Lease] = frozenset()
        self._compared: _Seen | tuple[()] = ()
        self._draining = False
        self._told_to_drain = asyncio.Event()
        self._left = False
        self._busy_at = self._beaten_at = time.monotonic()

    @property
    def idle_s(self) -> float:
        """How long it has had nothing to run."""
        return 0.0 if self._running else time.monotonic() - self._busy_at

    @property
    def silent_s(self) -> float:
        """How long the store has not taken its heartbeat."""
        return time.monotonic() - self._beaten_at

    async def run(self, stop: asyncio.Event) -> None:
        """Works until `stop` is set, then drains. Raises `StoreUnavailable` only before the first claim.

        Told by an operator to drain, it does so at once, and stays on the list without work until then.
        """
        async with self._store.presence(self.worker_id):
            await self._beat()
            try:
                async with asyncio.TaskGroup() as beside:
                    self._beating = beside.create_task(self._beat_forever())
                    others = [
                        beside.create_task(self._writer.run()),
                        beside.create_task(self._claims.run()),
                    ]
                    if self._isolation is not None:
                        others.append(beside.create_task(self._isolation.run()))
                    await self._work(stop)
                    for task in (self._beating, *others):
                        task.cancel()
            except ExceptionGroup as errors:
                raise errors.exceptions[0] from None
            finally:
                await self._let_go()

    async def _work(self, stop: asyncio.Event) -> None:
        self._broker.emit_before("worker_boot", self)
        self._claims.open()
        self._broker.emit_after("worker_boot", self)
        log.info("worker ready", worker=self.worker_id, queues=self._queues, slots=self._slots)
        self._busy_at = time.monotonic()
        await _either(stop, self._told_to_drain)
        await self._hand_over()
        await stop.wait()
        await self._leave()
        self._broker.emit_after("worker_shutdown", self)

    def _ended(self, run: Run) -> None:
        """One of what it ran is over."""
        self._busy_at = time.monotonic()
        self._claims.ended(run)

    # Living.

    async def _beat_forever(self) -> None:
        while True:
            await asyncio.sleep(self._heartbeat_s)
            try:
                await self._beat()
            except StoreUnavailable as error:
                log.warning("heartbeat failed", error=str(error))

    async def _beat(self) -> None:
        # Only what ran before the answer was asked for: a task claimed meanwhile is not in it.
        before, turnover = self._running.now(), self._running.turnover
        orders = await self._store.beat(
            self.worker_id,
            self._queues,
            slots=self._slots,
            running=len(self._running),
            profile=replace(self._profile, draining=self._draining),
        )
        self._beaten_at = time.monotonic()
        self._hear(orders)
        seen = (turnover, self._running.turnover, orders.owned, orders.cancelled)
        if not self._idle_before and _are_same(seen, self._compared):
            return  # thousands that wait for models are not looked through at each beat
        self._compared = ()
        self._running.obey(orders, before)
        if not self._claims.is_under_way:  # else what it brings is not in our list yet
            await self._hand_back_forgotten(orders.owned)
            self._compared = seen

    def _hear(self, orders: Orders) -> None:
        """What its heartbeat brought for the worker itself, whatever it runs."""
        if orders.drain:
            self._told_to_drain.set()
        elif orders.suspects and self._isolation is not None:
            self._isolation.want()

    async def _hand_back_forgotten(self, owned: frozenset[Lease]) -> None:
        """Gives back what the store says we own and we do not run: the reply to a claim was lost, or its
        handler has cancelled itself.

        Only what two heartbeats in a row found, because the reply to a claim may still be on its way.
        """
        idle = owned.difference(self._running.leases)
        for lease in idle & self._idle_before:
            try:
                await self._store.settle(lease, self._running.forgotten(lease))
            except LostOwnership:
                continue  # it was settled while we looked
        self._idle_before = idle

    # Leaving.

    async def _hand_over(self) -> None:
        """No new claim; each task stops at its next step and is handed over; late ones are cut off."""
        self._draining = True
        self._claims.close()
        await self._claims.wait(SETTLE_S)
        log.info("draining", running=len(self._running))
        self._broker.emit_before("worker_shutdown", self)
        self._running.stop_at_step()
        await self._running.wait(self._drain_grace_s)
        self._running.stop(Stop.DRAINED)
        await self._running.wait(UNWIND_S + SETTLE_S)
        self._running.cancel()  # the store is away: upkeep gives these tasks back when our heartbeat is old
        await self._claims.wait_for_intakes()

    async def _let_go(self) -> None:
        """Nothing to do after a drain. After a fault: stops everything and settles nothing, because what our
        own end does to a handler says nothing about its task; upkeep gives the tasks back. A drain that was
        cut short still says that we leave: what is not handed over has killed nobody."""
        if self._draining and not self._left:
            await self._leave()
        self._draining = True
        self._claims.close()
        self._running.stop(Stop.LOST)
        await self._running.wait(UNWIND_S)
        self._running.cancel()

    async def _leave(self) -> None:
        self._left = True
        self._beating.cancel()  # a beat after this would put us on the list again
        try:
            async with asyncio.timeout(SETTLE_S):
                await self._store.leave(self.worker_id)
        except (StoreUnavailable, TimeoutError) as error:
            log.warning("left without saying so", error=repr(error))


async def _either(*events: asyncio.Event) -> None:
    """Returns when one of them is set."""
    waiting = [asyncio.create_task(event.wait()) for event in events]
    try:
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in waiting:
            task.cancel()


def _are_same(seen: _Seen, before: _Seen | tuple[()]) -> bool:
    """Whether nothing came or went since, and the store told the very same (which is held, so no other one
    can be in its place)."""
    if not before:
        return False
    return seen[:2] == before[:2] and seen[2] is before[2] and seen[3] is before[3]
