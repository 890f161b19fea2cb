"""PostgreSQL crashes under a thousand running tasks: their workers keep them, and nothing is asked twice."""

import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from checker import violations
from evidence import read
from results import FULL, record
from standing import Standing, standing

from opspawn import migrate
from support.model_server import ModelServer
from support.opspawn_processes import until
from support.postgres_server import PostgresServer

pytestmark = pytest.mark.e2e

TASKS = 1000
WORKERS = 2

#: How long the tasks are in their model call after each restart: past the rest in which nobody is judged
#: (5 s), past the grace for connecting again, and past every heartbeat. Seconds.
UNDER_WAY_S = 8.0

CRASHES = 3 if FULL else 1


@pytest.fixture
def postgres(own_postgres: Callable[[], PostgresServer]) -> PostgresServer:
    server = own_postgres()
    migrate.upgrade(server.url)
    return server


@pytest.fixture
def site(tmp_path: Path, postgres: PostgresServer, rabbitmq_url: str) -> Iterator[Standing]:
    with (
        ModelServer().running() as model,
        standing(
            tmp_path,
            postgres.url,
            rabbitmq_url,
            model,
            OPSPAWN_WORKER_SLOTS=str(TASKS // WORKERS + 100),
        ) as site,
    ):
        site.start(api=1, dispatcher=2, worker=WORKERS)
        yield site


@pytest.mark.timeout(300)
def test_a_crash_of_the_database_steals_no_task(site: Standing, postgres: PostgresServer) -> None:
    """Every task ends under its first epoch, with each of its model calls made once."""
    started = time.monotonic()
    site.model.hold(1)
    with ThreadPoolExecutor(8) as clients:
        tasks = list(clients.map(lambda number: site.rest.submit(f"goal {number}"), range(TASKS)))
    until(lambda: len(site.model.asked) == TASKS)
    for _ in range(CRASHES):
        postgres.kill()
        postgres.start()
        time.sleep(UNDER_WAY_S)  # for whoever would take them: nothing else shows that nobody does
    site.model.release(1)
    until(lambda: site.unfinished() == 0, 120)
    rows, events = read(postgres.url)
    types = Counter(event["type"] for event in events)
    found = [
        *violations(rows, events, {task["task_id"] for task in tasks}),
        *(f"{row['task_id']} was taken: epoch {row['epoch']}" for row in rows if row["epoch"] != 1),
        *(
            f"{call} was made {times} times"
            for call, times in site.model.asked.items()
            if times > 1
        ),
    ]
    record(
        f"PostgreSQL crashed under {TASKS} tasks", CRASHES, len(found), time.monotonic() - started
    )
    assert [] == found
    assert (TASKS, TASKS) == (types["task.claimed"], types["task.completed"])
