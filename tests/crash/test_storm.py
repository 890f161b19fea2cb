"""Everything is killed, in an order that a seed decides; nothing accepted is lost, nothing is done twice."""

import asyncio
import json
import os
import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any
from uuid import uuid4

import asyncpg
import httpx2
import pytest
from checker import violations
from storm import Site

from opspawn import migrate
from support.model_server import ModelServer
from support.opspawn_processes import Rest, processes, until
from support.postgres_server import PostgresServer
from support.rabbitmq_server import RabbitmqServer
from support.server_process import free_port

pytestmark = pytest.mark.e2e

SEED = int(os.environ.get("OPSPAWN_STORM_SEED", random.SystemRandom().randrange(10**6)))
STORM_S = float(os.environ.get("OPSPAWN_STORM_S", "20"))
EVERY_S = (0.2, 1.5)
HEAL_S = 90.0


class Client(threading.Thread):
    """Submits tasks for as long as it is let, repeating what was not answered with the same key."""

    def __init__(self, port: int) -> None:
        super().__init__(daemon=True)
        self.accepted: set[str] = set()
        self.ends = threading.Event()
        self._tasks = f"http://127.0.0.1:{port}/api/v1/tasks/"

    def run(self) -> None:
        with httpx2.Client(timeout=5) as http:
            while not self.ends.is_set():
                self._submit(http, str(uuid4()))
                self.ends.wait(0.1)

    def _submit(self, http: httpx2.Client, key: str) -> None:
        body = {
            "task_type": "agent_run",
            "input_data": {"goal": key},
            # A storm costs attempts: a model call that is cut off is a passing failure.
            "retry_policy": {"max_attempts": 20, "backoff_s": 0.1},
        }
        while not self.ends.is_set():
            with suppress(httpx2.TransportError):
                answer = http.post(self._tasks, json=body, headers={"Idempotency-Key": key})
                if answer.status_code in {200, 201}:
                    self.accepted.add(answer.json()["task_id"])
                    return
            self.ends.wait(0.2)


@pytest.fixture
def site(
    tmp_path_factory: pytest.TempPathFactory,
    own_postgres: Callable[[], PostgresServer],
    own_rabbitmq: Callable[[], RabbitmqServer],
) -> Iterator[tuple[Site, ModelServer, int]]:
    postgres, rabbitmq, port = own_postgres(), own_rabbitmq(), free_port()
    migrate.upgrade(postgres.url)
    with ModelServer(delay_s=0.05).running() as model:
        environment = {
            "DATABASE_URL": postgres.url,
            "RABBITMQ_URL": rabbitmq.url,
            "OPSPAWN_API_PORT": str(port),
            "OPSPAWN_HEARTBEAT_TTL_S": "3",
            "OPSPAWN_RING_GRACE_MAX_S": "2",
            "OPSPAWN_DRAIN_GRACE_S": "2",
            **model.environment,
        }
        with processes(tmp_path_factory.mktemp("storm"), environment) as started:
            standing = Site(started, postgres, rabbitmq, random.Random(SEED))
            standing.start()
            yield standing, model, port


@pytest.mark.timeout(STORM_S + 300)
def test_a_storm_loses_nothing_and_repeats_nothing(
    site: tuple[Site, ModelServer, int],
) -> None:
    """After a storm every accepted task has completed, with one log, one end and one bill."""
    standing, model, port = site
    rest = Rest(port)
    rest.ready(standing.running["api"][0])
    client = Client(port)
    client.start()
    standing.storm(STORM_S, EVERY_S)
    client.ends.set()
    client.join(10)
    _heal(standing, rest, client.accepted)
    rest.close()
    tasks, events = asyncio.run(_read(standing.postgres.url))
    story = f"seed {SEED}, faults {standing.faults}"
    assert [] == violations(tasks, events, client.accepted), story
    unfinished = [
        (t["status"], t["reason"], t["error"]) for t in tasks if t["status"] != "completed"
    ]
    assert [] == unfinished, story
    assert len(client.accepted) > 20, f"a storm in which nothing works proves nothing; {story}"
    _check_what_was_paid(model, tasks, events, story)


def _heal(site: Site, rest: Rest, accepted: set[str]) -> None:
    """Returns when every accepted task has ended."""

    def ended() -> bool:
        site.restart_the_dead()
        with suppress(httpx2.TransportError, httpx2.HTTPStatusError):
            return all(
                rest.get({"task_id": task_id})["status"] not in {"pending", "running"}
                for task_id in accepted
            )
        return False

    started = time.monotonic()
    until(ended, HEAL_S)
    assert time.monotonic() - started < HEAL_S


def _check_what_was_paid(
    model: ModelServer, tasks: list[Any], events: list[Any], story: str
) -> None:
    """A call is paid for again only when its worker was stopped before its answer was on disk."""
    committed = sum(event["type"] == "llm.completed" for event in events)
    handed_over = sum(event["type"] == "task.released" for event in events)
    assert len(model.calls) - committed <= handed_over, story
    assert committed == 2 * len(tasks), story


async def _read(url: str) -> tuple[list[Any], list[Any]]:
    connection = await asyncpg.connect(url.replace("+asyncpg", ""))
    try:
        await connection.set_type_codec(
            "jsonb", encoder=json.dumps, decoder=json.loads, schema="pg_catalog"
        )
        return (
            [dict(row) for row in await connection.fetch("SELECT * FROM task")],
            [dict(row) for row in await connection.fetch("SELECT * FROM event")],
        )
    finally:
        await connection.close()
