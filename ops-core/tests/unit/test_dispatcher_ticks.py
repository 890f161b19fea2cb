"""The dispatcher: what it rings for, and what a dead broker costs."""

import asyncio
from collections.abc import Callable

import pytest

from ops_core.errors import BrokerUnavailable, StoreUnavailable, TaskNotFound
from ops_core.ports import TakenRings
from ops_core.task import NewTask, Status, new_task_id
from ops_core.testing import FrozenClock, MemoryStore, RecordingBell
from ops_core.upkeep.dispatcher import Dispatcher

pytestmark = pytest.mark.unit


class ShakyStore(MemoryStore):
    """Answers as the test says, when it says anything."""

    before_expire: Callable[[], None] | None = None
    taken = 0

    async def take_rings(self, limit: int) -> list[TakenRings]:
        self.taken += 1
        return await super().take_rings(limit)

    async def expire(self, limit: int) -> int:
        if self.before_expire is not None:
            self.before_expire()
        return await super().expire(limit)


class ShakyBell(RecordingBell):
    """Breaks after so many rings."""

    breaks_after: int | None = None

    async def ring(self, queue: str, hint: str | None = None) -> None:
        await super().ring(queue, hint)
        if self.breaks_after == len(self.rung):
            self.broken = True


class Office:
    """A dispatcher with a bell that records, over a clock that the test moves."""

    def __init__(self) -> None:
        self.clock = FrozenClock()
        self.store = ShakyStore(self.clock)
        self.bell = ShakyBell()
        self.monotonic = 0.0
        self.dispatcher = Dispatcher(
            self.store, self.bell, busy_s=0.001, idle_s=0.002, clock=lambda: self.monotonic
        )

    async def submit(self, **fields: object) -> str:
        task_id = new_task_id()
        new = NewTask(
            task_id=task_id,
            tenant_id="default",
            task_type="x",
            input_data={},
            **fields,  # type: ignore[arg-type]
        )
        await self.store.submit(new)
        return task_id

    async def listen(self) -> None:
        await self.store.beat("w", ["default"], slots=1, running=0)


@pytest.fixture
def office() -> Office:
    return Office()


async def test_a_lost_ring_is_made_good(office: Office) -> None:
    """A row that nobody claimed within the grace is rung by upkeep, once, then put off."""
    await office.submit()
    office.clock.advance(6)
    await office.listen()
    assert await office.dispatcher.tick()
    assert ["default"] == office.bell.rung
    assert not await office.dispatcher.tick()


async def test_a_row_is_not_put_off_while_the_broker_is_away(office: Office) -> None:
    """When the broker comes back, everything that is due is rung at once."""
    await office.submit()
    office.clock.advance(6)
    await office.listen()
    office.bell.broken = True
    for _ in range(5):
        with pytest.raises(BrokerUnavailable):
            await office.dispatcher.tick()
    office.bell.broken = False
    await office.dispatcher.tick()
    assert ["default"] == office.bell.rung


async def test_while_the_broker_is_away_rows_are_left_in_peace(office: Office) -> None:
    """After the first ring that failed no more are taken before the broker answers."""
    await office.submit()
    office.clock.advance(6)
    await office.listen()
    office.bell.broken = True
    for _ in range(5):
        with pytest.raises(BrokerUnavailable):
            await office.dispatcher.tick()
    assert 1 == office.store.taken


async def test_queues_that_were_rung_are_not_returned(office: Office) -> None:
    """A broker that dies half-way costs only what it did not confirm."""
    for queue in ("a", "b", "c"):
        await office.submit(queue=queue)
    office.clock.advance(6)
    await office.store.beat("w", ["a", "b", "c"], slots=1, running=0)
    office.bell.breaks_after = 1
    with pytest.raises(BrokerUnavailable):
        await office.dispatcher.tick()
    office.bell.broken = False
    await office.dispatcher.tick()
    assert ["a", "b", "c"] == office.bell.rung


