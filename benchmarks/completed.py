"""When the last task of a run was completed, as the database knows it."""

import asyncio
from typing import Final

import asyncpg
from benchmarks.systems import Opspawn

#: The tasks of a run that takes longer are lost. Seconds.
TIMEOUT_S: Final = 120.0

#: How often the database is asked for the last stragglers. Seconds.
ASK_S: Final = 0.02

_UNFINISHED: Final = (
    "SELECT count(*) FROM task WHERE name = $1 AND status IN ('pending', 'running', 'waiting')"
)
_OUTCOME: Final = """
    SELECT count(*) FILTER (WHERE status = 'completed') AS completed,
           extract(epoch FROM max(completed_at))::float8 AS last_at
    FROM task WHERE name = $1
"""


class TasksLost(Exception):
    """A run did not complete all of its tasks: its numbers would be worthless."""


async def all_completed(system: Opspawn, name: str, tasks: int) -> float:
    """The last `completed_at`, in seconds since the epoch. Raises `TasksLost`, `TimeoutError`."""
    connection = await asyncpg.connect(system.database_url, timeout=30)
    try:
        async with asyncio.timeout(TIMEOUT_S):
            while await connection.fetchval(_UNFINISHED, name):
                await asyncio.sleep(ASK_S)
        outcome = await connection.fetchrow(_OUTCOME, name)
    finally:
        await connection.close()
    assert outcome is not None, "an aggregate has one row"
    if outcome["completed"] != tasks:
        raise TasksLost(f"{system.name}: {outcome['completed']} of {tasks} tasks were completed")
    return float(outcome["last_at"])
