"""Migrations beside others: starters that come at once, and a try that failed half-way."""

import asyncio

import asyncpg
import pytest
from pydantic import SecretStr
from sqlalchemy import make_url

from opspawn import migrate
from opspawn.doctor.servers import migrations
from opspawn.settings import Settings
from support.migrations import migrated_to

pytestmark = pytest.mark.integration

#: As in `alembic/env.py`.
MIGRATION_LOCK = 0x6F70_7370

#: A migration that waits for its turn: it has asked for the lock, or is about to ask again.
WAITS = """
    SELECT count(*) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()
      AND query ILIKE ANY (ARRAY['%advisory_lock%', 'COMMIT%'])
"""


async def connect(url: str) -> "asyncpg.Connection[asyncpg.Record]":
    return await asyncpg.connect(
        make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    )


async def test_who_waits_for_its_turn_is_not_in_the_way_of_an_index(
    empty_database_url: str,
) -> None:
    """Two starters at once: one would wait for the other's snapshot, and that one for its lock."""
    first = await connect(empty_database_url)
    await first.execute(f"SELECT pg_advisory_lock({MIGRATION_LOCK})")
    await first.execute("CREATE TABLE t (x integer)")
    async with asyncio.timeout(20):
        second = asyncio.create_task(asyncio.to_thread(migrate.upgrade, empty_database_url))
        while not await first.fetchval(WAITS):
            assert not second.done()
        await first.execute("CREATE INDEX CONCURRENTLY i ON t (x)")
        assert not second.done()
        await first.close()
        await second
    assert migrate.head() == await asyncio.to_thread(lambda: migrate.current(empty_database_url)[0])


@pytest.mark.parametrize(
    ("revision", "before", "built"),
    [("0008", "0007", "task_for_key"), ("0011", "0010", "webhook_push")],
)
async def test_a_try_that_failed_at_an_index_goes_on_there(
    empty_database_url: str, revision: str, before: str, built: str
) -> None:
    """What it had added is there, and what it had begun to build is built anew."""
    await asyncio.to_thread(migrated_to, revision, empty_database_url)
    connection = await connect(empty_database_url)
    try:
        await connection.execute("UPDATE alembic_version SET version_num = $1", before)
        await connection.execute(f"DROP INDEX {built}")
        await asyncio.to_thread(migrate.upgrade, empty_database_url)
        assert await connection.fetchval("SELECT to_regclass($1) IS NOT NULL", built)
    finally:
        await connection.close()


#: Somebody waits for a table that another one holds.
QUEUES = "SELECT count(*) FROM pg_locks WHERE locktype = 'relation' AND NOT granted"


async def test_counting_changes_beside_a_submit_that_is_not_counted_yet(
    empty_database_url: str,
) -> None:
    """A task is stored first and counted then; the migration locks the two tables in that order."""
    await asyncio.to_thread(migrated_to, "0011", empty_database_url)
    submitter, looker = [await connect(empty_database_url) for _ in range(2)]
    async with asyncio.timeout(20):
        async with submitter.transaction():
            await submitter.execute("LOCK TABLE task IN ROW EXCLUSIVE MODE")  # as an INSERT begins
            migration = asyncio.create_task(
                asyncio.to_thread(migrated_to, "0012", empty_database_url)
            )
            while not await looker.fetchval(QUEUES):
                assert not migration.done()
            await submitter.execute("INSERT INTO load_change (change) VALUES (1)")  # as it ends
        await migration
    assert 1 == await looker.fetchval("SELECT sum(change) FROM load_change")
    for connection in (submitter, looker):
        await connection.close()


async def test_a_database_of_a_newer_build_is_left_as_it_is(empty_database_url: str) -> None:
    """Old code runs beside it, and may be started again; the doctor says so and finds nothing wrong."""
    await asyncio.to_thread(migrate.upgrade, empty_database_url)
    connection = await connect(empty_database_url)
    await connection.execute("UPDATE alembic_version SET version_num = '9999'")
    await connection.close()
    await asyncio.to_thread(migrate.upgrade, empty_database_url)
    assert ("9999", migrate.head()) == await asyncio.to_thread(migrate.current, empty_database_url)
    settings = Settings(_env_file=None, database_url=SecretStr(empty_database_url))
    told = await asyncio.to_thread(migrations, settings)
    assert f"at 9999, made by a newer Opspawn; this one needs {migrate.head()}" == told
