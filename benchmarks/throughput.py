"""Many tasks at once: submitted over REST with a bounded number in flight, until the last is completed."""

import asyncio
import itertools
import time
from dataclasses import dataclass
from uuid import uuid4

import asyncpg
from benchmarks import names
from benchmarks.rest import NotNow, Rest
from benchmarks.results import Results
from benchmarks.systems import Opspawn

#: Requests in flight, each on a connection of its own.
IN_FLIGHT = 32

#: The tasks of a run that takes longer are lost. Seconds.
TIMEOUT_S = 120.0

#: Rest before a submission that was answered with 503 is sent again. Seconds.
AGAIN_S = 0.1

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


@dataclass(frozen=True, slots=True)
class Run:
    """Seconds from the first request to the last task's `completed_at`, and to the last 201."""

    done_s: float
    accepted_s: float
    refused: int
    """Submissions that were answered with 503 and sent again."""


async def measure(system: Opspawn, tasks: int, results: Results) -> None:
    """One round of no-op tasks and one of five-step tasks."""
    noop = await end_to_end(system, "noop", tasks)
    results.add(names.NOOP, system.name, "tasks/s", tasks / noop.done_s)
    results.add(names.ACCEPTED, system.name, "tasks/s", tasks / noop.accepted_s)
    steps = await end_to_end(system, "five_steps", tasks)
    results.add(names.STEPS, system.name, "tasks/s", tasks / steps.done_s)
    results.add(names.REFUSED, system.name, "requests", noop.refused + steps.refused)


async def end_to_end(system: Opspawn, task_type: str, tasks: int) -> Run:
    name = f"{task_type}-{uuid4().hex[:8]}"
    system.starts.clear()
    # The database's clock is this machine's: both ends of the measurement are on one clock.
    began = time.time()
    async with asyncio.TaskGroup() as group:
        group.create_task(_all_started(system, tasks))
        submitting = group.create_task(_submit_all(system, task_type, name, tasks))
    accepted_at, refused = submitting.result()
    last_at = await all_completed(system, name, tasks)
    return Run(last_at - began, accepted_at - began, refused)


async def _all_started(system: Opspawn, tasks: int) -> None:
    await system.starts.wait_for(tasks, TIMEOUT_S)


async def _submit_all(system: Opspawn, task_type: str, name: str, tasks: int) -> tuple[float, int]:
    """When the last one was accepted, and how many answers were 503."""
    numbers = iter(range(tasks))
    refused = 0

    async def client() -> None:
        nonlocal refused
        async with Rest.open(system.api_port) as rest:
            for number in numbers:
                refused += await _submit(rest, task_type, name, f"{name}-{number}")

    async with asyncio.TaskGroup() as group:
        for _ in range(min(IN_FLIGHT, tasks)):
            group.create_task(client())
    return time.time(), refused


async def _submit(rest: Rest, task_type: str, name: str, key: str) -> int:
    """Sends until it is accepted, as clients should; how many answers were 503."""
    for refused in itertools.count():
        try:
            await rest.submit(task_type, name, key=key)
        except NotNow:
            await asyncio.sleep(AGAIN_S)
        else:
            return refused
    raise AssertionError("count() does not end")


async def all_completed(system: Opspawn, name: str, tasks: int) -> float:
    """The last `completed_at`, in seconds since the epoch."""
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
