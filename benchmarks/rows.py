"""A claim beside rows that wait and rows that are finished, and in an empty store, by turns on one server.

`python benchmarks/rows.py [WAITING] [FINISHED]`: a million and five million unless given, which take
some minutes to make. Prints tables, writes JSON.
"""

import argparse
import asyncio
import sys
import time
from pathlib import Path
from typing import Final
from uuid import uuid4

ROOT = Path(__file__).resolve().parents[1]
# Last, so that an installed package is never hidden by a folder of its name.
sys.path += [str(ROOT), str(ROOT / "tests")]

import psutil  # noqa: E402  # needs the path
from benchmarks.report import Report, say  # noqa: E402
from benchmarks.results import Results  # noqa: E402
from benchmarks.targets import Target  # noqa: E402
from sqlalchemy import text  # noqa: E402

from ops_core.store import Database, SqlWorkerStore  # noqa: E402
from support.databases import Databases  # noqa: E402
from support.local_servers import local_postgres  # noqa: E402

CLAIM, NOTHING = "claim of one task", "claim that finds nothing due"
EMPTY, FULL = "empty store", "waiting and finished rows"

TARGETS: Final = (
    *(
        Target(
            f"{what}, p99 ÷ empty store", "≤", 2, (f"{what}, p99", FULL), (f"{what}, p99", EMPTY)
        )
        for what in (CLAIM, NOTHING)
    ),
)

#: A half of those that wait sleeps in `waiting`, the other one is delayed in `pending`.
WAITING: Final = ("waiting", "pending")

#: How much what loads rows gives way to others on the machine.
NICE: Final = 5

#: Rows of one INSERT.
_BATCH: Final = 100_000

# Rows as the moves of a task leave them; what waits, waits for a year.
_ROWS: Final = text(
    """
    INSERT INTO task (tenant_id, task_id, task_type, queue, agent, input_data, status, reason, retry_policy,
                      request_hash, created_at, updated_at, runnable_at, ring_at, wait_until, waiting_for,
                      last_seq, started_at, completed_at, result)
    SELECT 'default', 'task_' || md5(kind || n), 'steps', 'default', 'default', '{"n": 1}', kind,
           CASE kind WHEN 'waiting' THEN 'timer' WHEN 'pending' THEN 'delayed' END, '{}', '',
           now() - n * interval '1 ms', now(),
           CASE WHEN kind = 'pending' THEN later ELSE now() END,
           CASE WHEN kind = 'pending' THEN later END,
           CASE WHEN kind = 'waiting' THEN later END,
           CASE WHEN kind = 'waiting' THEN '[]'::jsonb END,
           1,
           CASE WHEN kind <> 'pending' THEN now() END,
           CASE WHEN kind = 'completed' THEN now() END,
           CASE WHEN kind = 'completed' THEN '{}'::jsonb END
    FROM (SELECT CAST(:kind AS text) AS kind, n, now() + interval '1 year' + n * interval '1 ms' AS later
          FROM generate_series(CAST(:first AS int), CAST(:last AS int)) AS n) AS numbered
    """
)
_DUE: Final = text(
    """
    INSERT INTO task (tenant_id, task_id, task_type, queue, agent, input_data, status, reason, retry_policy,
                      request_hash, created_at, updated_at, runnable_at, ring_at, last_seq)
    VALUES ('default', 'task_' || md5(:name), 'steps', 'default', 'default', '{}', 'pending', 'queued', '{}',
            '', now(), now(), now(), now(), 1)
    """
)


async def measure(databases: Databases, waiting: int, finished: int, results: Results) -> None:
    """Both stores on one server, by turns."""
    empty, full = databases.create(), databases.create()
    await fill(full, waiting, finished)
    for url in (empty, full):
        await warm_up(url)
    for _ in range(3):
        await claims(empty, EMPTY, results)
        await claims(full, FULL, results)
    databases.drop(empty)
    databases.drop(full)


async def fill(url: str, waiting: int, finished: int) -> None:
    """So many rows that wait and that are finished, at a low priority."""
    database = Database(url)
    rows = [*((kind, waiting // len(WAITING)) for kind in WAITING), ("completed", finished)]
    for kind, count in rows:
        for first in range(1, count + 1, _BATCH):
            last = min(first + _BATCH - 1, count)
            async with database.begin() as connection:
                await connection.execute(text("SET LOCAL statement_timeout = 0"))
                loader = psutil.Process(await connection.scalar(text("SELECT pg_backend_pid()")))
                loader.nice(NICE)
                await connection.execute(_ROWS, {"kind": kind, "first": first, "last": last})
    await database.close()


async def warm_up(url: str) -> None:
    """Some claims, then a look at what is stored, as the dispatcher takes one of young tables.

    The plan for a table that was never looked at is another one: neither store may be slow for that.
    """
    await claims(url, EMPTY, Results())
    database = Database(url)
    async with database.engine.connect() as connection:
        await connection.execution_options(isolation_level="AUTOCOMMIT")
        await connection.execute(text("SET statement_timeout = 0"))
        await connection.execute(text("VACUUM ANALYZE"))
    await database.close()


async def claims(url: str, system: str, results: Results) -> None:
    database = Database(url)
    workers, name = SqlWorkerStore(database), uuid4().hex
    await workers.beat(name, ["default"], slots=1000, running=0)
    found, nothing = list[float](), list[float]()
    for number in range(300):
        async with database.begin() as connection:
            await connection.execute(_DUE, {"name": f"{name}{number}"})
        for took, due in ((found, 1), (nothing, 0)):
            began = time.perf_counter()
            claimed = await workers.claim(name, ["default"], 1)
            took.append(time.perf_counter() - began)
            assert due == len(claimed), "a claim found another number of tasks than were due"
    results.add_percentiles(CLAIM, system, found)
    results.add_percentiles(NOTHING, system, nothing)
    await database.close()


def main() -> int:
    parser = argparse.ArgumentParser(prog="benchmarks/rows.py", description=__doc__)
    parser.add_argument("waiting", type=int, nargs="?", default=1_000_000)
    parser.add_argument("finished", type=int, nargs="?", default=5_000_000)
    options = parser.parse_args()
    report = Report("rows", options, TARGETS)
    with local_postgres(say) as server:
        databases = Databases(server.url)
        asyncio.run(measure(databases, options.waiting, options.finished, report.results))
        databases.close()
    return report.end()


if __name__ == "__main__":
    sys.exit(main())
