"""A worker over Dramatiq's in-process broker: rings, capacity, orders, drain."""

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
from dramatiq import Broker, Consumer, Message, Middleware

from ops_core.errors import StoreUnavailable, WorkerNotFound
from ops_core.fleet import WorkerState
from ops_core.log import EventType, NewEvent
from ops_core.moves import release
from ops_core.ports import Lease, Orders, TaskLog
from ops_core.queue.bell import DramatiqBell
from ops_core.queue.broker import in_process_broker
from ops_core.queue.worker import Worker
from ops_core.task import JsonObject, NewTask, Status, Task, new_task_id
from ops_core.testing import MemoryFleetStore, MemoryStore

pytestmark = pytest.mark.unit

WITHIN_S = 10.0


class Gate:
    """A handler that waits for the test at each task."""

    def __init__(self) -> None:
        self.started: asyncio.Queue[Task] = asyncio.Queue()
        self.open = asyncio.Event()

    async def run(self, task: Task, log: TaskLog) -> JsonObject:
        await self.started.put(task)
        await self.open.wait()
        await log.append(NewEvent(type=EventType.LLM_COMPLETED, data={}))
        return {}


class Signals(Middleware):
    """What a worker tells its broker's middleware, as events that a test can wait for."""

    def __init__(self) -> None:
        self.booted = asyncio.Event()
        self.on_shutdown: Callable[[], None] = lambda: None

    def after_worker_boot(self, broker: Broker, worker: object) -> None:
        self.booted.set()

    def before_worker_shutdown(self, broker: Broker, worker: object) -> None:
        self.on_shutdown()


class Shop:
    """A store, a broker and its bell."""

    def __init__(self) -> None:
        self.store = MemoryStore()
        self.broker = in_process_broker()
        self.signals = Signals()
        self.broker.add_middleware(self.signals)
        self.bell = DramatiqBell(self.broker)
        self.gate = Gate()

    async def submit(self) -> str:
        task_id = new_task_id()
        await self.store.submit(
            NewTask(task_id=task_id, tenant_id="default", task_type="x", input_data={})
        )
        return task_id

    async def status(self, task_id: str) -> Status:
        return (await self.store.get("default", task_id)).status

    async def until(self, condition: Callable[[], Awaitable[bool]]) -> None:
        async with asyncio.timeout(WITHIN_S):
            while not await condition():
                await asyncio.sleep(0.005)

    async def gate_is_idle(self) -> None:
        """Returns when the worker has made the claim that it makes when it comes."""
        await self.signals.booted.wait()
        first = await self.submit()
        await self.bell.ring("default")
        await self.finished(first)

    async def finished(self, *task_ids: str) -> None:
        async def all_done() -> bool:
            return all([(await self.store.get("default", i)).is_terminal for i in task_ids])

        await self.until(all_done)

    @asynccontextmanager
    async def worker(self, *, slots: int = 10, grace_s: float = 5.0) -> AsyncIterator[Worker]:
        worker = Worker(
            self.store,
            self.broker,
            self.bell,
            {"x": self.gate},
            slots=slots,
            heartbeat_s=0.02,
            drain_grace_s=grace_s,
        )
        stop = asyncio.Event()
        running = asyncio.create_task(worker.run(stop))
        try:
            yield worker
        finally:
            stop.set()
            async with asyncio.timeout(WITHIN_S):
                await running


@pytest.fixture
def shop() -> Shop:
    return Shop()


async def test_a_ring_makes_the_worker_claim(shop: Shop) -> None:
    """A worker that is rung runs what is due."""
    shop.gate.open.set()
    async with shop.worker():
        await shop.signals.booted.wait()
        task_id = await shop.submit()
        await shop.bell.ring("default")
        await shop.finished(task_id)
    assert Status.COMPLETED == await shop.status(task_id)


