"""Keeps the pool of a process that has grown quiet small."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from ops_core.store.database import Database

#: A connection that was not needed for so long is closed, at most as long again later. To open another one
#: takes some milliseconds; a session of PostgreSQL that does nothing holds up to ten megabytes. Seconds.
EVERY_S: Final = 10.0


@asynccontextmanager
async def kept_small(database: Database, every_s: float = EVERY_S) -> AsyncIterator[Database]:
    """Inside the block, connections that are not needed any more are closed; after it, all are."""
    over = asyncio.Event()
    looking = asyncio.create_task(_look(database, over, every_s))
    try:
        yield database
    finally:
        over.set()  # not cancelled: what it closes it closes to the end
        await asyncio.gather(looking, return_exceptions=True)
        await database.close()


async def _look(database: Database, over: asyncio.Event, every_s: float) -> None:
    while not over.is_set():
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(every_s):
                await over.wait()
                return
        await database.shrink()
