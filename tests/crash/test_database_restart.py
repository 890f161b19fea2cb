"""PostgreSQL crashes under a thousand running tasks: their workers keep them, and nothing is asked twice."""

import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from checker import effects_gone_wrong, violations
from evidence import read
from results import FULL, record
from standing import Standing, standing

from opspawn import migrate
from support import ledger_tools
from support.model_server import ModelServer
from support.opspawn_processes import until
from support.postgres_server import PostgresServer

pytestmark = pytest.mark.e2e

TASKS = 1000 if FULL else 300
WORKERS = 2

#: How long the tasks are in their model call after each restart: past the rest in which nobody is judged
#: (5 s), past the grace for connecting again, and past every heartbeat. Seconds.
UNDER_WAY_S = 8.0

CRASHES = 3 if FULL else 1

#: Tasks that work on while PostgreSQL crashes, and how often it does; between two crashes they make some
#: steps. Seconds.
WORKING, WORKING_CRASHES, BETWEEN_S = 100, 5 if FULL else 2, 1.5

LEDGER = "ledger.jsonl"


@pytest.fixture
def postgres(own_postgres: Callable[[], PostgresServer]) -> PostgresServer:
    server = own_postgres()
    migrate.upgrade(server.url)
    return server


@pytest.fixture
def site(tmp_path: Path, postgres: PostgresServer, rabbitmq_url: str) -> Iterator[Standing]:
    with (
        ModelServer(delay_s=0.3, script=ledger_tools.SCRIPT).running() as model,
        standing(
            tmp_path,
            postgres.url,
            rabbitmq_url,
            model,
            OPSPAWN_WORKER_SLOTS=str(TASKS // WORKERS + 100),
            **ledger_tools.environment(tmp_path / LEDGER),
        ) as site,
    ):
        site.start(api=1, dispatcher=2, worker=WORKERS)
        yield site


@pytest.mark.timeout(300)
def test_a_crash_of_the_database_steals_no_task(site: Standing, postgres: PostgresServer) -> None:
    """Every task ends under its first epoch: no run was begun anew, so no call was made again."""
    started = time.monotonic()
    site.model.hold(1)
    _submit(site, TASKS)
    until(lambda: len(site.model.asked) == TASKS, 120)
    for _ in range(CRASHES):
        postgres.kill()
        postgres.start()
        time.sleep(UNDER_WAY_S)  # for whoever would take them: nothing else shows that nobody does
    site.model.release(1)
    found = _violations(site, postgres)
    record(
        f"PostgreSQL crashed under {TASKS} tasks", CRASHES, len(found), time.monotonic() - started
    )
    assert not found, "\n".join(found[:50])


@pytest.mark.timeout(300)
def test_a_crash_of_the_database_costs_no_step(site: Standing, postgres: PostgresServer) -> None:
    """What a model or an unsafe tool gives while PostgreSQL is away is kept: not made again, not in doubt."""
    started = time.monotonic()
    _submit(site, WORKING)
    until(lambda: len(site.model.asked) >= WORKING, 120)
    for _ in range(WORKING_CRASHES):
        postgres.kill()
        time.sleep(BETWEEN_S / 3)
        postgres.start()
        time.sleep(BETWEEN_S)
    found = _violations(site, postgres)
    record(
        "PostgreSQL crashed under steps", WORKING_CRASHES, len(found), time.monotonic() - started
    )
    assert not found, "\n".join(found[:50])


def _submit(site: Standing, count: int) -> None:
    config = {"tools": list(ledger_tools.NAMES)}

    def submit(number: int) -> Any:
        return site.rest.submit(input_data={"goal": f"goal {number}", "agent_config": config})

    with ThreadPoolExecutor(8) as clients:
        list(clients.map(submit, range(count)))


def _violations(site: Standing, postgres: PostgresServer) -> list[str]:
    """What was taken, given back or in doubt when every task had ended, or could not."""
    until(lambda: site.unfinished() == 0 or _doubts(site) > 0, 150)
    tasks, events = read(postgres.url)
    why = [event["data"]["why"] for event in events if event["type"] == "task.released"]
    ledger = ledger_tools.effects(site.processes.folder / LEDGER)
    return [
        *violations(tasks, events, {task["task_id"] for task in tasks}),
        *effects_gone_wrong(tasks, events, ledger),
        *(
            f"{task['task_id']} was taken: epoch {task['epoch']}"
            for task in tasks
            if task["epoch"] > 1
        ),
        *(
            f"{task['task_id']} is {task['status']}"
            for task in tasks
            if task["status"] != "completed"
        ),
        *(f"given back {times} times: {what}" for what, times in Counter(why).items()),
    ]


def _doubts(site: Standing) -> int:
    answer = site.rest.http.get("/api/v1/tasks/?status=waiting&limit=1")
    return int(answer.json()["total"]) if answer.status_code == 200 else 0
