"""What every store tells the operator of its workers, and what it does to one that is to drain."""

import asyncio

import pytest
from store_world import GRACE_S, TTL_S, World

from ops_core.errors import InvalidRequest, WorkerNotFound
from ops_core.fleet import WorkerState
from ops_core.moves import complete, release
from ops_core.ports import Profile
from ops_core.store import Database, SqlFleetStore, SqlTaskStore, SqlWorkerStore
from ops_core.task import NewTask, new_task_id

pytestmark = pytest.mark.conformance

#: Whether somebody waits for a lock in this database.
_WAITS = """
    SELECT count(*) FROM pg_stat_activity
    WHERE datname = current_database() AND wait_event_type = 'Lock'
"""

ME = Profile(host="h", pid=7, version="0.1.0")


async def beat(world: World, worker: str = "w1", profile: Profile = ME) -> bool:
    """Whether it was told to drain."""
    orders = await world.workers.beat(worker, ["default"], slots=10, running=3, profile=profile)
    return orders.drain


async def test_a_worker_is_seen_as_it_showed_itself(world: World) -> None:
    """Where it runs, what it serves, and what it said that it runs."""
    await beat(world)
    seen = await world.fleet.get("w1")
    assert ("w1", "h", 7, "0.1.0") == (seen.worker_id, seen.host, seen.pid, seen.version)
    assert (["default"], 10, 3, False) == ([*seen.queues], seen.slots, seen.running, seen.alone)
    assert (WorkerState.ALIVE, None) == (seen.state, seen.drain_at)


async def test_a_worker_shows_since_when_it_is_there_and_when_it_was_last_seen(
    world: World,
) -> None:
    """Only the second moves with its heartbeats."""
    await beat(world)
    first = await world.fleet.get("w1")
    world.advance(3)
    await beat(world)
    then = await world.fleet.get("w1")
    assert first.started_at == then.started_at
    assert 3 <= (then.heartbeat_at - first.heartbeat_at).total_seconds() < 4


async def test_the_tasks_of_every_tenant_count(world: World) -> None:
    """The operator sees how many there are, not whose."""
    await world.submit()
    await world.submit(tenant_id="acme")
    assert 2 == len(await world.claim(count=2))
    await beat(world, "w2")
    owned = {
        w.worker_id: w.owned_tasks for w in (await world.fleet.page(limit=9, cursor=None)).workers
    }
    assert {"w1": 2, "w2": 0} == owned


async def test_a_worker_that_is_silent_is_lost(world: World) -> None:
    """After the time-to-live, and until it beats again or upkeep has given back what it owned."""
    await world.submit()
    await world.claim()
    world.advance(TTL_S - 1)
    assert WorkerState.ALIVE is (await world.fleet.get("w1")).state
    world.advance(2)
    assert WorkerState.LOST is (await world.fleet.get("w1")).state
    await world.upkeep.bury_workers(10)
    with pytest.raises(WorkerNotFound):
        await world.fleet.get("w1")


async def test_workers_come_in_pages_newest_first(world: World) -> None:
    """A cursor leads on; one that was not given out is refused."""
    for worker in ("w1", "w2", "w3"):
        await beat(world, worker)
        world.advance(1)
    first = await world.fleet.page(limit=2, cursor=None)
    assert ["w3", "w2"] == [worker.worker_id for worker in first.workers]
    rest = await world.fleet.page(limit=2, cursor=first.next_cursor)
    assert (["w1"], None) == ([worker.worker_id for worker in rest.workers], rest.next_cursor)
    with pytest.raises(InvalidRequest):
        await world.fleet.page(limit=2, cursor="nonsense")


async def test_a_worker_is_told_to_drain_with_its_next_heartbeat(world: World) -> None:
    """And shown as such from the operator's word on, since when, however often that is said."""
    assert not await beat(world)
    told = await world.fleet.drain("w1")
    assert WorkerState.DRAINING is told.state
    world.advance(1)
    assert told.drain_at is not None
    assert told.drain_at == (await world.fleet.drain("w1")).drain_at
    assert await beat(world)


async def test_who_is_to_drain_claims_nothing(world: World) -> None:
    """From the operator's word on, whether or not it has heard of it; others do."""
    await world.submit()
    await beat(world)
    await world.fleet.drain("w1")
    assert [] == await world.workers.claim("w1", ["default"], 1)
    assert 1 == len(await world.claim("w2"))


async def test_what_a_draining_worker_runs_stays_its_own(world: World) -> None:
    """It appends, ends and hands over as before."""
    await world.submit()
    await world.submit()
    one, other = await world.claim(count=2)
    await world.fleet.drain("w1")
    await world.workers.settle(world.lease(one), complete({}))
    await world.workers.settle(world.lease(other), release("drained"))
    assert 0 == (await world.fleet.get("w1")).owned_tasks
    assert [other.task_id] == [task.task_id for task in await world.claim("w2")]


@pytest.mark.parametrize("said", [True, False])
async def test_nobody_rings_for_a_worker_that_drains(world: World, said: bool) -> None:
    """By its own word or the operator's: the row waits for another one, and is not put off."""
    await world.submit()
    world.advance(GRACE_S)
    await beat(world, profile=Profile(draining=said))
    if not said:
        await world.fleet.drain("w1")
    assert [] == await world.upkeep.take_rings(10)
    await world.workers.beat("w2", ["default"], slots=1, running=0)
    assert [1] == [taken.count for taken in await world.upkeep.take_rings(10)]


async def test_a_worker_that_is_being_stopped_drains(world: World) -> None:
    """Its heartbeat says so; one that has left with a task serves no queue any more."""
    await world.submit()
    await world.claim()
    await beat(world, profile=Profile(draining=True))
    assert WorkerState.DRAINING is (await world.fleet.get("w1")).state
    await world.workers.leave("w1")
    left = await world.fleet.get("w1")
    assert (WorkerState.DRAINING, 0) == (left.state, len(left.queues))


async def test_only_a_worker_that_is_there_can_drain(world: World) -> None:
    with pytest.raises(WorkerNotFound):
        await world.fleet.drain("nobody")


async def test_an_operators_word_waits_for_a_claim_under_way(database_url: str) -> None:
    """What it came too late for is the worker's; the next claim finds it."""
    database = Database(database_url, pool_size=4)
    workers, fleet = SqlWorkerStore(database), SqlFleetStore(database)
    new = NewTask(task_id=new_task_id(), tenant_id="default", task_type="noop", input_data={})
    await SqlTaskStore(database).submit(new)
    await workers.beat("w1", ["default"], slots=1, running=0)
    async with database.driver() as claiming, database.driver() as watching:
        async with claiming.transaction():
            await claiming.execute("SELECT FROM worker WHERE worker_id = 'w1' FOR KEY SHARE")
            draining = asyncio.create_task(fleet.drain("w1"))
            while not draining.done() and not await watching.fetchval(_WAITS):
                pass
            assert not draining.done()
        assert WorkerState.DRAINING is (await draining).state
    assert [] == await workers.claim("w1", ["default"], 1)
    await database.close()