async def test_a_dead_broker_does_not_hold_up_deadlines(office: Office) -> None:
    """Deadlines are PostgreSQL's business alone."""
    late = await office.submit(deadline_s=1.0)
    await office.submit()
    office.clock.advance(6)
    await office.listen()
    office.bell.broken = True
    with pytest.raises(BrokerUnavailable):
        await office.dispatcher.tick()
    assert Status.FAILED == (await office.store.get("default", late)).status


async def test_the_loop_outlives_a_broker_that_is_away(office: Office) -> None:
    """`run` waits for the broker, then rings."""
    await office.submit()
    office.clock.advance(6)
    await office.listen()
    office.bell.broken = True
    stop = asyncio.Event()
    running = asyncio.create_task(office.dispatcher.run(stop))
    await asyncio.sleep(0)
    office.bell.broken = False
    async with asyncio.timeout(5):
        await office.bell.heard.wait()
        stop.set()
        await running


async def test_nobody_is_declared_dead_right_after_the_store_was_away(office: Office) -> None:
    """While the store is away no heartbeat can be written: an old one proves nothing for a while."""
    await office.submit()
    await office.listen()
    [task] = await office.store.claim("w", ["default"], 1)
    office.store.before_expire = _away
    with pytest.raises(StoreUnavailable):
        await office.dispatcher.tick()
    office.store.before_expire = None
    office.clock.advance(60)
    await office.dispatcher.tick()
    assert Status.RUNNING == (await office.store.get("default", task.task_id)).status
    office.monotonic += 6
    await office.dispatcher.tick()
    assert Status.PENDING == (await office.store.get("default", task.task_id)).status


async def test_nobody_is_declared_dead_by_a_store_that_was_frozen(office: Office) -> None:
    """A pass that took long means that heartbeats could not come through either."""

    def slowly() -> None:
        office.monotonic += 20

    await office.submit()
    await office.listen()
    [task] = await office.store.claim("w", ["default"], 1)
    office.store.before_expire = slowly
    office.clock.advance(20)
    await office.dispatcher.tick()
    assert Status.RUNNING == (await office.store.get("default", task.task_id)).status


def _away() -> None:
    raise StoreUnavailable("away")


async def test_a_part_that_fails_does_not_stop_the_others() -> None:
    """A fault that nobody foresaw in one part of upkeep: what is due is rung for all the same."""
    office = Office()
    await office.listen()
    await office.submit()
    office.clock.advance(6)
    office.store.before_expire = _fault
    assert await office.dispatcher.tick()
    assert ["default"] == office.bell.rung


def _fault() -> None:
    raise ValueError("a row that nobody foresaw")


class LongLogs(MemoryStore):
    """Cannot delete more than a few tasks before the statement's time is over."""

    async def prune(self, older_than_s: float, limit: int) -> int:
        if limit > 125:
            raise StoreUnavailable("canceling statement due to statement timeout")
        return await super().prune(older_than_s, limit)


async def test_a_batch_that_is_too_large_to_delete_does_not_stop_the_rings() -> None:
    """It costs one pass; then what is due is rung for, and fewer are deleted at once until it works."""
    clock, bell, monotonic = FrozenClock(), RecordingBell(), [0.0]
    store = LongLogs(clock)
    upkeep = Dispatcher(store, bell, retention_s=10.0, clock=lambda: monotonic[0])
    office = Office()
    office.store = store  # type: ignore[assignment]
    cancelled = await office.submit()
    await store.cancel("default", cancelled)
    await office.submit()
    clock.advance(60)
    await office.listen()
    with pytest.raises(StoreUnavailable):
        await upkeep.tick()
    await upkeep.tick()
    assert ["default"] == bell.rung
    monotonic[0] += 61
    with pytest.raises(StoreUnavailable):
        await upkeep.tick()
    monotonic[0] += 61
    await upkeep.tick()
    with pytest.raises(TaskNotFound):
        await store.get("default", cancelled)
