"""What a task costs the worker and PostgreSQL: `python benchmarks/worker_alone.py [TASKS] [STEPS] [SLOTS]`.

So many tasks stand in the store when the worker begins, so that no door, no broker and no client takes part.
Says how many a second it ends, and the milliseconds of CPU that each costs this process and the server's.
"""

import asyncio
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from sqlalchemy import text

from ops_core.log import EventType, NewEvent
from ops_core.ports import TaskLog
from ops_core.queue.bell import DramatiqBell
from ops_core.queue.broker import in_process_broker
from ops_core.queue.worker import Worker
from ops_core.store import Database, SqlWorkerStore
from ops_core.task import JsonObject, Task
from support.databases import Databases
from support.local_servers import local_postgres

WAITING: Final = text(
    """
    WITH stored AS (
        INSERT INTO task (tenant_id, task_id, task_type, queue, agent, input_data, status, reason,
                          retry_policy, request_hash, created_at, updated_at, runnable_at, ring_at, last_seq)
        SELECT 'default', 'task_' || md5(:run || n), 'steps', 'default', 'default', '{}', 'pending', 'queued',
               '{}', '', now(), now(), now(), now(), 1
        FROM generate_series(1, :tasks) AS n
        RETURNING tenant_id, task_id
    )
    INSERT INTO event (tenant_id, task_id, seq, type, data, at)
    SELECT tenant_id, task_id, 1, 'task.submitted', '{}', now() FROM stored
    """
)
_DONE: Final = text("SELECT count(*) FROM task WHERE status = 'completed'")
_STEPS: Final = text("SELECT count(*) FROM event WHERE type = 'tool.completed'")


class Steps:
    """A handler of so many steps, each on disk before the next; says when the last task has returned."""

    def __init__(self, steps: int, tasks: int) -> None:
        self._steps = steps
        self.left = tasks

    async def run(self, task: Task, log: TaskLog) -> JsonObject:
        for step in range(self._steps):
            event = NewEvent(
                type=EventType.TOOL_COMPLETED, data={"step": step}, journal={"value": None}
            )
            await log.append(event)
        self.left -= 1
        return {}


async def measure(url: str, server: int, tasks: int, steps: int, slots: int, run: str) -> None:
    database = Database(url)
    handler = Steps(steps, tasks)
    broker = in_process_broker()
    store = SqlWorkerStore(database)
    worker = Worker(store, broker, DramatiqBell(broker), {"steps": handler}, slots=slots)
    async with database.begin() as connection:
        before = await connection.scalar(_DONE) or 0
        await connection.execute(WAITING, {"tasks": tasks, "run": run})
    async with database.engine.connect() as connection:
        await connection.execution_options(isolation_level="AUTOCOMMIT")
        await connection.execute(text("VACUUM ANALYZE"))
    stop = asyncio.Event()
    own, theirs, began = time.process_time(), server_seconds(server), time.perf_counter()
    running = asyncio.create_task(worker.run(stop))
    while handler.left:
        await asyncio.sleep(0.005)
    while True:
        async with database.begin() as connection:
            if await connection.scalar(_DONE) == before + tasks:
                break
        await asyncio.sleep(0.01)
    took = time.perf_counter() - began
    own_ms = (time.process_time() - own) * 1000 / tasks
    server_ms = (server_seconds(server) - theirs) * 1000 / tasks
    print(
        f"{tasks} tasks of {steps} steps, {slots} slots: {tasks / took:7.0f} tasks/s; CPU a task: "
        f"worker {own_ms:.3f} ms, PostgreSQL {server_ms:.3f} ms",
        flush=True,
    )
    stop.set()
    await running
    await database.close()


def server_seconds(postmaster: int) -> float:
    """CPU of a PostgreSQL and its children, those that have ended among them."""
    ticks = 0
    for pid, parent, times in _processes():
        if postmaster in {pid, parent}:
            ticks += sum(times[:2] if pid != postmaster else times)
    return ticks / os.sysconf("SC_CLK_TCK")


def _processes() -> Iterator[tuple[int, int, list[int]]]:
    """Every process: its id, its parent's, and its times: user, system, and the same of its dead children."""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            line = (folder / "stat").read_text()
        except OSError:
            continue
        parts = line.rpartition(") ")[2].split()
        yield int(folder.name), int(parts[1]), [int(part) for part in parts[11:15]]


def main() -> None:
    counts = [int(word) for word in sys.argv[1:]]
    tasks, steps, slots = [*counts, *(4000, 5, 100)[len(counts) :]]
    with local_postgres(lambda line: print(line, flush=True)) as server:
        databases = Databases(server.url)
        url = databases.create()
        for number in range(3):
            asyncio.run(measure(url, server.pid, tasks, steps, slots, f"run{number}"))
        databases.drop(url)
        databases.close()


if __name__ == "__main__":
    main()
