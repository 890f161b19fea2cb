"""How soon an agent goes on after its worker was killed or frozen, and a cancel reaches a model call."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

from benchmarks.held_model import HeldModel

from support.opspawn_processes import Processes, Rest, processes, until
from support.postgres_server import PostgresServer
from support.rabbitmq_server import RabbitmqServer
from support.server_process import free_port

#: Nothing here takes longer unless it is broken. Seconds.
WITHIN_S = 60.0


@dataclass
class Site:
    """One API, one dispatcher and some workers on servers of their own, with a model that holds calls."""

    started: Processes
    rest: Rest
    model: HeldModel
    workers: list[subprocess.Popen[bytes]]
    rabbitmq: RabbitmqServer

    def add_worker(self) -> None:
        self.workers.append(self.started.start("worker"))

    def all_ready(self) -> None:
        """Returns when every worker that was started has said that it is ready."""
        until(
            lambda: self.started.log("worker").count("worker ready") == len(self.workers), WITHIN_S
        )

    def standing(self) -> dict[str, Any]:
        """A task whose agent is inside its second model call."""
        goal = uuid4().hex
        task = self.rest.submit(goal)
        self.model.wait_for_call(goal, 2, "came", WITHIN_S)
        return task | {"goal": goal}

    def owner_of(self, task: dict[str, Any]) -> int:
        """The process id of the worker that runs it, as the log names it."""
        claimed = [e for e in self.rest.events(task) if e["type"] == "task.claimed"]
        return int(claimed[-1]["data"]["worker"].rsplit("-", 2)[1])


@contextmanager
def site(
    folder: Path, postgres: PostgresServer, rabbitmq: RabbitmqServer, workers: int, **settings: str
) -> Iterator[Site]:
    port = free_port()
    with HeldModel().running() as model:
        assert isinstance(model, HeldModel)
        environment = {
            "DATABASE_URL": postgres.url,
            "RABBITMQ_URL": rabbitmq.url,
            "OPSPAWN_API_PORT": str(port),
            "OPSPAWN_HEARTBEAT_TTL_S": "10",
            "OPSPAWN_RING_GRACE_S": "5",
            **model.environment,
            **settings,
        }
        with processes(folder, environment) as started:
            api = started.start("api")
            started.start("dispatcher")
            rest = Rest(port)
            rest.ready(api)
            stage = Site(started, rest, model, [], rabbitmq)
            for _ in range(workers):
                stage.add_worker()
            yield stage
            model.held_step = None
            rest.close()


def after_kill(stage: Site, trials: int) -> list[float]:
    """Seconds from `kill -9` of the owner to the same model call made by another worker."""
    return [_taken_over(stage, _kill) for _ in range(trials)]


def after_freeze(stage: Site, trials: int) -> list[float]:
    """Seconds from SIGSTOP of the owner to the same model call made by another worker."""
    return [_taken_over(stage, _freeze) for _ in range(trials)]


def _taken_over(stage: Site, fault: Callable[[Site, int], Callable[[], None]]) -> float:
    stage.all_ready()
    task = stage.standing()
    owner = stage.owner_of(task)
    began = time.monotonic()
    heal = fault(stage, owner)
    again = stage.model.wait_for_call(task["goal"], 2, "came", WITHIN_S)
    heal()
    stage.rest.http.post(f"/api/v1/tasks/{task['task_id']}/cancel")
    stage.rest.ended(task)
    return again - began


def _kill(stage: Site, owner: int) -> Callable[[], None]:
    os.kill(owner, signal.SIGKILL)
    stage.add_worker()
    return lambda: None


def _freeze(_stage: Site, owner: int) -> Callable[[], None]:
    os.kill(owner, signal.SIGSTOP)
    return lambda: os.kill(owner, signal.SIGCONT)


def cancels(rest: Rest, model: HeldModel, trials: int, pause_s: Callable[[], float]) -> list[float]:
    """Seconds from a cancel's request to the model's side of the call being closed."""
    found = []
    for _ in range(trials):
        goal = uuid4().hex
        task = rest.submit(goal)
        model.wait_for_call(goal, 2, "came", WITHIN_S)
        time.sleep(pause_s())  # anywhere between two heartbeats; nothing is awaited
        began = time.monotonic()
        rest.http.post(f"/api/v1/tasks/{task['task_id']}/cancel").raise_for_status()
        found.append(model.wait_for_call(goal, 2, "gone", WITHIN_S) - began)
        rest.ended(task)
    return found


def submits(rest: Rest, count: int) -> list[float]:
    """Seconds of each submit, one after another, while workers take what they can."""
    found = []
    for _ in range(count):
        began = time.monotonic()
        rest.submit(retry_policy={"max_attempts": 1})
        found.append(time.monotonic() - began)
    return found


def idle(rest: Rest) -> None:
    """Returns when nothing is pending or running."""

    def quiet() -> bool:
        counts = [
            rest.http.get("/api/v1/tasks/", params={"status": status, "limit": 1}).json()["total"]
            for status in ("pending", "running")
        ]
        return not any(counts)

    until(quiet, WITHIN_S * 4)
