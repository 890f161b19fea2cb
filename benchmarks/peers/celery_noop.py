"""Celery: a task that does nothing. Run in the queues' environment.

`python -m benchmarks.peers.celery_noop RABBITMQ_URL TASKS SAMPLES`; with `worker` in place of the numbers it
is the worker.
"""

import asyncio
import os
import sys
from functools import cache
from typing import Any, Final

from benchmarks.peers.queue_peer import measure
from benchmarks.starts import VARIABLE, Reporter
from celery import Celery

#: Processes of the worker, and how many messages each may have ahead. Without a bound it did most a second:
#: 3,300 beside 2,900 with 128 and 2,800 with its default of 4.
PROCESSES: Final = 2
PREFETCH: Final = 0

WORKER: Final = (
    *("worker", "--pool", "prefork", "--concurrency", str(PROCESSES), "--loglevel", "ERROR"),
    *("--without-gossip", "--without-mingle", "--without-heartbeat"),
)


class Noop:
    """Celery, set up to keep no results and to wait for RabbitMQ's confirms."""

    def __init__(self, url: str) -> None:
        self.app = Celery("bench", broker=url)
        self.app.conf.update(
            broker_transport_options={"confirm_publish": True},
            task_ignore_result=True,
            task_default_queue="bench-celery",
            worker_prefetch_multiplier=PREFETCH,
        )
        self._task: Any = self.app.task(name="noop")(_noop)

    async def many(self, count: int) -> None:
        for _ in range(count):
            self._task.delay()

    async def one(self) -> None:
        self._task.delay()


def _noop() -> None:
    _reporter().started()


@cache
def _reporter() -> Reporter:
    """Of this process: tasks run in processes that were forked, and each opens the pipe once."""
    return Reporter()


def main(url: str, *arguments: str) -> None:
    noop = Noop(url)
    if arguments == ("worker",):
        assert VARIABLE in os.environ, "the worker reports its starts"
        noop.app.worker_main(list(WORKER))
        return
    worker = [sys.executable, "-m", "benchmarks.peers.celery_noop", url, "worker"]
    asyncio.run(measure(noop, worker, *map(int, arguments)))


if __name__ == "__main__":
    main(*sys.argv[1:])
