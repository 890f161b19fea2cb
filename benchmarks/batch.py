"""A batch of five-step tasks through one Opspawn: how many a second, and what each costs in CPU."""

import asyncio
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from uuid import uuid4

import asyncpg
from benchmarks.completed import TasksLost
from benchmarks.flood import TIMEOUT_S, flood, request
from benchmarks.reach_steps import IN_FLIGHT
from benchmarks.site import Site

#: How often the database is asked for the last tasks. Seconds.
_ASK_S: Final = 0.05

# However many rows there are besides. Index: task_for_list_by_status.
_COMPLETED: Final = """
    SELECT count(*) AS tasks, extract(epoch FROM max(completed_at))::float8 AS last_at FROM task
    WHERE tenant_id = 'default' AND status = 'completed' AND created_at >= $1
"""


@dataclass(frozen=True, slots=True)
class Batch:
    """`began`: no task of it is older; `cpu_ms`: of one task, by process."""

    began: datetime
    tasks_per_s: float
    cpu_ms: dict[str, float]


async def batch(site: Site, tasks: int) -> Batch:
    """Over REST: from the first request to the last task's `completed_at`. Raises `TasksLost`."""
    key = f"soak-{uuid4().hex[:8]}"
    body = {"task_type": "five_steps", "input_data": {}}
    requests = [
        request("/api/v1/tasks/", body, [f"Idempotency-Key: {key}-{number}"])
        for number in range(tasks)
    ]
    site.opspawn.starts.clear()  # a pipe that is full would stop the worker
    before, began = site.cpu(), datetime.now(UTC)  # the database's clock is this machine's
    await flood(site.opspawn.api_port, requests, IN_FLIGHT)
    last_at = await all_completed(site, began, tasks)
    return Batch(began, tasks / (last_at - began.timestamp()), spent_ms(site, before, tasks))


async def all_completed(site: Site, since: datetime, tasks: int) -> float:
    """The last `completed_at`, in seconds since the epoch."""
    deadline = time.monotonic() + TIMEOUT_S
    connection = await asyncpg.connect(site.opspawn.database_url, timeout=30)
    try:
        while True:
            [found] = await connection.fetch(_COMPLETED, since)
            if found["tasks"] >= tasks:
                return float(found["last_at"])
            if time.monotonic() > deadline:
                raise TasksLost(f"{found['tasks']} of {tasks} tasks were completed")
            await asyncio.sleep(_ASK_S)
    finally:
        await connection.close()


def spent_ms(site: Site, before: dict[str, float], tasks: int) -> dict[str, float]:
    """Milliseconds of CPU a task since `before`, by process."""
    return {
        kind: (seconds - before.get(kind, 0.0)) * 1000 / tasks
        for kind, seconds in site.cpu().items()
    }
