"""One task at a time on an idle system, as its clients see it."""

import asyncio
import time

import psutil
from benchmarks import reach_steps
from benchmarks.idle import IDLE_S, TIMEOUT_S
from benchmarks.reach_doors import Doors
from benchmarks.rest import Rest
from benchmarks.results import Results
from benchmarks.stream_tasks import written_tasks
from benchmarks.streams import Site, latencies, sse
from benchmarks.systems import Opspawn

FIRST_STEP = "idle: call → first step's code"
EVENT = "idle: commit → SSE client"


async def opspawn(
    system: Opspawn, samples: int, results: Results, of: str = reach_steps.OURS
) -> None:
    """Asked as Restate is: one request, answered when the task is done (`Prefer: wait`)."""
    first, done = [], []
    async with Rest.open(system.api_port) as rest:
        for _ in range(samples):
            await asyncio.sleep(IDLE_S)
            system.starts.clear()
            called = time.monotonic()
            task = await rest.run("five_steps", "reach-idle")
            done.append(time.monotonic() - called)
            assert task["status"] == "completed", task
            [started] = await system.starts.wait_for(1, TIMEOUT_S)
            first.append(started - called)
    results.add_percentiles(FIRST_STEP, of, first)
    results.add_percentiles(reach_steps.DONE, of, done)


async def events(doors: Doors, samples: int, results: Results) -> None:
    """From the moment that a worker's commit has returned.

    This process plays that worker, so no dispatcher may run beside it: it would find that nobody holds the
    worker's lock, and take its task away.
    """
    database_url, rabbitmq_url = doors.database_url, doors.rabbitmq_url
    site = Site(doors.rest, doors.rpc, psutil.Process(), database_url, rabbitmq_url)
    async with written_tasks(database_url, rabbitmq_url) as tasks:
        task = await tasks.start()
        took = await latencies(task, samples, sse(site))
    results.add_percentiles(EVENT, reach_steps.OURS, took)
