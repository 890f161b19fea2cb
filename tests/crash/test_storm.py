"""Everything is killed, in an order that a seed decides; nothing accepted is lost, nothing is done twice."""

import asyncio
import os
import random
import time
from collections.abc import Callable, Iterator
from typing import Any

import asyncpg
import pytest
from checker import Told, effects_gone_wrong, unpaid, violations
from clients import Client
from evidence import read
from faults import WEIGHTS
from person import settle_doubts
from results import FULL, record
from standing import standing
from storm import SIZES, Site

from opspawn import migrate
from support import ledger_tools
from support.ledger_tools import effects
from support.model_server import ModelServer
from support.opspawn_processes import ENDED
from support.postgres_server import PostgresServer
from support.rabbitmq_server import RabbitmqServer

pytestmark = pytest.mark.e2e

SEED = int(os.environ.get("STORM_SEED", random.SystemRandom().randrange(10**6)))
STORM_S = float(os.environ.get("STORM_S", "200" if FULL else "20"))
HEAL_S = 90.0

#: After this long nothing that was frozen in a call can still act: the ledger can be believed. Seconds.
CALM_S = 3.0

#: Faults in a row. After them the site must get something done before the next ones come: else, on a slow
#: machine, a storm would kill what has not started yet and prove nothing.
GUST = 10

#: What it must get done between two gusts: completed tasks.
PROGRESS = 5

CLIENTS = 2
LEDGER = "ledger.jsonl"


@pytest.fixture
def site(
    tmp_path_factory: pytest.TempPathFactory,
    own_postgres: Callable[[], PostgresServer],
    own_rabbitmq: Callable[[], RabbitmqServer],
) -> Iterator[Site]:
    postgres, rabbitmq = own_postgres(), own_rabbitmq()
    migrate.upgrade(postgres.url)
    folder = tmp_path_factory.mktemp("storm")
    with (
        ModelServer(delay_s=0.05, script=ledger_tools.SCRIPT).running() as model,
        standing(
            folder,
            postgres.url,
            rabbitmq.url,
            model,
            OPSPAWN_HEARTBEAT_TTL_S="3",
            OPSPAWN_RING_GRACE_MAX_S="2",
            OPSPAWN_DRAIN_GRACE_S="2",
            **ledger_tools.environment(folder / LEDGER),
        ) as standing_site,
    ):
        standing_site.start(**SIZES)
        yield Site(standing_site, postgres, rabbitmq, random.Random(SEED))


@pytest.mark.timeout(STORM_S + 300)
def test_a_storm_loses_nothing_and_repeats_nothing(site: Site) -> None:
    """After a storm every accepted task has ended as its clients were told, with one log and one bill."""
    started = time.monotonic()
    told, ledger = Told(), site.standing.processes.folder / LEDGER
    site.known = lambda: list(told.accepted)
    port = int(site.standing.processes.environment["OPSPAWN_API_PORT"])
    clients = [Client(port, random.Random(SEED + place), told) for place in range(CLIENTS)]
    for client in clients:
        client.start()
    end = started + STORM_S
    while time.monotonic() < end:
        site.gust(GUST, WEIGHTS)
        _progress(site)
    for client in clients:
        client.ends.set()
        client.join(10)
    left, doubts = _healed(site, told)
    tasks, events = read(site.postgres.url)
    found = [
        *effects_gone_wrong(tasks, events, effects(ledger)),
        *violations(tasks, events, told.accepted, told),
        *unpaid(tasks, events, site.standing.model.asked),
        *_ends_nobody_asked_for(tasks, told),
    ]
    record(f"storm, seed {SEED}", len(site.faults), len(found), time.monotonic() - started)
    story = f"seed {SEED}, {doubts} doubts, faults {site.faults}"
    assert not found, "\n".join([*found, story])
    assert 0 == left, story


def _progress(site: Site) -> None:
    """Returns when something gets done again: the storm may be fast, but it is not the end of all work."""
    before, deadline = _completed(site), time.monotonic() + HEAL_S
    while _completed(site) < before + PROGRESS:
        site.standing.restart_the_dead()
        assert time.monotonic() < deadline, f"nothing gets done; seed {SEED}, faults {site.faults}"
        time.sleep(0.1)


def _completed(site: Site) -> int:
    return asyncio.run(_count(site.postgres.url))


async def _count(url: str) -> int:
    connection = await asyncpg.connect(url.replace("+asyncpg", ""))
    try:
        return int(
            await connection.fetchval("SELECT count(*) FROM task WHERE status = 'completed'")
        )
    finally:
        await connection.close()


def _ends_nobody_asked_for(tasks: list[Any], told: Told) -> list[str]:
    cancelled = {task_id for task_id, _ in told.cancelled}
    return [
        f"{task['task_id']}: {task['status']} {task['reason']} {task['error']}"
        for task in tasks
        if task["status"] != "completed"
        and not (task["status"] == "cancelled" and task["task_id"] in cancelled)
        and not (task["reason"] == "deadline_exceeded" and task["task_id"] in told.deadlines)
    ]


def _healed(site: Site, told: Told) -> tuple[int, int]:
    """How many accepted tasks never ended in all the time there is for it, and how many doubts there were."""
    deadline, doubts = time.monotonic() + HEAL_S, 0
    calm = time.monotonic() + CALM_S
    ledger = site.standing.processes.folder / LEDGER
    while True:
        site.standing.restart_the_dead()
        left = asyncio.run(_left(site.postgres.url, told))
        if not left or time.monotonic() > deadline:
            return len(left), doubts
        doubtful = [task_id for task_id, reason in left if reason == "effect_unknown"]
        if time.monotonic() > calm:
            doubts += settle_doubts(site.postgres.url, doubtful, effects(ledger))
        time.sleep(0.1)


async def _left(url: str, told: Told) -> list[tuple[str, str | None]]:
    """The accepted tasks that have not ended, each with the reason of its state."""
    connection = await asyncpg.connect(url.replace("+asyncpg", ""))
    try:
        rows = await connection.fetch(
            "SELECT task_id, reason FROM task WHERE task_id = ANY($1) AND status <> ALL($2)",
            list(told.accepted),
            list(ENDED),
        )
        return [(row["task_id"], row["reason"]) for row in rows]
    finally:
        await connection.close()
