"""taskiq over RabbitMQ (taskiq-aio-pika): a task that does nothing. Run in the queues' environment.

`python -m benchmarks.peers.taskiq_noop RABBITMQ_URL TASKS SAMPLES`; taskiq's own command line runs the
worker, with `broker` of this module.
"""

import asyncio
import os
import sys
from typing import Any, Final

from benchmarks.peers.queue_peer import measure
from benchmarks.starts import VARIABLE, Reporter
from taskiq_aio_pika import AioPikaBroker, Queue, QueueType

#: Where the worker finds its RabbitMQ.
URL: Final = "BENCH_RABBITMQ_URL"

#: Tasks of the one worker process at once, and as many messages ahead; sends under way together.
AT_ONCE: Final = 1000
SENDS: Final = 200


class Noop:
    """A durable classic queue, as the others have; aio-pika waits for RabbitMQ's confirms."""

    def __init__(self, url: str) -> None:
        queue = Queue(name="bench-taskiq", type=QueueType.CLASSIC)
        self.broker = AioPikaBroker(url, qos=AT_ONCE).with_queue(queue)
        reporter = Reporter() if VARIABLE in os.environ else None

        async def noop() -> None:
            assert reporter is not None, "tasks run in a worker"
            reporter.started()

        self._task: Any = self.broker.task(task_name="noop")(noop)

    async def many(self, count: int) -> None:
        left = iter(range(count))

        async def some() -> None:
            for _ in left:
                await self._task.kiq()

        await asyncio.gather(*(some() for _ in range(SENDS)))

    async def one(self) -> None:
        await self._task.kiq()


def broker() -> AioPikaBroker:
    """For taskiq's command line."""
    return Noop(os.environ[URL]).broker


async def main(url: str, tasks: int, samples: int) -> None:
    os.environ[URL] = url
    noop = Noop(url)
    await noop.broker.startup()
    worker = [
        *(sys.executable, "-m", "taskiq", "worker", "benchmarks.peers.taskiq_noop:broker"),
        *("--workers", "1", "--max-async-tasks", str(AT_ONCE), "--log-level", "ERROR"),
    ]
    await measure(noop, worker, tasks, samples)
    await noop.broker.shutdown()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], *map(int, sys.argv[2:4])))
