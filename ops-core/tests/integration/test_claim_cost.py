"""What a claim asks of PostgreSQL: it does not grow with what others wait for."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ops_core.store import Database, SqlTaskStore, SqlWorkerStore, plain
from ops_core.store import claim as claims
from ops_core.task import NewTask, new_task_id

pytestmark = pytest.mark.integration

_SCANS = "SELECT pg_stat_get_xact_numscans('task_for_fair_claim'::regclass)"


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    database = Database(database_url)
    await SqlWorkerStore(database).beat("w", ["default"], slots=10, running=0)
    yield database
    await database.close()


async def submit(database: Database, **fields: Any) -> None:
    new = NewTask(task_id=new_task_id(), task_type="noop", input_data={}, **fields)
    await SqlTaskStore(database).submit(new)


async def test_tenants_that_wait_cost_a_claim_no_rounds(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their part of the claim goes to the tenant that has due tasks at once, not one by one."""
    later = datetime.now(UTC) + timedelta(days=1)
    for number in range(8):
        await submit(database, tenant_id=f"waits-{number}", scheduled_at=later)
    for _ in range(8):
        await submit(database, tenant_id="due")
    rounds = list[str]()

    async def fetch(connection: Any, sql: str, parameters: Any) -> Any:
        rounds.append(sql)
        return await plain.fetch(connection, sql, parameters)

    monkeypatch.setattr("ops_core.store.claim.fetch", fetch)
    assert 8 == len(await SqlWorkerStore(database).claim("w", ["default"], 8))
    assert 2 == rounds.count(claims._CLAIM)


async def test_priorities_below_what_is_claimed_are_not_looked_for(database: Database) -> None:
    """A tenant may use two hundred, in each queue."""
    for priority in range(40):
        await submit(database, tenant_id="due", priority=priority)
    async with database.driver() as driver, driver.transaction():
        await driver.execute("SET LOCAL enable_seqscan = off")
        [claimed] = await claims.claim(driver, "w", ["default"], 1)
        assert 39 == claimed["priority"]
        assert await driver.fetchval(_SCANS) < 10
