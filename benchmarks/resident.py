"""What a worker process holds once it has run some tasks and is idle again."""

import asyncio
import time
from typing import Final

import psutil
from benchmarks.processes import python_process
from benchmarks.starts import Starts
from benchmarks.systems import PROGRAM, settings
from benchmarks.waiting_tasks import due

from ops_core.store import Database
from support.server_process import free_port

#: What the last task has left to do is done. Seconds.
IDLE_S: Final = 5.0

#: The tasks of a worker that takes longer are lost. Seconds.
TIMEOUT_S: Final = 60.0


def resident_mb(url: str, rabbitmq_url: str, starts: Starts, tasks: int) -> float:
    """Of a new `opspawn worker` on that store, which runs so many tasks of five steps first."""
    asyncio.run(_due(url, tasks))
    starts.clear()
    environment = {
        **settings(free_port(), free_port()),
        **starts.environment,
        "DATABASE_URL": url,
        "RABBITMQ_URL": rabbitmq_url,
    }
    with python_process([*PROGRAM, "worker"], environment) as worker:
        asyncio.run(starts.wait_for(tasks, TIMEOUT_S))
        time.sleep(IDLE_S)
        process = psutil.Process(worker.pid)
        tree = (process, *process.children(recursive=True))
        return sum(each.memory_info().rss for each in tree) / 1e6


async def _due(url: str, tasks: int) -> None:
    database = Database(url)
    await due(database, "five_steps", tasks)
    await database.close()
