"""The outbox of PostgreSQL: one end that cannot be told must not keep the others from being heard of."""

from collections.abc import AsyncIterator

import pytest
from sqlalchemy import text
from store_world import World

from ops_core.moves import complete
from ops_core.ports import TaskFilter
from ops_core.store import Database, SqlTaskStore, SqlUpkeepStore, SqlWorkerStore
from ops_core.store.ends import AT_ONCE
from ops_core.task import Status

pytestmark = pytest.mark.conformance

#: Makes telling one task that it is free impossible, as a fault of ours would.
BREAK = (
    """
    CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN RAISE EXCEPTION 'as the test wants it'; END $$
    """,
    """
    CREATE TRIGGER refuse BEFORE UPDATE OF dependencies_left ON task FOR EACH ROW
    WHEN (OLD.name = 'broken' AND NEW.dependencies_left < OLD.dependencies_left)
    EXECUTE FUNCTION refuse()
    """,
)


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    database = Database(database_url)
    yield database
    await database.close()


def world_of(database: Database) -> World:
    upkeep = SqlUpkeepStore(database)
    return World(
        SqlTaskStore(database),
        SqlWorkerStore(database),
        upkeep,
        advance=lambda _: None,
        bury_killed=lambda: upkeep.bury_workers(10),
    )


async def test_an_end_that_cannot_be_told_is_set_aside(database: Database) -> None:
    """It stays in the outbox, and those behind it are told."""
    world = world_of(database)
    needed = [await world.submit() for _ in range(2)]
    broken = await world.submit(name="broken", depends_on=(needed[0].task_id,))
    free = await world.submit(depends_on=(needed[1].task_id,))
    async with database.begin() as connection:
        for statement in BREAK:
            await connection.execute(text(statement))
    for _ in needed:
        _, lease = await world.claim_one()
        await world.workers.settle(lease, complete({}))
    assert 2 == await world.upkeep.tell_ends(10)
    assert 0 == (await world.tasks.get("default", free.task_id)).dependencies_left
    assert 1 == (await world.tasks.get("default", broken.task_id)).dependencies_left
    assert 0 == await world.upkeep.tell_ends(10)
    async with database.begin() as connection:
        assert 1 == await connection.scalar(text("SELECT count(*) FROM outbox"))
    assert Status.PENDING is (await world.tasks.get("default", free.task_id)).status


async def test_an_end_of_which_many_must_hear_is_told_a_part_at_a_time(database: Database) -> None:
    """Nobody waits for all of them: not the next end, whose turn comes first, nor the rest of upkeep."""
    world = world_of(database)
    needed = [await world.submit() for _ in range(2)]
    many = AT_ONCE + 5
    for _ in range(many):
        await world.submit(depends_on=(needed[0].task_id,))
    last = await world.submit(depends_on=(needed[1].task_id,))
    for _ in needed:
        _, lease = await world.claim_one()
        await world.workers.settle(lease, complete({}))

    async def waiting() -> int:
        async with database.begin() as connection:
            found = await connection.scalar(
                text("SELECT count(*) FROM task WHERE dependencies_left > 0")
            )
        assert isinstance(found, int)
        return found

    assert 1 == await world.upkeep.tell_ends(10)
    assert many + 1 - AT_ONCE == await waiting()
    assert 1 == (await world.tasks.get("default", last.task_id)).dependencies_left
    assert 2 == await world.upkeep.tell_ends(10)
    assert 0 == await waiting()
    assert 0 == await world.upkeep.tell_ends(10)


async def test_a_failure_reaches_every_dependent_and_the_parent_once(database: Database) -> None:
    """Dependents that were told are not found again, though a later retry may still need them."""
    world = world_of(database)
    parent = await world.submit()
    needed = await world.submit(parent_task_id=parent.task_id)
    for _ in range(AT_ONCE + 5):
        await world.submit(depends_on=(needed.task_id,))
    await world.tasks.cancel("default", needed.task_id)
    while await world.upkeep.tell_ends(10):
        pass
    failed = TaskFilter(status=Status.FAILED)
    assert AT_ONCE + 5 == (await world.tasks.page("default", failed, limit=1, cursor=None)).total
    assert 1 == (await world.tasks.get("default", parent.task_id)).signals
