"""Builds the Dramatiq broker: RabbitMQ, or in process when there is none.

No middleware of Dramatiq's is added: the store owns retries, age and time limits, and a second owner
would re-enqueue behind its back.
"""

from dramatiq import Broker
from dramatiq.brokers.stub import StubBroker


def rabbitmq_broker(url: str) -> Broker:
    """Durable queues and publisher confirms. Connects at its first use, not here."""
    # Imported here: pika is of no use to a process without RabbitMQ.
    from dramatiq.brokers.rabbitmq import RabbitmqBroker

    return RabbitmqBroker(url=url, middleware=[], confirm_delivery=True)


def in_process_broker() -> Broker:
    """A bell inside this process: for `opspawn up`, where every worker lives here."""
    return StubBroker(middleware=[])
