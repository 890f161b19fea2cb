"""A worker: claims what it has room for, runs it on one event loop, and hands it over when told to stop.

A waiting task holds no thread. What runs beside the tasks: one intake thread a queue, the step writer,
the heartbeat that brings orders, and the claims for slots that became free. When one of these fails, the
worker ends: a worker that lives on without its heartbeat or its ears helps nobody.
"""

import asyncio
import os
import socket
from collections.abc import Mapping, Sequence
from concurrent.futures import CancelledError as FutureCancelled
from typing import Final
from uuid import uuid4

import structlog
from dramatiq import Broker

from ops_core.errors import BrokerUnavailable, LostOwnership, StoreUnavailable
from ops_core.execute import UNWIND_S, Executor, Run, Stop
from ops_core.ports import Bell, Lease, TaskHandler, WorkerStore
from ops_core.queue.intake import Intake
from ops_core.task import release
from ops_core.writer import StepWriter

log = structlog.get_logger(__name__)

#: How long a drained task may take to be settled when the store is slow. Seconds.
SETTLE_S: Final = 2.0

#: How long an intake may take to end; one that a frozen broker holds is left behind. Seconds.
INTAKE_S: Final = 1.0

#: Rest before claiming again from a store that is away. Seconds.
CLAIM_REST_S: Final = 1.0


