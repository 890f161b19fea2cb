"""Makes many finished tasks out of one, with its whole log; and deletes what came after some moment."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Final

import asyncpg
import psutil
from benchmarks.rows import NICE

#: Tasks of one transaction.
_BATCH: Final = 25_000

#: What differs between a copy and the original; `n` numbers the copies, each older than the one before.
_OTHERWISE: Final = {
    "task_id": "'task_' || md5('copy ' || n)",
    "idempotency_key": "idempotency_key || '-' || n",
    "created_at": "created_at - n * interval '10 ms'",
    "updated_at": "updated_at - n * interval '10 ms'",
    "started_at": "started_at - n * interval '10 ms'",
    "completed_at": "completed_at - n * interval '10 ms'",
    "at": "at - n * interval '10 ms'",
}

_COLUMNS: Final = """
    SELECT column_name FROM information_schema.columns
    WHERE table_schema = 'public' AND table_name = $1 AND is_generated = 'NEVER'
    ORDER BY ordinal_position
"""
_NEWEST: Final = "SELECT max(task_id) FROM task WHERE status = 'completed'"
_STORED: Final = "SELECT count(*) FROM task"

# Index: task_for_list, and the primary key of events.
_DELETE_EVENTS: Final = """
    DELETE FROM event e USING task t
    WHERE t.tenant_id = 'default' AND t.created_at >= $1
      AND e.tenant_id = t.tenant_id AND e.task_id = t.task_id
"""
_DELETE_TASKS: Final = "DELETE FROM task WHERE tenant_id = 'default' AND created_at >= $1"


async def multiply(url: str, stored: int, say: Callable[[str], None]) -> None:
    """Copies one of the completed tasks until so many are stored; there must be one."""
    async with _loader(url) as connection:
        original = await connection.fetchval(_NEWEST)
        missing = stored - await connection.fetchval(_STORED)
        inserts = [await _insert(connection, table) for table in ("task", "event")]
        for first in range(1, missing + 1, _BATCH):
            last = min(first + _BATCH - 1, missing)
            async with connection.transaction():
                for insert in inserts:
                    await connection.execute(insert, first, last, original)
            if last % 200_000 == 0:
                say(f"{last:,} of {missing:,} finished tasks are stored")
        await _tidy(connection)


async def delete_since(url: str, moment: datetime) -> None:
    """The tasks from then on, and their logs."""
    async with _loader(url) as connection:
        await connection.execute(_DELETE_EVENTS, moment)
        await connection.execute(_DELETE_TASKS, moment)
        await _tidy(connection)


async def _insert(connection: "asyncpg.Connection[asyncpg.Record]", table: str) -> str:
    """INSERT of the copies from $1 to $2 of the rows of task $3."""
    columns = [row["column_name"] for row in await connection.fetch(_COLUMNS, table)]
    values = [_OTHERWISE.get(column, column) for column in columns]
    # Names of ours and of PostgreSQL's catalogue alone, which no parameter can carry.
    return (
        f"INSERT INTO {table} ({', '.join(columns)}) SELECT {', '.join(values)} "  # noqa: S608
        f"FROM {table} CROSS JOIN generate_series($1::int, $2::int) AS n WHERE task_id = $3"
    )


async def _tidy(connection: "asyncpg.Connection[asyncpg.Record]") -> None:
    """As autovacuum would in a while, so that it does not come while something is measured."""
    for table in ("task", "event"):
        await connection.execute(f"VACUUM (ANALYZE) {table}")
    await connection.execute("CHECKPOINT")


@asynccontextmanager
async def _loader(url: str) -> "AsyncIterator[asyncpg.Connection[asyncpg.Record]]":
    """A session without limits that leaves the machine to others."""
    connection = await asyncpg.connect(url, timeout=30)
    try:
        await connection.execute("SET statement_timeout = 0")
        psutil.Process(await connection.fetchval("SELECT pg_backend_pid()")).nice(NICE)
        yield connection
    finally:
        await connection.close()
