"""What every store promises of tasks that ended long ago, and of what must be kept all the same."""

import pytest
from sqlalchemy import text
from store_world import World

from ops_core.errors import TaskNotFound
from ops_core.log import EventType, NewEvent
from ops_core.moves import complete, fail
from ops_core.ports import Append
from ops_core.store import Database, SqlTaskStore, SqlUpkeepStore, SqlWorkerStore
from ops_core.store.blobs import LARGE
from ops_core.task import NOTHING_USED, NewTask, Task, TaskError, new_task_id

pytestmark = pytest.mark.conformance

KEPT_S = 3600.0


async def _ended(world: World, **fields: object) -> Task:
    task = await world.submit(**fields)  # type: ignore[arg-type]
    [claimed] = await world.claim()
    assert task.task_id == claimed.task_id
    await world.workers.settle(world.lease(claimed), complete({}))
    return task


async def _exists(world: World, task: Task) -> bool:
    try:
        await world.tasks.log("default", task.task_id)
    except TaskNotFound:
        return False
    return True


async def test_a_task_is_kept_for_as_long_as_it_should_be_and_not_longer(world: World) -> None:
    """Its age counts from its end; then it is gone with its log, and what is not over stays."""
    task = await _ended(world)
    under_way = await world.submit()
    world.advance(KEPT_S - 1)
    assert 0 == await world.upkeep.prune(KEPT_S, 10)
    world.advance(2)
    assert 1 == await world.upkeep.prune(KEPT_S, 10)
    assert [False, True] == [await _exists(world, each) for each in (task, under_way)]


async def test_the_oldest_are_pruned_first_and_no_more_than_a_batch(world: World) -> None:
    """A large backlog of old tasks is taken in small transactions."""
    tasks = []
    for _ in range(5):
        tasks.append(await _ended(world))
        world.advance(1)
    world.advance(KEPT_S)
    assert 2 == await world.upkeep.prune(KEPT_S, 2)
    assert [False, False, True, True, True] == [await _exists(world, task) for task in tasks]
    assert [2, 1, 0] == [await world.upkeep.prune(KEPT_S, 2) for _ in range(3)]


async def test_a_child_stays_as_long_as_its_parent(world: World) -> None:
    """The parent's log names it; when the parent goes, it goes with the next batch."""
    parent = await world.submit()
    [claimed] = await world.claim()
    child = await _ended(world, parent_task_id=parent.task_id)
    await world.upkeep.tell_ends(10)
    world.advance(KEPT_S + 1)
    await world.workers.beat("w1", ["default"], slots=10, running=1)
    assert 0 == await world.upkeep.prune(KEPT_S, 10)
    await world.workers.settle(world.lease(claimed), complete({}))
    await world.upkeep.tell_ends(10)
    world.advance(KEPT_S + 1)
    assert [1, 1, 0] == [await world.upkeep.prune(KEPT_S, 10) for _ in range(3)]
    assert not await _exists(world, child)


async def test_an_end_that_was_not_told_yet_is_kept(world: World) -> None:
    """A parent, or whoever depends on it, has still to hear of it."""
    needed = await _ended(world)
    again = await world.submit()
    await world.submit(depends_on=(again.task_id,))
    _, lease = await world.claim_one()
    await world.workers.settle(lease, complete({}))
    world.advance(KEPT_S + 1)
    assert 1 == await world.upkeep.prune(KEPT_S, 10)
    assert [False, True] == [await _exists(world, each) for each in (needed, again)]
    assert 1 == await world.upkeep.tell_ends(10)
    assert 1 == await world.upkeep.prune(KEPT_S, 10)


async def test_a_dead_letter_stays_until_somebody_has_seen_it(world: World) -> None:
    """However old it is; discarded, it goes like any other task."""
    task = await world.submit()
    _, lease = await world.claim_one()
    await world.workers.settle(lease, fail(TaskError(type="x", message="y"), dead_letter=True))
    world.advance(KEPT_S * 1000)
    assert 0 == await world.upkeep.prune(KEPT_S, 10)
    await world.tasks.discard("default", task.task_id)
    assert 1 == await world.upkeep.prune(KEPT_S, 10)


async def test_the_key_of_a_pruned_task_is_free_again(world: World) -> None:
    """A client that comes back after all this time starts anew."""
    fields = {"idempotency_key": "k", "request_hash": "h"}
    task = await _ended(world, **fields)
    assert task.task_id == (await world.submit(**fields)).task_id
    world.advance(KEPT_S + 1)
    await world.upkeep.prune(KEPT_S, 10)
    assert task.task_id != (await world.submit(**fields)).task_id


async def test_nothing_of_a_pruned_task_is_left_in_any_table(database_url: str) -> None:
    """Its events, large values, dependencies and places in threads go in the one statement."""
    database = Database(database_url)
    tasks, workers = SqlTaskStore(database), SqlWorkerStore(database)
    world = World(tasks, workers, SqlUpkeepStore(database), lambda _: None, lambda: None)  # type: ignore[arg-type, return-value]
    needed = await _ended(world, thread_id="t")
    key = new_task_id()
    await tasks.submit(
        NewTask(
            task_id=key,
            tenant_id="default",
            task_type="noop",
            input_data={},
            depends_on=(needed.task_id,),
        )
    )
    _, lease = await world.claim_one()
    value = NewEvent(
        type=EventType.TOOL_COMPLETED,
        data={},
        journal={"path": "1/tool/1", "value": "x" * (LARGE + 1)},
    )
    await workers.append([Append(lease, [value], NOTHING_USED)])
    await workers.settle(lease, complete({}))
    counts = text(
        """
        SELECT (SELECT count(*) FROM task) AS tasks, (SELECT count(*) FROM event) AS events,
               (SELECT count(*) FROM blob) AS blobs,
               (SELECT count(*) FROM thread_message) AS messages,
               (SELECT count(*) FROM dependency) AS dependencies,
               (SELECT count(*) FROM outbox) AS ends
        """
    )
    async with database.begin() as connection:
        before = (await connection.execute(counts)).one()
    await world.upkeep.tell_ends(10)
    await world.upkeep.prune(-1.0, 10)
    async with database.begin() as connection:
        after = (await connection.execute(counts)).one()
    await database.close()
    assert all(count > 0 for count in before[:4])
    assert (0, 0, 0, 0, 0, 0) == tuple(after)
