"""How a worker comes by its tasks: it claims when it is rung, when a slot becomes free, and now and then."""

import asyncio
from collections.abc import Sequence
from concurrent.futures import CancelledError as FutureCancelled
from contextlib import suppress
from functools import partial
from typing import Final

import structlog
from dramatiq import Broker

from ops_core.errors import BrokerUnavailable, StoreUnavailable
from ops_core.ports import Bell, WorkerStore
from ops_core.queue.intake import Intake
from ops_core.queue.running import Running
from ops_core.run import Run

log = structlog.get_logger(__name__)

#: How long an intake may take to end; one that a frozen broker holds is left behind. Seconds.
INTAKE_S: Final = 1.0

#: How often a worker with room claims without having been rung. Seconds.
UNRUNG_S: Final = 5.0

#: How often one that nobody rings for does. Seconds.
ALONE_S: Final = 0.25

#: Tasks of one claim, at most. The first of them run while the next are claimed: thousands at once would all
#: wait for one long statement, and then go through all that they do in step.
MAX_CLAIM: Final = 100

#: Rest before claiming again from a store that is away. Seconds.
CLAIM_REST_S: Final = 1.0


class Claims:
    """The claims of one worker, and the intakes that hear its rings. What is claimed is `running` at once.

    A worker that is `alone` hears no rings, for nobody rings for suspects; it looks for them.
    """

    def __init__(
        self,
        store: WorkerStore,
        broker: Broker,
        bell: Bell,
        running: Running,
        worker_id: str,
        *,
        queues: Sequence[str],
        slots: int,
        alone: bool,
    ) -> None:
        self._store = store
        self._broker = broker
        self._bell = bell
        self._running = running
        self._worker_id = worker_id
        self._queues = queues
        self._slots = slots
        self._alone = alone
        self._claiming = asyncio.Lock()
        self._freed = asyncio.Event()
        self._more_due = False
        self._closed = False
        self._intakes: list[Intake] = []

    @property
    def is_under_way(self) -> bool:
        """Whether a claim is: what it brings is not among what runs yet."""
        return self._claiming.locked()

    def open(self) -> None:
        """Hears rings from now on, and claims what was due before."""
        loop = asyncio.get_running_loop()
        self._intakes = [
            Intake(self._broker, queue, partial(self._claim_from_thread, loop, queue))
            for queue in ([] if self._alone else self._queues)
        ]
        for intake in self._intakes:
            intake.start()
        self._more_due = True
        self._freed.set()

    def close(self) -> None:
        """No new claim; a ring that still comes is passed on."""
        self._closed = True
        for intake in self._intakes:
            intake.stop()

    async def run(self) -> None:
        """Claims again when a slot becomes free while more is due, and now and then without a reason.

        The second bounds what any ring that was lost on its way can cost.
        """
        unrung_s = ALONE_S if self._alone else UNRUNG_S
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(unrung_s):
                    await self._freed.wait()
            self._freed.clear()
            try:
                await self._claim()
            except StoreUnavailable as error:
                log.warning("could not claim, trying again", error=str(error))
                await self._claim_later()
            # As in the intake: a fault that nobody foresaw costs a claim, not the worker.
            except Exception:
                log.exception("could not claim, trying again")
                await self._claim_later()

    def ended(self, run: Run) -> None:
        """Its slot is free."""
        self._tell_room()
        if self._more_due or run.task.concurrency_key is not None:  # another one of it may go on
            self._freed.set()

    async def wait(self, at_most_s: float) -> None:
        """A claim that is under way starts its tasks first, unless its answer does not come."""
        with suppress(TimeoutError):
            async with asyncio.timeout(at_most_s), self._claiming:
                return

    async def wait_for_intakes(self) -> None:
        # Not on a thread of the pool: slow tools may hold all of them.
        with suppress(TimeoutError):
            async with asyncio.timeout(INTAKE_S):
                while any(intake.is_alive for intake in self._intakes):
                    await asyncio.sleep(0.02)

    def _claim_from_thread(self, loop: asyncio.AbstractEventLoop, queue: str) -> None:
        """Called by an intake for a ring: returns when the claim is committed."""
        try:
            asyncio.run_coroutine_threadsafe(self._claim_for_ring(queue), loop).result()
        except FutureCancelled:
            raise StoreUnavailable("the worker is stopping") from None

    async def _claim_for_ring(self, queue: str) -> None:
        try:
            await self._claim()
        except StoreUnavailable:
            self._freed.set()  # the ring may be gone with its consumer: claim again without one
            raise
        if self._more_due or self._closed:
            await self._pass_on(queue)

    async def _claim_later(self) -> None:
        await asyncio.sleep(CLAIM_REST_S)
        self._freed.set()

    async def _claim(self) -> None:
        """Claims due tasks for the free slots, and starts them; many are claimed by turns."""
        async with self._claiming:
            free = self._slots - len(self._running)
            if free <= 0 or self._closed:
                return
            count = min(free, MAX_CLAIM)
            tasks = await self._store.claim(self._worker_id, self._queues, count)
            self._running.start(tasks)
            self._more_due = len(tasks) == count
        self._tell_room()
        if self._more_due and len(self._running) < self._slots:
            self._freed.set()  # for the next of them

    async def _pass_on(self, queue: str) -> None:
        """We are full and more may be due, or we leave: another worker should hear of it at once."""
        with suppress(BrokerUnavailable):  # upkeep rings for what nobody claims
            await self._bell.ring(queue)

    def _tell_room(self) -> None:
        room = len(self._running) < self._slots and not self._closed
        for intake in self._intakes:
            intake.has_room(room)
