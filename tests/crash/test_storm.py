"""Everything is killed, in an order that a seed decides; nothing accepted is lost, nothing is done twice."""

import asyncio
import os
import random
import time
from collections.abc import Callable, Iterator
from typing import Any

import asyncpg
import pytest
from checker import Told, unpaid, violations
from clients import Client
from evidence import read
from faults import WEIGHTS
from results import FULL, record
from standing import standing
from storm import SIZES, Site

from opspawn import migrate
from support.model_server import ModelServer
from support.opspawn_processes import ENDED
from support.postgres_server import PostgresServer
from support.rabbitmq_server import RabbitmqServer

pytestmark = pytest.mark.e2e

SEED = int(os.environ.get("OPSPAWN_STORM_SEED", random.SystemRandom().randrange(10**6)))
STORM_S = float(os.environ.get("OPSPAWN_STORM_S", "240" if FULL else "25"))
EVERY_S = (0.05, 0.6)
HEAL_S = 90.0
CLIENTS = 2


@pytest.fixture
def site(
    tmp_path_factory: pytest.TempPathFactory,
    own_postgres: Callable[[], PostgresServer],
    own_rabbitmq: Callable[[], RabbitmqServer],
) -> Iterator[Site]:
    postgres, rabbitmq = own_postgres(), own_rabbitmq()
    migrate.upgrade(postgres.url)
    with (
        ModelServer(delay_s=0.05).running() as model,
        standing(
            tmp_path_factory.mktemp("storm"),
            postgres.url,
            rabbitmq.url,
            model,
            OPSPAWN_HEARTBEAT_TTL_S="3",
            OPSPAWN_RING_GRACE_MAX_S="2",
            OPSPAWN_DRAIN_GRACE_S="2",
        ) as standing_site,
    ):
        standing_site.start(**SIZES)
        yield Site(standing_site, postgres, rabbitmq, random.Random(SEED))


@pytest.mark.timeout(STORM_S + 300)
def test_a_storm_loses_nothing_and_repeats_nothing(site: Site) -> None:
    """After a storm every accepted task has ended as its clients were told, with one log and one bill."""
    started = time.monotonic()
    told = Told()
    site.known = lambda: list(told.accepted)
    port = int(site.standing.processes.environment["OPSPAWN_API_PORT"])
    clients = [Client(port, random.Random(SEED + place), told) for place in range(CLIENTS)]
    for client in clients:
        client.start()
    site.storm(STORM_S, EVERY_S, WEIGHTS)
    for client in clients:
        client.ends.set()
        client.join(10)
    left = asyncio.run(_healed(site, told))
    tasks, events = read(site.postgres.url)
    found = [
        *violations(tasks, events, told.accepted, told),
        *unpaid(tasks, events, site.standing.model.asked),
        *_ends_nobody_asked_for(tasks, told),
    ]
    record(f"storm, seed {SEED}", len(site.faults), len(found), time.monotonic() - started)
    story = f"seed {SEED}, faults {site.faults}"
    assert [] == found, story
    assert 0 == left, story
    completed = sum(task["status"] == "completed" for task in tasks)
    assert completed > STORM_S, f"a storm in which nothing works proves nothing; {story}"


def _ends_nobody_asked_for(tasks: list[Any], told: Told) -> list[str]:
    cancelled = {task_id for task_id, _ in told.cancelled}
    return [
        f"{task['task_id']}: {task['status']} {task['reason']} {task['error']}"
        for task in tasks
        if task["status"] != "completed"
        and not (task["status"] == "cancelled" and task["task_id"] in cancelled)
        and not (task["reason"] == "deadline_exceeded" and task["task_id"] in told.deadlines)
    ]


async def _healed(site: Site, told: Told) -> int:
    """How many accepted tasks have not ended after all the time there is for it."""
    deadline = time.monotonic() + HEAL_S
    connection = await asyncpg.connect(site.postgres.url.replace("+asyncpg", ""))
    try:
        while True:
            site.standing.restart_the_dead()
            left: int = await connection.fetchval(
                "SELECT count(*) FROM task WHERE task_id = ANY($1) AND status <> ALL($2)",
                list(told.accepted),
                list(ENDED),
            )
            if left == 0 or time.monotonic() > deadline:
                return left
            await asyncio.sleep(0.1)
    finally:
        await connection.close()
