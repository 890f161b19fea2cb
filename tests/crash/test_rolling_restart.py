"""Rolling restarts under load: no client sees an error, and no model call is made a second time."""

import itertools
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import httpx2
import pytest
from checker import violations
from evidence import read
from results import FULL, record
from standing import Standing, standing

from support.model_server import ModelServer
from support.opspawn_processes import Rest, until
from support.server_process import free_port

# A drain that takes too long because the machine is busy would be an error of its clients.
pytestmark = [pytest.mark.e2e, pytest.mark.alone]

#: In each one every process is restarted once.
RESTARTS = 20 if FULL else 1

CLIENTS = 2

PLACES = (0, 1)

#: Rest of a client between two requests. Seconds.
EVERY_S = 0.15

#: Much longer than a model call, so that no drain cuts one off. Seconds.
DRAIN_S = "30"


class Balancer:
    """Two doors as one address: what one refuses to connect to goes to the other, and nothing else does."""

    def __init__(self, ports: list[int]) -> None:
        self._ports = itertools.cycle(ports)
        self._count = len(ports)

    def post(self, http: httpx2.Client, key: str) -> httpx2.Response:
        body = {"task_type": "agent_run", "input_data": {"goal": key}}
        for _ in range(self._count):
            address = f"http://127.0.0.1:{next(self._ports)}/api/v1/tasks/"
            try:
                return http.post(address, json=body, headers={"Idempotency-Key": key})
            except httpx2.ConnectError:
                continue
        raise AssertionError("both doors refuse connections")


class Load(threading.Thread):
    """A client that submits until it is told to end, and takes every answer but 201 for an error."""

    def __init__(self, balancer: Balancer) -> None:
        super().__init__(daemon=True)
        self.accepted: list[str] = []
        self.errors: list[str] = []
        self.ends = threading.Event()
        self._balancer = balancer

    def run(self) -> None:
        with httpx2.Client(timeout=10) as http:
            while not self.ends.wait(EVERY_S):
                try:
                    answer = self._balancer.post(http, str(uuid4()))
                except (httpx2.TransportError, AssertionError) as error:
                    self.errors.append(repr(error))
                    continue
                if answer.status_code == 201:
                    self.accepted.append(answer.json()["task_id"])
                else:
                    self.errors.append(f"{answer.status_code} {answer.text}")


@pytest.fixture
def site(tmp_path: Path, database_url: str, rabbitmq_url: str) -> Iterator[Standing]:
    with (
        ModelServer(delay_s=0.3).running() as model,
        standing(
            tmp_path, database_url, rabbitmq_url, model, OPSPAWN_DRAIN_GRACE_S=DRAIN_S
        ) as site,
    ):
        yield site


@pytest.mark.timeout(120 + RESTARTS * 30)
def test_rolling_restarts_cost_nobody_anything(site: Standing, database_url: str) -> None:
    """0 client errors, 0 model calls made twice, and every task completes."""
    started = time.monotonic()
    fleet = Fleet(site)
    loads = [Load(Balancer(fleet.ports)) for _ in range(CLIENTS)]
    for load in loads:
        load.start()
    for _ in range(RESTARTS):
        fleet.restart()
    for load in loads:
        load.ends.set()
        load.join()
    accepted = {task_id for load in loads for task_id in load.accepted}
    until(lambda: site.unfinished() == 0)
    tasks, events = read(database_url)
    errors = [error for load in loads for error in load.errors]
    found = [
        *violations(tasks, events, accepted),
        *(
            f"{call} was made {times} times"
            for call, times in site.model.asked.items()
            if times > 1
        ),
        *(f"{task['task_id']}: {task['error']}" for task in tasks if task["status"] != "completed"),
        *errors,
    ]
    record("rolling restarts under load", RESTARTS, len(found), time.monotonic() - started)
    assert [] == found
    handed_over = sum(event["type"] == "task.released" for event in events)
    assert handed_over > 0, "no task was under way in any restart: this proves nothing"


class Fleet:
    """Doors, workers and a dispatcher in two places, restarted one place after the other."""

    def __init__(self, site: Standing) -> None:
        self._processes = site.processes
        self._ports = [int(site.processes.environment["OPSPAWN_API_PORT"]), free_port()]
        self._running = [self._start(place) for place in PLACES]
        for place in PLACES:
            self._ready(place, workers=len(PLACES))

    @property
    def ports(self) -> list[int]:
        return self._ports

    def restart(self) -> None:
        """Restarts each process once; the other place serves meanwhile."""
        for place in PLACES:
            ready = self._ready_workers()
            for process in self._running[place]:
                process.terminate()
            assert {0} == {process.wait(60) for process in self._running[place]}
            self._running[place] = self._start(place)
            self._ready(place, workers=ready + 1)

    def _start(self, place: int) -> list[subprocess.Popen[bytes]]:
        commands = ("api", "worker") if place else ("api", "worker", "dispatcher")
        port = str(self._ports[place])
        return [self._processes.start(command, OPSPAWN_API_PORT=port) for command in commands]

    def _ready(self, place: int, *, workers: int) -> None:
        door = Rest(self._ports[place])
        door.ready(self._running[place][0])
        door.close()
        until(lambda: self._ready_workers() >= workers)

    def _ready_workers(self) -> int:
        """How many workers have said so far that they are ready."""
        log = self._processes.folder / "worker.log"
        return log.read_text().count("worker ready") if log.exists() else 0
