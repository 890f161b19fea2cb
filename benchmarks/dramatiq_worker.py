"""Plain Dramatiq, as its documentation sets it up, with one actor that does nothing.

`dramatiq benchmarks.dramatiq_worker:install` runs it; the benchmark sends with `noop_actor`.
"""

import os
from collections.abc import Callable

import dramatiq
from benchmarks.starts import Reporter
from dramatiq.brokers.rabbitmq import RabbitmqBroker

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


def install() -> None:
    """Called by Dramatiq's command line, which then runs the global broker."""
    broker = plain_broker(os.environ[VARIABLE])
    dramatiq.set_broker(broker)
    noop_actor(broker, Reporter().started)
