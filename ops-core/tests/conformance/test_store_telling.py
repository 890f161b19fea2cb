"""The stores that tell whose log has grown: after each commit, and of nothing that was not committed."""

from collections.abc import AsyncIterator

import pytest
from store_world import World

from ops_core.errors import LostOwnership, TaskNotFound
from ops_core.log import EventType, NewEvent
from ops_core.moves import complete, fail, wait
from ops_core.ports import Append, Appended, Ending, Lease, TaskKey
from ops_core.store import Database, SqlUpkeepStore, TellingTaskStore, TellingWorkerStore
from ops_core.task import Reason, TaskError, Usage, Wait

pytestmark = pytest.mark.conformance

STEP = NewEvent(type=EventType.STEP_RECORDED)
WAITS = wait([Wait(reason=Reason.INPUT, step="1/input", detail={"question": "?"})], 0)


class Told(list[TaskKey]):
    """Whose log has grown; `settled`, who has ended or needs something since."""

    def __init__(self) -> None:
        self.settled: list[TaskKey] = []

    def changed(self, key: TaskKey, *, settled: bool = False) -> None:
        self.append(key)
        if settled:
            self.settled.append(key)


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
async def world(database_url: str, told: Told) -> AsyncIterator[World]:
    database = Database(database_url, pool_size=2)
    workers = TellingWorkerStore(database, told.changed, None)
    tasks = TellingTaskStore(database, told.changed)
    upkeep = SqlUpkeepStore(database)
    yield World(tasks, workers, upkeep, lambda _s: None, lambda: upkeep.bury_workers(1))
    await database.close()


async def test_a_claim_a_step_and_an_end_are_told(world: World, told: Told) -> None:
    """Each once, by the task's key; a new task is not, for nobody can watch it yet."""
    task = await world.submit()
    key = TaskKey("default", task.task_id)
    assert [] == told
    _, lease = await world.claim_one()
    assert [key] == told
    await world.workers.append([Append(lease, [STEP, STEP], Usage())])
    assert [] == told.settled
    await world.workers.settle(lease, complete({}))
    assert [key] * 3 == told
    assert [key] == told.settled


async def test_what_ends_among_others_or_waits_is_told_as_settled(world: World, told: Told) -> None:
    """Who holds a request until then hears of nothing else."""
    for _ in range(2):
        await world.submit()
    _, ends = await world.claim_one()
    _, waits = await world.claim_one()
    assert [True] == await world.workers.end_together([Ending(ends, complete({}))])
    await world.workers.settle(waits, WAITS)
    assert [TaskKey("default", lease.task_id) for lease in (ends, waits)] == told.settled


async def test_what_clients_do_is_told(world: World, told: Told) -> None:
    """A cancel, and a retry."""
    task = await world.submit()
    await world.tasks.cancel("default", task.task_id)
    await world.tasks.retry("default", task.task_id)
    assert [TaskKey("default", task.task_id)] * 2 == told
    assert [TaskKey("default", task.task_id)] == told.settled, "the retried one is not"


async def test_what_was_not_stored_is_not_told(world: World, told: Told) -> None:
    """A zombie's step and end, and what is done to a task that is not there."""
    await world.submit()
    _, lease = await world.claim_one()
    told.clear()
    zombie = Lease(lease.tenant_id, lease.task_id, lease.owner, lease.epoch - 1)
    assert [Appended.LOST] == await world.workers.append([Append(zombie, [STEP], Usage())])
    with pytest.raises(LostOwnership):
        await world.workers.settle(zombie, fail(TaskError(type="x", message="m")))
    with pytest.raises(TaskNotFound):
        await world.tasks.cancel("default", "task_none")
    assert [] == told
