"""The stores that tell whose log has grown: after each commit, and of nothing that was not committed."""

from collections.abc import AsyncIterator

import pytest
from store_world import World

from ops_core.errors import LostOwnership, TaskNotFound
from ops_core.log import EventType, NewEvent
from ops_core.moves import complete, fail
from ops_core.ports import Append, Appended, Lease, TaskKey
from ops_core.store import Database, SqlUpkeepStore, TellingTaskStore, TellingWorkerStore
from ops_core.task import TaskError, Usage

pytestmark = pytest.mark.conformance

STEP = NewEvent(type=EventType.STEP_RECORDED)


@pytest.fixture
def told() -> list[TaskKey]:
    return []


@pytest.fixture
async def world(database_url: str, told: list[TaskKey]) -> AsyncIterator[World]:
    database = Database(database_url, pool_size=2)
    workers = TellingWorkerStore(database, told.append, None)
    tasks = TellingTaskStore(database, told.append)
    upkeep = SqlUpkeepStore(database)
    yield World(tasks, workers, upkeep, lambda _s: None, lambda: upkeep.bury_workers(1))
    await database.close()


async def test_a_claim_a_step_and_an_end_are_told(world: World, told: list[TaskKey]) -> None:
    """Each once, by the task's key; a new task is not, for nobody can watch it yet."""
    task = await world.submit()
    key = TaskKey("default", task.task_id)
    assert [] == told
    _, lease = await world.claim_one()
    assert [key] == told
    await world.workers.append([Append(lease, [STEP, STEP], Usage())])
    await world.workers.settle(lease, complete({}))
    assert [key] * 3 == told


async def test_what_clients_do_is_told(world: World, told: list[TaskKey]) -> None:
    """A cancel, and a retry."""
    task = await world.submit()
    await world.tasks.cancel("default", task.task_id)
    await world.tasks.retry("default", task.task_id)
    assert [TaskKey("default", task.task_id)] * 2 == told


async def test_what_was_not_stored_is_not_told(world: World, told: list[TaskKey]) -> None:
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
