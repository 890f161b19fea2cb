"""A pool closes the connections that are not needed any more, each of which is a process of the server."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from sqlalchemy import text

from ops_core.store import Database, kept_small

pytestmark = pytest.mark.integration


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    database = Database(database_url, pool_size=5)
    yield database
    await database.close()


async def use(database: Database, count: int) -> None:
    """So many connections at one moment."""
    all_have_one = asyncio.Barrier(count)

    async def one() -> None:
        async with database.begin() as connection:
            await connection.execute(text("SELECT 1"))
            await all_have_one.wait()

    await asyncio.gather(*(one() for _ in range(count)))


async def sessions(database: Database) -> int:
    """Of the server for this database, the one that asks among them."""
    counted = text("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()")
    async with database.begin() as connection:
        return int(await connection.scalar(counted) or 0)


async def test_what_a_busy_moment_has_opened_is_closed_after_it(database: Database) -> None:
    """Once a whole stretch has passed in which fewer were needed."""
    await use(database, 4)
    await database.shrink()
    assert 4 == await sessions(database)
    await database.shrink()
    async with asyncio.timeout(10):
        while await sessions(database) > 1:  # those that were closed are about to end
            pass


async def test_what_is_needed_again_and_again_stays_open(database: Database) -> None:
    """To open connections all the time would cost more than they hold."""
    opened = set[object]()
    for _ in range(3):
        async with database.begin() as first, database.begin() as second:
            for connection in (first, second):
                opened.add(await connection.scalar(text("SELECT pg_backend_pid()")))
        await database.shrink()
    assert 2 == len(opened)


async def test_nothing_is_closed_while_a_connection_is_in_use(database: Database) -> None:
    """Who holds one finds it working; the others are closed later."""
    await use(database, 3)
    await database.shrink()
    async with database.begin() as connection:
        await database.shrink()
        assert 1 == await connection.scalar(text("SELECT 1"))
    assert 3 == await sessions(database)


async def test_a_pool_that_is_kept_small_is_looked_at_and_closed_at_the_end(
    database_url: str,
) -> None:
    """As the processes of Opspawn keep theirs."""
    shrunk = asyncio.Event()

    class Watched(Database):
        async def shrink(self) -> None:
            await super().shrink()
            shrunk.set()

    async with kept_small(Watched(database_url), every_s=0.01) as database:
        await use(database, 2)
        async with asyncio.timeout(10):
            await shrunk.wait()
    assert 0 == database.engine.pool.checkedin()  # type: ignore[attr-defined]  # a QueuePool
