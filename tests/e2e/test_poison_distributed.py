"""A task that kills every process that runs it, among hundreds that do not, on real processes."""

import subprocess
import time
from collections import Counter
from pathlib import Path

import pytest

from support.agent_tools import AgentTools
from support.model_server import ModelServer
from support.opspawn_processes import Processes, Rest, processes, until
from support.server_process import free_port
from support.servers import NewDatabase
from support.tasks_door import TasksDoor

pytestmark = pytest.mark.e2e

INNOCENTS = 499
WORKERS = 2

#: For all of it, on a machine that runs other tests beside; alone it takes a quarter of that.
WITHIN_S = 160.0


class Supervisor:
    """Keeps workers running, as systemd or Kubernetes would."""

    def __init__(self, started: Processes) -> None:
        self._processes = started
        self._workers: list[subprocess.Popen[bytes]] = []
        self.deaths = 0

    def look(self) -> None:
        """Puts a new worker in the place of each that has died."""
        alive = [worker for worker in self._workers if worker.poll() is None]
        self.deaths += len(self._workers) - len(alive)
        self._workers = alive + [
            self._processes.start("worker") for _ in range(WORKERS - len(alive))
        ]


@pytest.mark.timeout(240)
def test_one_poison_among_500_convicts_no_innocent(
    tmp_path: Path, new_database: NewDatabase, rabbitmq_url: str
) -> None:
    """It fails as poison and is a dead letter; all others complete, and it killed four processes, no more."""
    port, database, tools = free_port(), new_database(), AgentTools(tmp_path)
    with ModelServer(delay_s=0.05).running() as model:
        model.wants["poison"] = ("die", {})
        environment = {
            "DATABASE_URL": database,
            "RABBITMQ_URL": rabbitmq_url,
            "OPSPAWN_API_PORT": str(port),
            "OPSPAWN_WORKER_SLOTS": "20",
            **model.environment,
            **tools.environment,
        }
        with processes(tmp_path, environment) as started:
            rest = Rest(port)
            rest.ready(started.start("api"))
            started.start("dispatcher")
            for number in range(INNOCENTS + 1):
                poison = number == 20
                config = {"tools": ["die"]} if poison else {"planner_type": "simple"}
                goal = "poison" if poison else f"Say {number}."
                rest.submit(input_data={"goal": goal, "agent_config": config})
            supervisor, door = Supervisor(started), TasksDoor(database)

            def all_ended() -> bool:
                supervisor.look()
                time.sleep(0.2)  # each look costs the processes under test some of their time
                return rest.total("completed") + rest.total("failed") == INNOCENTS + 1

            until(all_ended, WITHIN_S)
            rest.close()
            tasks = door.all()
    [dead] = [task for task in tasks if task.dead_letter_at is not None]
    assert {"completed": INNOCENTS, "failed": 1} == Counter(task.status for task in tasks)
    assert ("poison", "poison") == (dead.input_data["goal"], dead.reason)
    assert (2, 4) == (supervisor.deaths, tools.calls("die"))