class Worker:
    """Runs the tasks of `queues`, at most `slots` at once. Durations in seconds."""

    def __init__(
        self,
        store: WorkerStore,
        broker: Broker,
        bell: Bell,
        handlers: Mapping[str, TaskHandler],
        *,
        queues: Sequence[str] = ("default",),
        slots: int = 100,
        heartbeat_s: float = 0.4,
        drain_grace_s: float = 30.0,
    ) -> None:
        self.worker_id = f"{socket.gethostname()}-{os.getpid()}-{uuid4().hex[:8]}"
        self._store = store
        self._broker = broker
        self._bell = bell
        self._queues = list(queues)
        self._slots = slots
        self._heartbeat_s = heartbeat_s
        self._drain_grace_s = drain_grace_s
        self._writer = StepWriter(store)
        self._executor = Executor(store, self._writer, handlers)
        self._runs: dict[Run, asyncio.Task[None]] = {}
        self._claiming = asyncio.Lock()
        self._idle_before: frozenset[Lease] = frozenset()
        self._more_due = False
        self._freed = asyncio.Event()
        self._draining = False
        self._intakes: list[Intake] = []

    async def run(self, stop: asyncio.Event) -> None:
        """Works until `stop` is set, then drains. Raises `StoreUnavailable` only before the first claim."""
        async with self._store.presence(self.worker_id):
            await self._beat()
            async with asyncio.TaskGroup() as beside:
                tasks = [
                    beside.create_task(self._writer.run()),
                    beside.create_task(self._beat_forever()),
                    beside.create_task(self._claim_for_free_slots()),
                ]
                await self._work(stop)
                for task in tasks:
                    task.cancel()

    async def _work(self, stop: asyncio.Event) -> None:
        loop = asyncio.get_running_loop()
        self._intakes = [
            Intake(self._broker, queue, lambda: self._claim_from_thread(loop))
            for queue in self._queues
        ]
        self._broker.emit_before("worker_boot", self)
        for intake in self._intakes:
            intake.start()
        self._broker.emit_after("worker_boot", self)
        log.info("worker ready", worker=self.worker_id, queues=self._queues, slots=self._slots)
        self._more_due = True  # what was due before we came
        self._freed.set()
        await stop.wait()
        await self._drain()

    # Claiming.

    def _claim_from_thread(self, loop: asyncio.AbstractEventLoop) -> None:
        """Called by an intake for a ring: returns when the claim is committed."""
        try:
            asyncio.run_coroutine_threadsafe(self._claim_for_ring(), loop).result()
        except FutureCancelled:
            raise StoreUnavailable("the worker is stopping") from None

    async def _claim_for_ring(self) -> None:
        await self._claim()
        if self._more_due:
            await self._pass_on()

    async def _claim_for_free_slots(self) -> None:
        """Claims again whenever a slot becomes free and the last claim left something due."""
        while True:
            await self._freed.wait()
            self._freed.clear()
            try:
                await self._claim()
            except StoreUnavailable as error:
                log.warning("could not claim, trying again", error=str(error))
                await asyncio.sleep(CLAIM_REST_S)
                self._freed.set()

    async def _claim(self) -> None:
        """Claims as many due tasks as there are free slots, and starts them."""
        async with self._claiming:
            free = self._slots - len(self._runs)
            if free <= 0 or self._draining:
                return
            tasks = await self._store.claim(self.worker_id, self._queues, free)
            for task in tasks:
                self._start(self._executor.open(task))
            self._more_due = len(tasks) == free
        self._tell_room()

    def _start(self, run: Run) -> None:
        task = asyncio.create_task(self._executor.execute(run), name=run.task.task_id)
        self._runs[run] = task
        task.add_done_callback(lambda done: self._finished(run, done))

    def _finished(self, run: Run, done: asyncio.Task[None]) -> None:
        del self._runs[run]
        if not done.cancelled() and (error := done.exception()) is not None:
            # Its task stays owned by us and not run: the heartbeat gives it back.
            log.error("run failed outside its handler", task_id=run.task.task_id, exc_info=error)
        self._tell_room()
        if self._more_due:
            self._freed.set()

    async def _pass_on(self) -> None:
        """We are full and more may be due: another worker should hear of it at once."""
        for queue in self._queues:
            try:
                await self._bell.ring(queue)
            except BrokerUnavailable:
                return  # upkeep rings for what nobody claims

    def _tell_room(self) -> None:
        room = len(self._runs) < self._slots and not self._draining
        for intake in self._intakes:
            intake.has_room(room)

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
        before = list(self._runs)
        orders = await self._store.beat(
            self.worker_id, self._queues, slots=self._slots, running=len(self._runs)
        )
        for run in before:
            if run not in self._runs:
                continue
            if run.lease not in orders.owned:
                run.stop(Stop.LOST)
            elif run.task.task_id in orders.cancelled:
                run.stop(Stop.CANCELLED)
        await self._hand_back_forgotten(orders.owned)

    async def _hand_back_forgotten(self, owned: frozenset[Lease]) -> None:
        """Gives back what the store says we own and we do not run: the reply to a claim was lost.

        Only what two heartbeats in a row found, because the reply to a claim may still be on its way.
        """
        idle = owned - {run.lease for run in self._runs}
        for lease in idle & self._idle_before:
            try:
                await self._store.settle(lease, release("claim_reply_lost"))
            except LostOwnership:
                continue  # it was settled while we looked
        self._idle_before = idle

    # Leaving.

    async def _drain(self) -> None:
        """No new claim; each task stops at its next step and is handed over; late ones are cut off."""
        for intake in self._intakes:
            intake.stop()
        async with self._claiming:  # a claim that is under way starts its tasks first
            self._draining = True
        log.info("draining", running=len(self._runs))
        self._broker.emit_before("worker_shutdown", self)
        for run in self._runs:
            run.stop_at_step()
        await self._wait_for_runs(self._drain_grace_s)
        for run in self._runs:
            run.stop(Stop.DRAINED)
        await self._wait_for_runs(UNWIND_S + SETTLE_S)
        for task in self._runs.values():
            task.cancel()  # the store is away: upkeep gives these tasks back when our heartbeat is old
        await asyncio.gather(
            *(asyncio.to_thread(intake.join, INTAKE_S) for intake in self._intakes)
        )
        try:
            await self._store.leave(self.worker_id)
        except StoreUnavailable as error:
            log.warning("left without saying so", error=str(error))
        self._broker.emit_after("worker_shutdown", self)

    async def _wait_for_runs(self, at_most_s: float) -> None:
        if self._runs:
            await asyncio.wait(self._runs.values(), timeout=at_most_s)
