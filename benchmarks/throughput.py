"""Many tasks at once: submitted over REST with a bounded number in flight, until the last is completed."""

import asyncio
import time
from uuid import uuid4

import asyncpg
from benchmarks import names
from benchmarks.rest import Rest
from benchmarks.results import Results
from benchmarks.systems import Opspawn

#: Requests in flight, each on a connection of its own.
IN_FLIGHT = 32

#: The tasks of a run that takes longer are lost. Seconds.
TIMEOUT_S = 120.0

#: How often the database is asked for the last stragglers, once all tasks have started. Seconds.
ASK_S = 0.02

_UNFINISHED = (
    "SELECT count(*) FROM task WHERE name = $1 AND status IN ('pending', 'running', 'waiting')"
)
_OUTCOME = """
    SELECT count(*) FILTER (WHERE status = 'completed') AS completed,
           extract(epoch FROM max(completed_at))::float8 AS last_at
    FROM task WHERE name = $1
"""


class TasksLost(Exception):
    """A run did not complete all of its tasks: its numbers would be worthless."""


async def measure(system: Opspawn, tasks: int, results: Results) -> None:
    """One round of no-op tasks and one of five-step tasks."""
    done_s, accepted_s = await end_to_end(system, "noop", tasks)
    results.add(names.NOOP, system.name, "tasks/s", tasks / done_s)
    results.add(names.ACCEPTED, system.name, "tasks/s", tasks / accepted_s)
    done_s, _ = await end_to_end(system, "five_steps", tasks)
    results.add(names.STEPS, system.name, "tasks/s", tasks / done_s)


async def end_to_end(system: Opspawn, task_type: str, tasks: int) -> tuple[float, float]:
    """Seconds from the first request to the last task's `completed_at`, and to the last 201."""
    run = f"{task_type}-{uuid4().hex[:8]}"
    system.starts.clear()
    # The database's clock is this machine's: both ends of the measurement are on one clock.
    began = time.time()
    async with asyncio.TaskGroup() as group:
        group.create_task(_all_started(system, tasks))
        accepted = group.create_task(_submit_all(system, task_type, run, tasks))
    last_at = await _all_completed(system, run, tasks)
    return last_at - began, accepted.result() - began


async def _all_started(system: Opspawn, tasks: int) -> None:
    await system.starts.wait_for(tasks, TIMEOUT_S)


async def _submit_all(system: Opspawn, task_type: str, run: str, tasks: int) -> float:
    """When the last one was accepted."""
    numbers = iter(range(tasks))

    async def client() -> None:
        async with Rest.open(system.api_port) as rest:
            for _ in numbers:
                await rest.submit(task_type, run)

    async with asyncio.TaskGroup() as group:
        for _ in range(min(IN_FLIGHT, tasks)):
            group.create_task(client())
    return time.time()


async def _all_completed(system: Opspawn, run: str, tasks: int) -> float:
    """The last `completed_at`, in seconds since the epoch."""
    connection = await asyncpg.connect(system.database_url, timeout=30)
    try:
        async with asyncio.timeout(TIMEOUT_S):
            while await connection.fetchval(_UNFINISHED, run):
                await asyncio.sleep(ASK_S)
        outcome = await connection.fetchrow(_OUTCOME, run)
    finally:
        await connection.close()
    assert outcome is not None, "an aggregate has one row"
    if outcome["completed"] != tasks:
        raise TasksLost(f"{system.name}: {outcome['completed']} of {tasks} tasks were completed")
    return float(outcome["last_at"])
