"""The dispatcher: what it rings for, and what a dead broker costs."""

import asyncio
from collections.abc import Callable

import pytest
from structlog.testing import capture_logs

from ops_core.errors import BrokerUnavailable, StoreUnavailable, TaskNotFound
from ops_core.ports import TakenRings
from ops_core.task import NewTask, Status, new_task_id
from ops_core.testing import FrozenClock, MemoryStore, RecordingBell
from ops_core.upkeep.dispatcher import Dispatcher
from ops_core.upkeep.part import Part

pytestmark = pytest.mark.unit


class ShakyStore(MemoryStore):
    """Answers as the test says, when it says anything."""

    before_expire: Callable[[], None] | None = None
    before_rings: Callable[[], None] | None = None
    taken = 0

    async def take_rings(self, limit: int) -> list[TakenRings]:
        self.taken += 1
        if self.before_rings is not None:
            self.before_rings()
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
    office.store.before_rings = _away
    with pytest.raises(StoreUnavailable):
        await office.dispatcher.tick()
    office.store.before_rings = None
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


async def test_a_chore_that_meets_a_lock_costs_neither_the_rings_nor_the_other_chores() -> None:
    """A row of its own that somebody holds, say: everything else of the pass is done."""
    office, done = Office(), list[str]()

    async def locked() -> int:
        raise StoreUnavailable("canceling statement due to lock timeout")

    async def other() -> int:
        done.append("other")
        return 1

    upkeep = Dispatcher(
        office.store, office.bell, chores={"locked": locked, "other": other}, clock=lambda: 0.0
    )
    await office.listen()
    await office.submit()
    office.clock.advance(6)
    assert await upkeep.tick()
    assert (["default"], ["other"]) == (office.bell.rung, done)


async def test_what_a_chore_makes_runnable_is_rung_for_in_the_same_pass() -> None:
    """A firing waits for no further pass."""
    office = Office()

    async def submits() -> int:
        if not office.bell.rung:
            await office.submit()
            office.clock.advance(6)
        return 1

    upkeep = Dispatcher(office.store, office.bell, chores={"scheduled": submits})
    await office.listen()
    await upkeep.tick()
    assert ["default"] == office.bell.rung


async def test_a_part_that_failed_rests_longer_each_time_and_is_spoken_of_once() -> None:
    """Its outage is one line when it begins and one when it ends, whatever number of passes it lasts."""
    tries, now, is_away = list[float](), [0.0], [True]

    async def chore() -> int:
        tries.append(now[0])
        if is_away[0]:
            raise StoreUnavailable("canceling statement due to lock timeout")
        return 3

    part = Part("deliveries_pruned", chore, lambda: now[0])
    with capture_logs() as said:
        for tenth in range(80):
            now[0] = tenth / 10
            assert 0 == await part.run()
        is_away[0] = False
        now[0] = 16.0
        assert 3 == await part.run()
    assert [0.0, 0.5, 1.5, 3.5, 7.5, 16.0] == tries
    assert ["a part of upkeep rests", "a part of upkeep goes on"] == [
        line["event"] for line in said
    ]


async def test_a_part_that_is_whole_again_rests_no_more() -> None:
    """The next failure begins with the shortest rest."""
    tries, now, fails = list[float](), [0.0], iter([True, False, True, False])

    async def chore() -> int:
        tries.append(now[0])
        if next(fails):
            raise StoreUnavailable("canceling statement due to lock timeout")
        return 1

    part = Part("opened", chore, lambda: now[0])
    for tenth in range(12):
        now[0] = tenth / 10
        if len(tries) < 4:
            await part.run()
    assert [0.0, 0.5, 0.6, 1.1] == tries


async def test_an_outage_of_the_store_is_two_lines_of_the_log(office: Office) -> None:
    """A database that is away for an hour must not fill the disk with the same line."""
    passes = asyncio.Semaphore(0)

    def unreachable() -> None:
        passes.release()
        _away()

    office.store.before_rings = unreachable
    stop = asyncio.Event()
    with capture_logs() as said:
        running = asyncio.create_task(office.dispatcher.run(stop))
        async with asyncio.timeout(5):
            for _ in range(4):
                await passes.acquire()
            office.store.before_rings = passes.release
            for _ in range(2):
                await passes.acquire()
            stop.set()
            await running
    assert ["upkeep waits", "upkeep goes on"] == [line["event"] for line in said]


class LongLogs(MemoryStore):
    """Cannot delete more than a few tasks before the statement's time is over."""

    async def prune(self, older_than_s: float, limit: int) -> int:
        if limit > 125:
            raise StoreUnavailable("canceling statement due to statement timeout")
        return await super().prune(older_than_s, limit)


async def test_a_batch_that_is_too_large_to_delete_does_not_stop_the_rings() -> None:
    """What is due is rung for all the same, and fewer are deleted at once until it works."""
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
    await upkeep.tick()
    assert ["default"] == bell.rung
    for _ in range(2):
        monotonic[0] += 61
        await upkeep.tick()
    with pytest.raises(TaskNotFound):
        await store.get("default", cancelled)


class Slow(MemoryStore):
    """Has as many old tasks as are asked for; each takes a while. Notes how many were asked for."""

    def __init__(self) -> None:
        super().__init__(FrozenClock())
        self.at_s, self.each_s, self.asked = 0.0, 0.1, list[int]()

    async def prune(self, older_than_s: float, limit: int) -> int:
        self.asked.append(limit)
        took, at_most = limit * self.each_s, 15.0
        self.at_s += min(took, at_most)
        if took > at_most:
            raise StoreUnavailable("canceling statement due to statement timeout")
        return limit


async def test_a_batch_to_delete_grows_again_once_batches_are_quick() -> None:
    """A store that was slow for a while deletes as many at once as before, but not before it is quick."""
    store = Slow()
    upkeep = Dispatcher(store, RecordingBell(), retention_s=10.0, clock=lambda: store.at_s)
    for _ in range(4):
        await upkeep.tick()
        store.at_s += 61
    store.each_s = 0.001
    for _ in range(4):
        await upkeep.tick()
    assert [500, 250, 125, 125, 125, 250, 500, 500] == store.asked
