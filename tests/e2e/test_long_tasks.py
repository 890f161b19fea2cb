"""A task that takes longer than the broker waits for a consumer: RabbitMQ takes a message back then.

Workers that hold their message until its task is over are given it a second time, and run it twice.
"""

from collections.abc import Iterator
from pathlib import Path

import pika
import pytest
from pika.exceptions import ChannelClosedByBroker

from support.local_servers import local_rabbitmq
from support.model_server import ModelServer
from support.opspawn_processes import Processes, Rest, processes
from support.rabbitmq_server import RabbitmqServer
from support.server_process import free_port

pytestmark = pytest.mark.e2e

#: RabbitMQ's own are half an hour and a minute. Milliseconds.
IMPATIENT = """
    application:set_env(rabbit, consumer_timeout, 500),
    application:set_env(rabbit, channel_tick_interval, 250).
"""

PRECONDITION_FAILED = 406


@pytest.fixture(scope="module")
def broker() -> Iterator[RabbitmqServer]:
    with local_rabbitmq() as server:
        server.control("eval", IMPATIENT)
        yield server


@pytest.fixture
def model() -> Iterator[ModelServer]:
    with ModelServer().running() as model:
        yield model


@pytest.fixture
def started(
    tmp_path: Path, database_url: str, broker: RabbitmqServer, model: ModelServer
) -> Iterator[tuple[Processes, Rest]]:
    port = free_port()
    environment = {
        "DATABASE_URL": database_url,
        "RABBITMQ_URL": broker.url,
        "OPSPAWN_API_PORT": str(port),
        **model.environment,
    }
    rest = Rest(port)
    with processes(tmp_path, environment) as running:
        running.start("dispatcher")
        rest.ready(running.start("api"))
        yield running, rest
    rest.close()


def outwait(url: str) -> None:
    """Returns when the broker has lost its patience with somebody who took a message and said nothing."""
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        channel = connection.channel()
        queue = channel.queue_declare("", exclusive=True).method.queue
        channel.basic_publish("", queue, b"")
        with pytest.raises(ChannelClosedByBroker) as closed:
            for _ in channel.consume(queue):
                pass
    assert PRECONDITION_FAILED == closed.value.reply_code


def test_a_task_three_times_as_long_as_the_broker_waits_runs_once(
    started: tuple[Processes, Rest], model: ModelServer, broker: RabbitmqServer
) -> None:
    """Its message says only that there is work, and is not held meanwhile."""
    running, rest = started
    running.start("worker")
    model.hold(2)
    task = rest.submit("long")
    model.wait_for(2)
    for _ in range(3):
        outwait(broker.url)
    model.release(2)
    done = rest.ended(task)
    assert ("completed", 1) == (done["status"], done["attempt"])
    assert {("long", 1): 1, ("long", 2): 1} == model.asked


def test_a_long_task_goes_on_once_when_its_worker_is_killed(
    started: tuple[Processes, Rest], model: ModelServer, broker: RabbitmqServer
) -> None:
    """After its last finished step; only the call that was under way is made again."""
    running, rest = started
    worker = running.start("worker")
    model.hold(2)
    task = rest.submit("long")
    model.wait_for(2)
    outwait(broker.url)
    worker.kill()
    assert model.hung_up.wait(10)
    model.release(2)
    running.start("worker")
    assert "completed" == rest.ended(task)["status"]
    assert {("long", 1): 1, ("long", 2): 2} == model.asked
