"""A worker's lock: PostgreSQL frees it within milliseconds when the worker's process dies.

A free lock alone proves nothing (a connection can break while the worker lives); it only makes upkeep less
patient with that worker's heartbeat.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

import asyncpg
import structlog
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool

from ops_core.errors import StoreUnavailable
from ops_core.store.database import CONNECT_TIMEOUT_S, SESSION_LIMITS, translated

log = structlog.get_logger(__name__)

#: How long a starting worker waits for its lock. Seconds.
FIRST_S: Final = 10.0

#: Rest before connecting again. Seconds; well inside the patience that a free lock leaves.
RECONNECT_S: Final = 0.1

# Waits for an earlier session of this worker that the server has not noticed to be gone.
_LOCK: Final = text("SELECT pg_advisory_lock(hashtextextended(:worker_id, 0))")


class Presence:
    """Holds the lock over a connection of its own.

    `url` must lead to the server itself: behind a transaction pooler a session lock means nothing. Every
    `ask_s` seconds the server is asked for a sign of life, which it must give within `answer_s`.
    """

    def __init__(self, url: str, *, ask_s: float = 5.0, answer_s: float = 5.0) -> None:
        self._ask_s = ask_s
        self._answer_s = answer_s
        self._engine: AsyncEngine = create_async_engine(
            url,
            poolclass=NullPool,
            connect_args={"timeout": CONNECT_TIMEOUT_S, "server_settings": SESSION_LIMITS},
        )

    @asynccontextmanager
    async def held(self, worker_id: str) -> AsyncIterator[None]:
        """Holds the lock of `worker_id` inside the block, taking it again whenever its connection breaks.

        Raises `StoreUnavailable` when it cannot be taken at first.
        """
        taken = asyncio.Event()
        holding = asyncio.create_task(self._hold(worker_id, taken))
        try:
            await _first(taken)
            yield
        finally:
            holding.cancel()
            await asyncio.gather(holding, return_exceptions=True)

    async def _hold(self, worker_id: str, taken: asyncio.Event) -> None:
        while True:
            try:
                await self._hold_once(worker_id, taken)
            except StoreUnavailable as error:
                log.warning("presence lost, connecting again", error=str(error))
            # Without this task the worker would live on and be taken for dead at its first pause.
            except Exception:
                log.exception("presence lost, connecting again")
            await asyncio.sleep(RECONNECT_S)

    async def _hold_once(self, worker_id: str, taken: asyncio.Event) -> None:
        """Returns when the connection has ended."""
        async with translated(), self._engine.connect() as connection:
            # Autocommit: a transaction that stays open would be ended by its own time limit.
            await connection.execution_options(isolation_level="AUTOCOMMIT")
            await connection.execute(_LOCK, {"worker_id": worker_id})
            taken.set()
            driver = (await connection.get_raw_connection()).driver_connection
            assert isinstance(driver, asyncpg.Connection)
            try:
                await self._ended(driver)
            finally:
                await connection.invalidate()

    async def _ended(self, driver: "asyncpg.Connection[Any]") -> None:
        """Returns when the connection has ended. Raises `TimeoutError` when nobody answers any more."""
        ended = asyncio.Event()
        driver.add_termination_listener(lambda _: ended.set())
        while not driver.is_closed():
            try:
                async with asyncio.timeout(self._ask_s):
                    await ended.wait()
            except TimeoutError:
                # A host that died closes nothing: only asking shows it.
                await driver.fetchval("SELECT 1", timeout=self._answer_s)


async def _first(taken: asyncio.Event) -> None:
    try:
        async with asyncio.timeout(FIRST_S):
            await taken.wait()
    except TimeoutError:
        raise StoreUnavailable("the worker's advisory lock could not be taken") from None
