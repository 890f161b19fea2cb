"""A full disk refuses tasks in so many words and loses none: what was accepted runs once there is room."""

import secrets
import time
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from checker import unpaid, violations
from evidence import read
from results import record
from standing import Standing, standing

from opspawn import migrate
from support.local_servers import provide
from support.model_server import ModelServer
from support.opspawn_processes import until
from support.postgres_server import find_programs
from support.server_process import ServerUnavailable
from support.small_disk import SmallDiskPostgres

pytestmark = pytest.mark.e2e

#: Refusals after which there is room again.
REFUSALS = 30

PROBLEM = "urn:opspawn:problem:store_unavailable"

#: Bytes of each task's goal; what is random cannot be compressed away.
SIZE = 100_000


@pytest.fixture
def postgres() -> Iterator[SmallDiskPostgres]:
    try:
        provide(find_programs, "postgresql", print)
        with SmallDiskPostgres(megabytes=128) as server:
            migrate.upgrade(server.url)
            yield server
    except ServerUnavailable as error:
        pytest.fail(str(error), pytrace=False)


@pytest.fixture
def site(tmp_path: Path, postgres: SmallDiskPostgres, rabbitmq_url: str) -> Iterator[Standing]:
    with (
        ModelServer().running() as model,
        standing(tmp_path, postgres.url, rabbitmq_url, model) as site,
    ):
        site.start(api=1, dispatcher=1, worker=1)
        yield site


def test_a_full_disk_refuses_and_loses_nothing(site: Standing, postgres: SmallDiskPostgres) -> None:
    """Refused is 503 and never 500; accepted is there, and completes once there is room."""
    started = time.monotonic()
    assert "completed" == site.rest.ended(site.rest.submit())["status"]
    postgres.fill(leaving_mb=6)
    accepted: set[str] = set()
    refused: list[httpx2.Response] = []
    while len(refused) < REFUSALS:
        answer = _submit(site)
        if answer.status_code == 201:
            accepted.add(answer.json()["task_id"])
        else:
            refused.append(answer)
    postgres.free()
    until(lambda: site.unfinished() == 0, 90)
    tasks, events = read(postgres.url)
    found = [
        *violations(tasks, events, accepted),
        *unpaid(tasks, events, site.model.asked),
        *(f"{task['task_id']}: {task['error']}" for task in tasks if task["status"] != "completed"),
    ]
    record("disk full", REFUSALS, len(found), time.monotonic() - started)
    assert [] == found
    assert {(503, PROBLEM)} == {(r.status_code, r.json()["type"]) for r in refused}
    assert len(accepted) > 5
    assert len(accepted) + 1 == len(tasks)


def _submit(site: Standing) -> httpx2.Response:
    body = {"task_type": "agent_run", "input_data": {"goal": secrets.token_hex(SIZE // 2)}}
    return site.rest.http.post("/api/v1/tasks/", json=body)
