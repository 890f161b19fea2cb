"""A broker that is frozen holds whoever talks to it; it must not hold a process that is asked to end."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from support.model_server import ModelServer
from support.opspawn_processes import Processes, Rest, processes
from support.rabbitmq_server import RabbitmqServer
from support.server_process import free_port

pytestmark = pytest.mark.e2e

#: Well above what a drain takes, well below how long the broker stays frozen. Seconds.
ENDS_WITHIN_S = 20


@pytest.fixture
def rabbitmq(own_rabbitmq: Callable[[], RabbitmqServer]) -> RabbitmqServer:
    return own_rabbitmq()


@pytest.fixture
def site(
    tmp_path: Path, database_url: str, rabbitmq: RabbitmqServer
) -> Iterator[tuple[Processes, ModelServer, Rest]]:
    port = free_port()
    with ModelServer().running() as model:
        environment = {
            "DATABASE_URL": database_url,
            "RABBITMQ_URL": rabbitmq.url,
            "OPSPAWN_API_PORT": str(port),
            "OPSPAWN_DRAIN_GRACE_S": "1",
            **model.environment,
        }
        rest = Rest(port)
        with processes(tmp_path, environment) as started:
            yield started, model, rest
        rest.close()


def test_every_process_ends_while_the_broker_is_frozen(
    site: tuple[Processes, ModelServer, Rest], rabbitmq: RabbitmqServer
) -> None:
    """SIGTERM ends worker, dispatcher and API with 0, and the worker's task is handed over."""
    started, model, rest = site
    running = [started.start(command) for command in ("api", "dispatcher", "worker")]
    rest.ready(running[0])
    model.hold(1)
    task = rest.submit()
    model.wait_for(1)
    rabbitmq.freeze()
    try:
        rest.submit()  # whose ring will hang
        for process in reversed(running):
            process.terminate()
        assert [0, 0, 0] == [process.wait(ENDS_WITHIN_S) for process in running]
    finally:
        rabbitmq.thaw()
    again = started.start("api")
    rest.ready(again)
    assert "pending" == rest.get(task)["status"]
