"""What a claim costs in front of a backlog: `python benchmarks/claims.py [ROWS]` (a million unless given).

One tenant has all the pending rows, others five each. Prints the median and the worst of many calls.
"""

import asyncio
import statistics
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from sqlalchemy import text

from ops_core.store import Database, SqlTaskStore, SqlWorkerStore
from ops_core.task import NewTask, new_task_id
from support.databases import Databases
from support.local_servers import local_postgres

_BACKLOG: Final = text(
    """
    INSERT INTO task (tenant_id, task_id, task_type, queue, agent, input_data, status, reason,
                      retry_policy, request_hash, created_at, updated_at, runnable_at, ring_at)
    SELECT :tenant, 'task_' || md5(:tenant || n), 'x', 'q', 'default', '{}', 'pending', 'queued', '{}', '',
           now(), now(), now() - n * interval '1 ms', now()
    FROM generate_series(1, :rows) AS n
    """
)


async def measure(url: str, rows: int) -> None:
    database = Database(url)
    workers, tasks = SqlWorkerStore(database), SqlTaskStore(database)
    await workers.beat("w", ["q"], slots=1000, running=0)

    async def backlog(tenant: str, count: int) -> None:
        async with database.begin() as connection:
            await connection.execute(text("SET LOCAL statement_timeout = 0"))
            await connection.execute(_BACKLOG, {"tenant": tenant, "rows": count})

    async def submit() -> None:
        await tasks.submit(
            NewTask(
                task_id=new_task_id(), tenant_id="t", task_type="x", input_data={}, queue="other"
            )
        )

    await say("submit, empty", submit, 300)
    await backlog("busy", rows)
    async with database.engine.connect() as connection:
        await connection.execution_options(isolation_level="AUTOCOMMIT")
        await connection.execute(text("VACUUM ANALYZE task"))
    await say("submit, beside the backlog", submit, 300)
    for tenants in (1, 2, 100, 1000):
        for number in range(2, tenants + 1):
            await backlog(f"tenant-{tenants}-{number:04}", 5)
        await say(f"claim 1, {tenants} tenants", lambda: workers.claim("w", ["q"], 1), 50)
        await say(f"claim 100, {tenants} tenants", lambda: workers.claim("w", ["q"], 100), 20)
    await database.close()


async def say(what: str, call: Callable[[], Awaitable[object]], times: int) -> None:
    spent = []
    for _ in range(times):
        began = time.perf_counter()
        await call()
        spent.append((time.perf_counter() - began) * 1000)
    print(f"{what:32} {statistics.median(spent):8.2f} ms  worst {max(spent):8.2f} ms", flush=True)


def main() -> None:
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    with local_postgres(lambda line: print(line, flush=True)) as server:
        databases = Databases(server.url)
        url = databases.create()
        asyncio.run(measure(url, rows))
        databases.drop(url)
        databases.close()


if __name__ == "__main__":
    main()
