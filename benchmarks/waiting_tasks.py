"""Tasks that stand in the store when a worker begins, and a handler of them that sleeps in durable steps."""

import asyncio
from typing import Final
from uuid import uuid4

from sqlalchemy import text

from ops_core.journal import Journal
from ops_core.ports import TaskLog
from ops_core.step import Step
from ops_core.store import Database
from ops_core.task import JsonObject, Task

STEPS: Final = 5
SLEEP_S: Final = 0.2

#: So many tasks of a type, due now, each with its first event, as a submit leaves them.
_DUE: Final = text(
    """
    WITH stored AS (
        INSERT INTO task (tenant_id, task_id, task_type, queue, agent, input_data, status, reason,
                          retry_policy, request_hash, created_at, updated_at, runnable_at, ring_at, last_seq)
        SELECT 'default', 'task_' || md5(:run || n), :type, 'default', 'default',
               jsonb_build_object('goal', 'What is 17 * 23? ' || n), 'pending', 'queued',
               '{}', '', now(), now(), now(), now(), 1
        FROM generate_series(1, :tasks) AS n
        RETURNING tenant_id, task_id
    )
    INSERT INTO event (tenant_id, task_id, seq, type, data, at)
    SELECT tenant_id, task_id, 1, 'task.submitted', '{}', now() FROM stored
    """
)
# Index: task_for_list_by_status, so that it may be asked again and again.
_LEFT: Final = text(
    """
    SELECT count(*) FROM task
    WHERE tenant_id = 'default' AND status IN ('pending', 'running') AND runnable_at <= now()
    """
)
_FAILED: Final = text(
    "SELECT count(*) FROM task WHERE tenant_id = 'default' AND status <> 'completed'"
)


class SleepingSteps:
    """Five steps of 0.2 s, each on disk before the next begins."""

    async def run(self, task: Task, log: TaskLog) -> JsonObject:
        journal = Journal(task, log)
        for number in range(1, STEPS + 1):
            await journal.record(Step(f"{number}/tool/1", "tool", "sleep", None, "pure"), _sleep)
        return {}


async def _sleep() -> str:
    await asyncio.sleep(SLEEP_S)
    return "done"


async def due(database: Database, kind: str, tasks: int) -> None:
    """Stores so many tasks of that type."""
    async with database.begin() as connection:
        await connection.execute(text("SET LOCAL statement_timeout = 0"))
        await connection.execute(_DUE, {"type": kind, "tasks": tasks, "run": uuid4().hex})


async def stored(database: Database, kind: str, tasks: int) -> None:
    """The same, and looks at all that is stored, as autovacuum would."""
    await due(database, kind, tasks)
    async with database.engine.connect() as connection:
        await connection.execution_options(isolation_level="AUTOCOMMIT")
        await connection.execute(text("VACUUM ANALYZE"))


async def all_ended(database: Database, every_s: float = 0.02, *, but: int = 0) -> None:
    """Returns when all that was due has ended, but so many. Raises `AssertionError` when one has failed."""
    while True:
        async with database.begin() as connection:
            if await connection.scalar(_LEFT) == but:
                break
        await asyncio.sleep(every_s)
    async with database.begin() as connection:
        failed = await connection.scalar(_FAILED) - but
    assert not failed, f"{failed} tasks have not completed"
