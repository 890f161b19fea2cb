"""A queue's no-op: its worker drains a backlog, then one task at a time. Run in the queues' environment."""

import asyncio
import os
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final, Protocol

from benchmarks.peers.measured import say
from benchmarks.starts import Starts, starts

#: Rest before each of the tasks that come one at a time. Seconds.
IDLE_S: Final = 0.005

#: A worker that takes longer has lost tasks. Seconds.
TIMEOUT_S: Final = 60.0

#: The first ones find a worker that is still starting.
WARM_UP: Final = 20


class Sender(Protocol):
    """Each message is confirmed by RabbitMQ before its send is over."""

    async def many(self, count: int) -> None: ...

    async def one(self) -> None: ...


async def measure(sender: Sender, worker: Sequence[str], tasks: int, samples: int) -> None:
    """Says tasks a second from the first start to the last, and seconds from a send to its start."""
    with starts() as pipe:
        await sender.many(tasks)
        with _working(worker, pipe):
            began, *_, ended = sorted(await pipe.wait_for(tasks, TIMEOUT_S))
            took = [await _pickup(sender, pipe) for _ in range(samples + WARM_UP)]
    say((tasks - 1) / (ended - began), took[WARM_UP:])


async def _pickup(sender: Sender, pipe: Starts) -> float:
    await asyncio.sleep(IDLE_S)
    pipe.clear()
    called = time.monotonic()
    await sender.one()
    [started] = await pipe.wait_for(1, TIMEOUT_S)
    return started - called


@contextmanager
def _working(command: Sequence[str], pipe: Starts) -> Iterator[None]:
    environment = {**os.environ, **pipe.environment}
    # What it logs goes where our errors go: nowhere, unless we fail.
    with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL) as worker:
        try:
            yield
        finally:
            worker.terminate()
