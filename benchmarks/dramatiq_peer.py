"""Plain Dramatiq on the same RabbitMQ in the same run: what a ring without a store costs."""

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager

from benchmarks.dramatiq_worker import QUEUE, VARIABLE, noop_actor, plain_broker
from benchmarks.idle import IDLE_S
from benchmarks.processes import ROOT, python_process
from benchmarks.starts import Starts
from dramatiq import Actor
from dramatiq.brokers.rabbitmq import RabbitmqBroker

from support.server_process import ServerProcess

#: Threads of the worker (Dramatiq's own default), and of the faster of the two senders.
THREADS = 8

TIMEOUT_S = 120.0


class DramatiqPeer:
    """Sends from this process; its worker runs only while it is measured."""

    def __init__(self, rabbitmq_url: str, starts: Starts) -> None:
        self._url = rabbitmq_url
        self._starts = starts
        self._broker: RabbitmqBroker = plain_broker(rabbitmq_url)
        self._noop: Actor[[], None] = noop_actor(self._broker, lambda: None)
        # Dramatiq keeps a connection a thread: always the same threads, or each send would connect.
        self._one = ThreadPoolExecutor(1)
        self._many = ThreadPoolExecutor(THREADS)

    def close(self) -> None:
        self._one.shutdown()
        self._many.shutdown()
        self._broker.close()

    def _warm_up(self) -> None:
        """Connects every sending thread, again when it was idle for long; the queue is empty afterwards."""
        for pool, sends in ((self._one, 5), (self._many, 50 * THREADS)):
            _send(pool, self._noop, sends, THREADS)
        self._broker.flush(QUEUE)

    async def drained(self, tasks: int, install: str) -> float:
        """Tasks a second of a full queue, from the first start to the last."""
        self._warm_up()
        _send(self._many, self._noop, tasks, THREADS)
        self._starts.clear()
        with self._worker(install):
            began, *_, ended = sorted(await self._starts.wait_for(tasks, TIMEOUT_S))
        return (tasks - 1) / (ended - began)

    def sends(self, messages: int) -> float:
        """Confirmed messages a second, one after another, to nobody."""
        self._warm_up()
        seconds = _send(self._one, self._noop, messages, 1)
        self._broker.flush(QUEUE)
        return messages / seconds

    async def pickups(self, samples: int) -> list[float]:
        """Seconds from a send to the first statement of its actor, one at a time."""
        self._warm_up()
        with self._worker():
            found = [await self._pickup() for _ in range(samples + 20)]
        return found[20:]  # the first ones find a worker that is still starting

    async def _pickup(self) -> float:
        await asyncio.sleep(IDLE_S)
        self._starts.clear()
        sent_at = self._one.submit(_send_timed, self._noop)
        [started] = await self._starts.wait_for(1, TIMEOUT_S)
        return started - await asyncio.wrap_future(sent_at)

    def _worker(self, install: str = "install") -> AbstractContextManager[ServerProcess]:
        return python_process(
            [
                *("-m", "dramatiq", "--processes", "1", "--threads", str(THREADS)),
                *("--path", str(ROOT), "--worker-shutdown-timeout", "5000"),
                f"benchmarks.dramatiq_worker:{install}",
            ],
            {VARIABLE: self._url, **self._starts.environment},
        )


def _send(pool: ThreadPoolExecutor, noop: "Actor[[], None]", count: int, threads: int) -> float:
    """Seconds until the last of `count` sends was confirmed."""
    shares = [count // threads + (number < count % threads) for number in range(threads)]
    began = time.monotonic()
    list(pool.map(lambda share: [noop.send() for _ in range(share)], shares))
    return time.monotonic() - began


def _send_timed(noop: "Actor[[], None]") -> float:
    called = time.monotonic()
    noop.send()
    return called
