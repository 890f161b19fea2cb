"""A PostgreSQL that answers no more and closes nothing: whoever waits for it is told in time, and goes on."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator

import pytest

from ops_core.errors import StoreUnavailable
from ops_core.ports import TaskType
from ops_core.request import parse_request
from ops_core.service import TaskService
from ops_core.store import Database, SqlTaskStore, SqlUpkeepStore, SqlWorkerStore
from support.swallowing_proxy import SwallowingProxy

pytestmark = pytest.mark.integration

#: How long an answer may take in these tests, and within what a caller must then be told. Seconds.
ANSWER_S, TOLD_S = 0.5, 4.0


@pytest.fixture
def proxy(database_url: str) -> Iterator[SwallowingProxy]:
    with SwallowingProxy(database_url) as proxy:
        yield proxy


Use = Callable[[Database], Awaitable[object]]


async def test_a_commit_that_is_never_answered_is_given_up(proxy: SwallowingProxy) -> None:
    """Its connection too: the pool must not hand out one that still waits for an answer."""
    database = Database(proxy.url, pool_size=1, answer_timeout_s=ANSWER_S)
    proxy.cuts = False
    proxy.swallow(r"INSERT INTO task\b")
    try:
        with pytest.raises(StoreUnavailable):
            async with asyncio.timeout(TOLD_S):
                await submit(database)
        async with asyncio.timeout(TOLD_S):
            await submit(database)
    finally:
        await database.close()
    assert 1 == proxy.swallowed


async def submit(database: Database) -> object:
    types = {"x": TaskType(name="x", input_schema={})}
    service = TaskService(SqlTaskStore(database), types, lambda *_: None)
    request = parse_request({"task_type": "x", "input_data": {}})
    return await service.submit(request, tenant_id="default")


async def claim(database: Database) -> object:
    return await SqlWorkerStore(database).claim("nobody", ["default"], 1)


async def append(database: Database) -> object:
    return await SqlWorkerStore(database).append([])


async def upkeep(database: Database) -> object:
    return await SqlUpkeepStore(database).expire(1)


@pytest.mark.parametrize("use", [submit, claim, append, upkeep])
async def test_a_silent_connection_is_given_up(proxy: SwallowingProxy, use: Use) -> None:
    """Half-open connections cost each caller one answer's time; the next call has a new connection."""
    database = Database(proxy.url, pool_size=1, answer_timeout_s=ANSWER_S)
    try:
        await use(database)
        proxy.go_silent()
        started = time.monotonic()
        with pytest.raises(StoreUnavailable):
            async with asyncio.timeout(TOLD_S * 2):
                await use(database)
        assert time.monotonic() - started < TOLD_S
        async with asyncio.timeout(TOLD_S):
            await use(database)
    finally:
        await database.close()
