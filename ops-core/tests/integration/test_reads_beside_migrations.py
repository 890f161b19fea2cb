"""Doors of an older build go on while a migration adds to the table that they read."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from sqlalchemy import text

from ops_core.store import Database, SqlTaskStore
from ops_core.task import NewTask, new_task_id

pytestmark = pytest.mark.integration


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    database = Database(database_url, pool_size=1)  # one connection, which knows its statements
    yield database
    await database.close()


async def test_a_new_column_fails_no_batch(database: Database, database_url: str) -> None:
    """The server refuses a statement that it knows, once what `*` stands for there is another row."""
    store = SqlTaskStore(database)
    new = NewTask(
        task_id=new_task_id(),
        tenant_id="default",
        task_type="noop",
        input_data={},
        idempotency_key="k",
    )
    for _ in range(2):
        stored, _ = await store.submit(new)
        assert stored.task_id == (await store.get("default", new.task_id)).task_id
    migration = Database(database_url, pool_size=1)
    async with migration.begin() as connection:
        await connection.execute(text("ALTER TABLE task ADD COLUMN newer integer"))
    await migration.close()
    reads = (store.get("default", new.task_id) for _ in range(3))
    assert {new.task_id} == {task.task_id for task in await asyncio.gather(*reads)}
    again = await asyncio.gather(*(store.submit(new) for _ in range(3)))
    assert {(new.task_id, False)} == {(task.task_id, created) for task, created in again}
