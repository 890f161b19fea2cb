"""Plain Dramatiq, as its documentation sets it up, with one actor that does nothing.

`dramatiq benchmarks.dramatiq_worker:install` runs it; the benchmark sends with `noop_actor`.
"""

import os
from collections.abc import Callable

import dramatiq
from benchmarks.starts import Reporter
from dramatiq.brokers.rabbitmq import RabbitmqBroker
from dramatiq.middleware.asyncio import AsyncIO

#: Where the worker finds its broker.
VARIABLE = "BENCH_RABBITMQ_URL"

QUEUE = "bench"


def plain_broker(url: str) -> RabbitmqBroker:
    """Dramatiq's default middleware; a send returns when RabbitMQ has confirmed it, as ours do."""
    return RabbitmqBroker(url=url, confirm_delivery=True)


def noop_actor(broker: dramatiq.Broker, started: Callable[[], None]) -> "dramatiq.Actor[[], None]":
    def noop() -> None:
        started()

    return dramatiq.actor(broker=broker, queue_name=QUEUE)(noop)


def async_noop_actor(broker: dramatiq.Broker, started: Callable[[], None]) -> None:
    async def noop() -> None:
        started()

    dramatiq.actor(broker=broker, queue_name=QUEUE)(noop)


def install_async() -> None:
    """The same with a coroutine for an actor, in Dramatiq's own event loop."""
    broker = plain_broker(os.environ[VARIABLE])
    broker.add_middleware(AsyncIO())
    dramatiq.set_broker(broker)
    async_noop_actor(broker, Reporter().started)


def install() -> None:
    """Called by Dramatiq's command line, which then runs the global broker."""
    broker = plain_broker(os.environ[VARIABLE])
    dramatiq.set_broker(broker)
    noop_actor(broker, Reporter().started)
