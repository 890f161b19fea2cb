"""A COMMIT whose reply never arrives has usually happened: whoever asked for it must not do it twice."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from checker import unpaid, violations
from evidence import read
from results import FULL, record
from standing import Standing, standing

from support.model_server import ModelServer
from support.opspawn_processes import until
from support.swallowing_proxy import SwallowingProxy

pytestmark = pytest.mark.e2e

#: How often each kind of commit loses its reply.
TIMES = 25 if FULL else 3

#: What is found in the statements of each kind of transaction.
SUBMIT = r"INSERT INTO task\b"
CLAIM = r"epoch\s*=\s*epoch \+ 1"
STEP = r"INSERT INTO event.*INSERT INTO blob"
SETTLE = r"moved AS .*UPDATE ask SET status = 'cancelled'"


@pytest.fixture
def proxy(database_url: str) -> Iterator[SwallowingProxy]:
    with SwallowingProxy(database_url) as proxy:
        yield proxy


@pytest.fixture
def site(
    tmp_path: Path, database_url: str, rabbitmq_url: str, proxy: SwallowingProxy
) -> Iterator[Standing]:
    """Doors and workers reach the database through the proxy."""
    with (
        ModelServer().running() as model,
        standing(tmp_path, database_url, rabbitmq_url, model) as site,
    ):
        yield site


def test_a_submit_without_a_reply_is_one_task(
    site: Standing, proxy: SwallowingProxy, database_url: str
) -> None:
    """The client is told to try again, and gets with the same key the task that was stored at first."""
    started = time.monotonic()
    site.start_one("api", DATABASE_URL=proxy.url)
    keys = [str(uuid4()) for _ in range(TIMES)]
    for key in keys:
        proxy.swallow(SUBMIT)
        assert 503 == _submit(site, key).status_code
        assert 200 == _submit(site, key).status_code
    tasks, _ = read(database_url)
    stored = [task["idempotency_key"] for task in tasks]
    record("submit's reply lost", TIMES, len(set(keys) ^ set(stored)), time.monotonic() - started)
    assert sorted(keys) == sorted(stored)
    assert TIMES == proxy.swallowed


@pytest.mark.parametrize(
    ("what", "pattern"), [("claim", CLAIM), ("step", STEP), ("settlement", SETTLE)]
)
def test_a_worker_without_a_reply_repeats_nothing(
    site: Standing, proxy: SwallowingProxy, database_url: str, what: str, pattern: str
) -> None:
    """The task goes on and ends once; no model call is made a second time."""
    started = time.monotonic()
    site.start(api=1, dispatcher=1)
    site.start_one("worker", DATABASE_URL=proxy.url)
    assert "completed" == site.rest.ended(site.rest.submit("before"))["status"]
    for number in range(TIMES):
        proxy.swallow(pattern)
        done = site.rest.ended(site.rest.submit(f"goal {number}"))
        assert ("completed", number + 1) == (done["status"], proxy.swallowed)
    tasks, events = read(database_url)
    found = [
        *violations(tasks, events, {task["task_id"] for task in tasks}),
        *(f"{goal}: call {step} made {n} times" for (goal, step), n in _repeated(site.model)),
    ]
    record(f"{what}'s reply lost", TIMES, len(found), time.monotonic() - started)
    assert [] == found


def test_replies_lost_at_random_cost_nothing(
    site: Standing, proxy: SwallowingProxy, database_url: str
) -> None:
    """With every process behind the proxy each task ends once, and what is on disk is not made again."""
    started = time.monotonic()
    for command in ("api", "dispatcher", "worker", "worker"):
        site.start_one(command, DATABASE_URL=proxy.url)
    proxy.share = 0.1 if FULL else 0.05
    keys = [str(uuid4()) for _ in range(100 if FULL else 20)]
    accepted = {_accepted(site, key) for key in keys}
    until(lambda: site.unfinished() == 0, 110)
    proxy.share = 0.0
    tasks, events = read(database_url)
    found = [
        *violations(tasks, events, accepted),
        *unpaid(tasks, events, site.model.asked),
        *(
            f"{task['task_id']} is {task['status']}"
            for task in tasks
            if task["status"] != "completed"
        ),
    ]
    record("replies lost at random", proxy.swallowed, len(found), time.monotonic() - started)
    assert [] == found
    assert len(keys) == len(tasks)
    assert proxy.swallowed > len(keys) / 4


def _submit(site: Standing, key: str) -> Any:
    body = {"task_type": "agent_run", "input_data": {"goal": key}}
    return site.rest.http.post("/api/v1/tasks/", json=body, headers={"Idempotency-Key": key})


def _accepted(site: Standing, key: str) -> str:
    while (answer := _submit(site, key)).status_code == 503:
        pass
    assert answer.status_code in {200, 201}, answer.text
    return str(answer.json()["task_id"])


def _repeated(model: ModelServer) -> list[tuple[tuple[str, int], int]]:
    return [(call, times) for call, times in model.asked.items() if times > 1]
