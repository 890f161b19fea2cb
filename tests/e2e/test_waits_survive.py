"""What waits is a row: it outlives every process and both servers."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ops_core.answers import answer
from support.databases import Databases
from support.local_servers import local_postgres, local_rabbitmq
from support.model_server import ModelServer
from support.opspawn_processes import Processes, Rest, processes, until
from support.postgres_server import PostgresServer
from support.rabbitmq_server import RabbitmqServer
from support.server_process import free_port
from support.servers import Say
from support.tasks_door import TasksDoor

pytestmark = pytest.mark.e2e

SLEEP_S = 8.0


@pytest.fixture
def servers(say_server: Say) -> Iterator[tuple[PostgresServer, RabbitmqServer]]:
    """Servers of this test alone: it kills them."""
    with local_postgres(say_server) as postgres, local_rabbitmq(say_server) as rabbitmq:
        yield postgres, rabbitmq


@pytest.fixture
def model() -> Iterator[ModelServer]:
    with ModelServer().running() as model:
        yield model


def test_a_question_and_a_sleep_outlive_a_kill_of_everything(
    servers: tuple[PostgresServer, RabbitmqServer], model: ModelServer, tmp_path: Path
) -> None:
    """`kill -9` of all processes and both servers while two agents wait; each call is paid for once."""
    postgres, rabbitmq = servers
    url = Databases(postgres.url).create()
    environment = {
        "DATABASE_URL": url,
        "RABBITMQ_URL": rabbitmq.url,
        "OPSPAWN_API_PORT": str(free_port()),
        **model.environment,
    }
    model.wants["Ask"] = ("ask_user", {"question": "Who?"})
    model.wants["Sleep"] = ("sleep", {"seconds": SLEEP_S})
    with processes(tmp_path, environment) as started:
        rest = _all_started(started)
        began = time.monotonic()
        asking, sleeping = (
            rest.submit(input_data={"goal": goal, "agent_config": {"tools": [tool]}})
            for goal, tool in (("Ask", "ask_user"), ("Sleep", "sleep"))
        )
        until(lambda: [rest.get(t)["status"] for t in (asking, sleeping)] == ["waiting"] * 2)
        rest.close()
        started.kill()
        postgres.kill()
        rabbitmq.kill()
        postgres.start()
        rabbitmq.start()
        rest = _all_started(started)
        TasksDoor(url).bring(asking, answer(None, "Ada"))
        assert "It is Ada." == rest.ended(asking)["result"]["output"]
        assert "seconds have passed" in rest.ended(sleeping)["result"]["output"]
        assert time.monotonic() - began >= SLEEP_S
        assert [1, 1, 2, 2] == sorted(model.calls)
        rest.close()


def _all_started(started: Processes) -> Rest:
    rest = Rest(int(started.environment["OPSPAWN_API_PORT"]))
    api = started.start("api")
    started.start("dispatcher")
    started.start("worker")
    rest.ready(api)
    return rest
