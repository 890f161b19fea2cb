"""The planner hears of tables that grow fast."""

from collections.abc import AsyncIterator

import pytest

from ops_core.store import Database, SqlStatistics
from ops_core.store.statistics import LOOKS_S, TIMES, WORTH_IT
from ops_core.testing import FrozenClock

pytestmark = pytest.mark.integration

#: What upkeep would fold; here it stands for any of our tables.
_GROWS = (
    "INSERT INTO load_change (tenant_id, change) SELECT 'default', 1 FROM generate_series(1, $1)"
)

_ROWS = "SELECT reltuples FROM pg_class WHERE oid = 'load_change'::regclass"

# The session's counts of changes are told at the end of the next statement, instead of once a second.
_TELLS = "SELECT pg_stat_force_next_flush()"


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    database = Database(database_url)
    yield database
    await database.close()


async def grow(database: Database, rows: int) -> None:
    async with database.driver() as driver:
        await driver.execute(_GROWS, rows)
        await driver.execute(_TELLS)


async def known(database: Database) -> float:
    async with database.driver() as driver:
        rows: float = await driver.fetchval(_ROWS)
        return rows


async def test_a_table_that_grew_is_read(database: Database) -> None:
    """And then not again before all of it has changed a few times."""
    clock = FrozenClock()
    statistics = SqlStatistics(database, clock=lambda: clock().timestamp())
    await grow(database, 2 * WORTH_IT)
    assert 1 == await statistics.refresh()
    assert 2 * WORTH_IT == await known(database)
    await grow(database, 2 * WORTH_IT * TIMES)
    clock.advance(LOOKS_S)
    assert 0 == await statistics.refresh()
    await grow(database, 1)
    clock.advance(LOOKS_S)
    assert 1 == await statistics.refresh()


async def test_what_is_small_or_large_is_left_to_autovacuum(database: Database) -> None:
    """The one costs nothing to read whole, the other long to look at."""
    clock = FrozenClock()
    statistics = SqlStatistics(database, large=2 * WORTH_IT, clock=lambda: clock().timestamp())
    await grow(database, WORTH_IT)
    assert 0 == await statistics.refresh()
    await grow(database, WORTH_IT)
    clock.advance(LOOKS_S)
    assert 1 == await statistics.refresh()
    await grow(database, 99 * WORTH_IT)
    clock.advance(LOOKS_S)
    assert 0 == await statistics.refresh()


async def test_it_looks_once_in_a_while(database: Database) -> None:
    """A pass of upkeep comes twenty times a second."""
    clock = FrozenClock()
    statistics = SqlStatistics(database, clock=lambda: clock().timestamp())
    assert 0 == await statistics.refresh()
    await grow(database, 2 * WORTH_IT)
    assert 0 == await statistics.refresh()
    clock.advance(LOOKS_S)
    assert 1 == await statistics.refresh()
