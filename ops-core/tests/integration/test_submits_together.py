"""Submits that share a transaction of PostgreSQL: what they share, and what they must not."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from sqlalchemy import text

from ops_core.admission import AdmissionLimits
from ops_core.errors import NotNow
from ops_core.store import Database, SqlTaskStore
from ops_core.task import NewTask, Task, new_task_id

pytestmark = pytest.mark.integration

#: Far from what these tests store, and near enough to be looked at under a lock.
FAR, NEAR = AdmissionLimits(max_unfinished=100_000), AdmissionLimits(max_unfinished=1_000)


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    database = Database(database_url, pool_size=5)
    yield database
    await database.close()


def new(input_data: dict[str, object] | None = None) -> NewTask:
    return NewTask(
        task_id=new_task_id(), tenant_id="default", task_type="noop", input_data=input_data or {}
    )


async def together(store: SqlTaskStore, *asked: NewTask) -> list[tuple[Task, bool] | BaseException]:
    return await asyncio.gather(*(store.submit(each) for each in asked), return_exceptions=True)


@pytest.mark.parametrize("admission", [AdmissionLimits(), FAR, NEAR])
async def test_submits_of_one_moment_share_a_transaction(
    database: Database, admission: AdmissionLimits
) -> None:
    """Whatever the limits are: one statement stores them all, so they were stored at one time."""
    await together(SqlTaskStore(database, admission=admission), *(new() for _ in range(50)))
    async with database.begin() as connection:
        found = await connection.execute(
            text("SELECT count(*), count(DISTINCT xmin::text) FROM task")
        )
    assert (50, 1) == tuple(found.one())


async def test_a_value_that_is_refused_fails_its_own_submit_alone(database: Database) -> None:
    """The others of its batch are stored."""
    good = [new() for _ in range(3)]
    wrong = new({"text": "\x00"})
    answers = await together(SqlTaskStore(database), good[0], wrong, *good[1:])
    assert [False, True, False, False] == [isinstance(each, Exception) for each in answers]
    assert {each.task_id for each in good} == await stored(database)


async def test_two_doors_keep_to_one_limit(database_url: str) -> None:
    """A batch of each is counted after the other one."""
    limit = AdmissionLimits(max_unfinished=30)
    doors = [Database(database_url, pool_size=5) for _ in range(2)]
    answers = await asyncio.gather(
        *(
            together(SqlTaskStore(door, admission=limit), *(new() for _ in range(25)))
            for door in doors
        )
    )
    assert 30 == sum(isinstance(each, tuple) for some in answers for each in some)
    assert 20 == sum(isinstance(each, NotNow) for some in answers for each in some)
    for door in doors:
        await door.close()


async def test_the_batch_of_a_tenant_acts_for_it_alone(database: Database) -> None:
    """Under the role of the doors, until the transaction ends."""
    async with database.driver_for("t1") as connection:
        inside = await connection.fetchrow(
            "SELECT current_user AS who, current_setting('opspawn.tenant') AS tenant"
        )
    async with database.driver() as connection:
        after = await connection.fetchval("SELECT current_user")
    assert inside is not None
    assert ("opspawn_api", "t1") == (inside["who"], inside["tenant"])
    assert "opspawn_api" != after


async def test_what_is_no_tenants_id_stands_in_no_statement(database: Database) -> None:
    """The beginning of a transaction takes no parameters, so nothing that could end its text gets there."""
    with pytest.raises(ValueError, match="not the id of a tenant"):
        async with database.driver_for("t1', true); COMMIT; --"):
            raise AssertionError("nothing is done for it")


async def test_a_transaction_that_was_left_open_is_nobody_elses(database: Database) -> None:
    """Its end may have been cancelled; the next one to ask gets another connection."""
    async with database.driver() as connection:
        await connection.execute("BEGIN")
    async with database.driver() as connection:
        assert not connection.is_in_transaction()


async def stored(database: Database) -> set[str]:
    async with database.begin() as connection:
        return set((await connection.execute(text("SELECT task_id FROM task"))).scalars())