async def test_a_worker_takes_what_was_due_before_it_came(shop: Shop) -> None:
    """Nobody has to ring for a worker that starts."""
    shop.gate.open.set()
    task_id = await shop.submit()
    async with shop.worker():
        await shop.finished(task_id)


async def test_many_free_slots_are_filled_by_several_claims(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A claim takes so many at most, and the next one follows without a ring and without a slot freed."""
    monkeypatch.setattr("ops_core.queue.claims.MAX_CLAIM", 2)
    ids = [await shop.submit() for _ in range(5)]
    async with shop.worker(slots=10):
        async with asyncio.timeout(1):
            for _ in ids:
                await shop.gate.started.get()
        shop.gate.open.set()
        await shop.finished(*ids)


async def test_a_worker_never_runs_more_than_its_slots(shop: Shop) -> None:
    """What it has no room for stays pending, and is taken when a slot is free, without a ring."""
    ids = [await shop.submit() for _ in range(5)]
    async with shop.worker(slots=2):
        for _ in range(2):
            await shop.gate.started.get()
        statuses = [await shop.status(task_id) for task_id in ids]
        assert [2, 3] == [statuses.count(s) for s in (Status.RUNNING, Status.PENDING)]
        shop.gate.open.set()
        await shop.finished(*ids)


async def test_duplicate_and_forged_rings_change_nothing(shop: Shop) -> None:
    """Rings carry no truth: a task is run once, whatever the queue holds."""
    shop.gate.open.set()
    async with shop.worker():
        await shop.signals.booted.wait()
        task_id = await shop.submit()
        forged: Message[None] = Message("default", "nobody", (), {"id": "task_x"}, {})
        shop.broker.enqueue(forged)
        for _ in range(5):
            await shop.bell.ring("default", "task_unknown")
        await shop.finished(task_id)
    starts = [shop.gate.started.get_nowait() for _ in range(shop.gate.started.qsize())]
    assert [task_id] == [task.task_id for task in starts]


async def test_a_cancellation_reaches_a_running_task(shop: Shop) -> None:
    """The next heartbeat brings the order, and the task ends cancelled."""
    task_id = await shop.submit()
    async with shop.worker():
        await shop.gate.started.get()
        await shop.store.cancel("default", task_id)
        await shop.finished(task_id)
    assert Status.CANCELLED == await shop.status(task_id)


async def test_a_task_that_was_taken_away_is_stopped(shop: Shop) -> None:
    """A worker that loses a task stops it, and writes nothing more to it."""
    task_id = await shop.submit()
    async with shop.worker(slots=1, grace_s=0.01) as worker:
        task = await shop.gate.started.get()
        await shop.store.settle(
            Lease("default", task_id, worker.worker_id, task.epoch), release("taken")
        )
        again = await shop.gate.started.get()  # its slot is free again, and it claims anew
        assert (task.epoch + 1, 1) == (again.epoch, again.attempt)


async def test_a_drained_worker_hands_over_at_the_next_step(shop: Shop) -> None:
    """The step that was under way is in the log, and the task is pending for the next worker."""

    shop.signals.on_shutdown = shop.gate.open.set
    task_id = await shop.submit()
    async with shop.worker():
        await shop.gate.started.get()
    assert Status.PENDING == await shop.status(task_id)
    types = [event.type for event in await shop.store.events("default", task_id, after=0, limit=9)]
    assert [EventType.LLM_COMPLETED, EventType.TASK_RELEASED] == types[-2:]


async def test_a_worker_that_an_operator_drains_hands_over_and_stays(shop: Shop) -> None:
    """It stays on the list without work until it is stopped; what is due waits for another one."""
    fleet = MemoryFleetStore(shop.store)
    shop.signals.on_shutdown = shop.gate.open.set
    task_id = await shop.submit()
    async with shop.worker() as worker:
        await shop.gate.started.get()
        await fleet.drain(worker.worker_id)

        async def is_pending() -> bool:
            return await shop.status(task_id) is Status.PENDING

        await shop.until(is_pending)
        await shop.bell.ring("default")
        told = (await fleet.get(worker.worker_id)).heartbeat_at

        async def beats_on() -> bool:
            return (await fleet.get(worker.worker_id)).heartbeat_at > told

        await shop.until(beats_on)
        seen = await fleet.get(worker.worker_id)
        assert (WorkerState.DRAINING, 0, 0) == (seen.state, seen.running, seen.owned_tasks)
        assert await is_pending()
        async with shop.worker():
            await shop.finished(task_id)
    with pytest.raises(WorkerNotFound):
        await fleet.get(worker.worker_id)


async def test_a_worker_says_that_it_drains_while_it_is_being_stopped(shop: Shop) -> None:
    """So that nobody rings for it, and an operator sees why it takes nothing."""
    fleet, seen = MemoryFleetStore(shop.store), list[WorkerState]()
    await shop.submit()
    async with shop.worker(grace_s=WITHIN_S) as worker:
        await shop.gate.started.get()
        plain_beat = shop.store.beat

        async def beat(*args: Any, **kwargs: Any) -> Orders:
            orders = await plain_beat(*args, **kwargs)
            seen.append((await fleet.get(worker.worker_id)).state)
            if seen[-1] is WorkerState.DRAINING:
                shop.gate.open.set()
            return orders

        shop.store.beat = beat  # type: ignore[method-assign]
    assert WorkerState.DRAINING is seen[-1]


async def test_a_drain_cuts_off_what_does_not_come_to_a_step(shop: Shop) -> None:
    """After the grace a task is handed over where it stands."""
    task_id = await shop.submit()
    async with shop.worker(grace_s=0.01):
        await shop.gate.started.get()
    assert Status.PENDING == await shop.status(task_id)


async def test_a_claim_whose_reply_was_lost_is_given_back(shop: Shop) -> None:
    """What the store says we own and we do not run is handed back after two heartbeats."""
    async with shop.worker() as worker:
        await shop.signals.booted.wait()
        task_id = await shop.submit()
        await shop.store.claim(worker.worker_id, ["default"], 1)

        async def is_pending() -> bool:
            return await shop.status(task_id) is Status.PENDING

        await shop.until(is_pending)


async def test_what_is_forgotten_is_found_although_the_store_tells_the_same_again(
    shop: Shop,
) -> None:
    """A heartbeat that could not compare, because a claim was under way, does not count as one that did."""
    claiming, go_on, beaten = asyncio.Event(), asyncio.Event(), asyncio.Semaphore(0)
    plain_claim, plain_beat = shop.store.claim, shop.store.beat
    told = dict[object, Any]()

    async def slow_claim(worker_id: str, queues: Sequence[str], count: int) -> list[Task]:
        claiming.set()
        await go_on.wait()
        return []

    async def beat(*args: Any, **kwargs: Any) -> Orders:
        orders = await plain_beat(*args, **kwargs)
        beaten.release()
        sets = (orders.owned, orders.cancelled)
        owned, cancelled = told.setdefault(sets, sets)
        return replace(orders, owned=owned, cancelled=cancelled)

    shop.store.claim, shop.store.beat = slow_claim, beat  # type: ignore[method-assign]
    async with shop.worker() as worker:
        await claiming.wait()
        task_id = await shop.submit()
        await plain_claim(worker.worker_id, ["default"], 1)
        while not beaten.locked():
            await beaten.acquire()  # those before the task was claimed
        for _ in range(3):
            await beaten.acquire()
        go_on.set()

        async def is_pending() -> bool:
            return await shop.status(task_id) is Status.PENDING

        await shop.until(is_pending)


async def test_a_claim_that_is_under_way_when_the_drain_begins_is_drained_too(shop: Shop) -> None:
    """What a late claim brings is handed over at its first step, like the rest."""
    claiming, go_on = asyncio.Event(), asyncio.Event()
    plain = shop.store.claim

    async def slow_claim(worker_id: str, queues: Sequence[str], count: int) -> list[Task]:
        claiming.set()
        await go_on.wait()
        return await plain(worker_id, queues, count)

    shop.store.claim = slow_claim  # type: ignore[method-assign]
    shop.gate.open.set()
    task_id = await shop.submit()
    async with shop.worker():
        await claiming.wait()
        asyncio.get_running_loop().call_soon(go_on.set)
    assert Status.PENDING == await shop.status(task_id)


async def test_a_worker_whose_claim_fails_hears_the_next_ring(shop: Shop) -> None:
    """A fault that nobody foresaw costs a ring, not the worker's ears."""
    plain, failures = shop.store.claim, 2

    async def failing_claim(worker_id: str, queues: Sequence[str], count: int) -> list[Task]:
        nonlocal failures
        failures -= 1
        if failures >= 0:
            raise StoreUnavailable("away") if failures else ValueError("unforeseen")
        return await plain(worker_id, queues, count)

    shop.gate.open.set()
    async with shop.worker():
        await shop.gate_is_idle()
        shop.store.claim = failing_claim  # type: ignore[method-assign]
        task_id = await shop.submit()
        for _ in range(3):
            await shop.bell.ring("default")
        await shop.finished(task_id)


async def test_a_worker_ends_when_its_heartbeat_does(shop: Shop) -> None:
    """Without a heartbeat it would be declared dead and live on: it ends, and settles nothing."""

    async def broken_beat(*_: object, **__: object) -> Orders:
        raise ValueError("unforeseen")

    worker = Worker(shop.store, shop.broker, shop.bell, {"x": shop.gate}, heartbeat_s=0.01)
    task_id = await shop.submit()
    running = asyncio.create_task(worker.run(asyncio.Event()))
    await shop.gate.started.get()
    shop.store.beat = broken_beat  # type: ignore[method-assign]
    with pytest.raises(ValueError, match="unforeseen"):
        await asyncio.wait_for(running, WITHIN_S)
    assert Status.RUNNING == await shop.status(task_id)


async def test_two_workers_on_one_broker_both_hear(shop: Shop) -> None:
    """A worker that has left does not take the ears of another one of the same process with it."""
    shop.gate.open.set()
    async with shop.worker(), shop.worker():
        await shop.signals.booted.wait()
    async with shop.worker():
        task_id = await shop.submit()
        await shop.bell.ring("default")
        await shop.finished(task_id)


async def test_a_drain_does_not_wait_for_a_frozen_broker(shop: Shop) -> None:
    """An intake that hangs in its broker is left behind; the tasks are handed over in time."""
    task_id = await shop.submit()
    frozen = threading.Event()

    class FrozenConsumer(Consumer):
        def __next__(self) -> None:
            frozen.wait(WITHIN_S)

    shop.broker.consume = lambda *_, **__: FrozenConsumer()  # type: ignore[method-assign]
    async with shop.worker(grace_s=0.01):
        await shop.gate.started.get()
    frozen.set()
    assert Status.PENDING == await shop.status(task_id)


async def test_a_handler_that_cancels_its_own_task_fails(shop: Shop) -> None:
    """It would do so again: its task is not handed over for ever."""

    class CancelsItself(Gate):
        async def run(self, task: Task, log: TaskLog) -> JsonObject:
            await self.started.put(task)
            current = asyncio.current_task()
            assert current is not None
            current.cancel()
            await asyncio.sleep(0)
            return {}

    shop.gate = CancelsItself()
    async with shop.worker():
        await shop.signals.booted.wait()
        task_id = await shop.submit()
        await shop.bell.ring("default")
        await shop.finished(task_id)
    task = await shop.store.get("default", task_id)
    assert (Status.FAILED, 1) == (task.status, shop.gate.started.qsize())
