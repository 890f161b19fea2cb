"""A pool gives whoever is alone the connection that was used last, and nobody one that has been closed."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from sqlalchemy import text

from ops_core.store import Database

pytestmark = pytest.mark.integration

PID = text("SELECT pg_backend_pid()")


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    database = Database(database_url, pool_size=3)
    yield database
    await database.close()


async def test_who_is_alone_always_has_the_same_connection(database: Database) -> None:
    """Also when a busy moment has opened more: its statements are prepared there, and planned."""
    async with database.begin() as first, database.begin() as second:
        for connection in (first, second):
            await connection.execute(PID)
    found = set[object]()
    for _ in range(4):
        async with database.begin() as connection:
            found.add(await connection.scalar(PID))
    assert 1 == len(found)


async def test_a_connection_that_the_server_has_closed_is_replaced(database: Database) -> None:
    """Those that lie at the bottom of the pool may have been closed long ago: nobody hears of it."""
    async with database.driver() as driver, database.driver() as other:
        pid, gone = await driver.fetchval("SELECT pg_backend_pid()"), asyncio.Event()
        driver.add_termination_listener(lambda _: gone.set())
        await other.execute("SELECT pg_terminate_backend($1)", pid)
        async with asyncio.timeout(10):
            await gone.wait()
    async with database.driver() as driver, database.driver() as other:
        assert [1, 1] == [await one.fetchval("SELECT 1") for one in (driver, other)]
