"""The processes of docker-compose.yml, started from that file on real servers: they work and are healthy.

What a container adds (image, network, restarts) is not here; commands, environment, health checks and the
order in which they start are.
"""

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from support.server_process import free_port

ROOT = Path(__file__).resolve().parents[2]
HEALTH = ROOT / "docker" / "health.py"

#: Seconds that a process may take to become healthy on a busy machine.
PATIENCE_S = 60


class Machine:
    """Runs services of the compose file as processes, each with the environment that the file gives it."""

    def __init__(self, database_url: str, rabbitmq_url: str, folder: Path) -> None:
        text = (ROOT / "docker-compose.yml").read_text()
        text = re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", text)  # as Compose does with an empty .env
        self.services: dict[str, dict[str, Any]] = yaml.safe_load(text)["services"]
        self.ports = {"OPSPAWN_API_PORT": str(free_port()), "OPSPAWN_GRPC_PORT": str(free_port())}
        self._servers = {"DATABASE_URL": database_url, "RABBITMQ_URL": rabbitmq_url}
        self._folder = folder
        self._key = ""

    def environment(self, service: str) -> dict[str, str]:
        """As in the file, but for the addresses, which here are those of one machine."""
        given: dict[str, str] = self.services[service]["environment"]
        here = {**self._servers, **self.ports, "OPSPAWN_HOST": "127.0.0.1"}
        return {
            "PATH": os.defpath,
            **{key: here.get(key, value or "") for key, value in given.items()},
        }

    def run(self, service: str) -> None:
        done = subprocess.run(**self._options(service), capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr

    def make_key(self) -> None:
        """As docs/how-to/run-with-compose.md says."""
        options = self._options("migrate")
        options["args"][1:] = ["keys", "create", "first"]
        done = subprocess.run(**options, capture_output=True, text=True, check=True)
        self._key = done.stdout.strip()

    @contextmanager
    def running(self, service: str) -> Iterator["subprocess.Popen[bytes]"]:
        log = self._folder / f"{service}-{time.monotonic_ns()}.log"
        with log.open("wb") as output:
            process = subprocess.Popen(**self._options(service), stdout=output, stderr=output)
        try:
            yield process
        finally:
            process.terminate()
            process.wait(PATIENCE_S)

    def healthy(self, service: str) -> bool:
        command = [sys.executable, HEALTH, self.services[service]["healthcheck"]["test"][3]]
        environment = self.environment(service)
        return (
            subprocess.run(command, env=environment, capture_output=True, check=False).returncode
            == 0
        )

    def wait_until_healthy(self, service: str) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while not self.healthy(service):
            logs = sorted(self._folder.glob(f"{service}-*.log"))
            assert time.monotonic() < deadline, "\n".join(log.read_text() for log in logs)
            time.sleep(0.2)

    def call(self, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        url = f"http://127.0.0.1:{self.ports['OPSPAWN_API_PORT']}{path}"
        data = json.dumps(body).encode() if body is not None else None
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {self._key}"}
        request = urllib.request.Request(url, data, headers)
        with urllib.request.urlopen(request, timeout=PATIENCE_S) as response:
            answer: dict[str, Any] = json.load(response)
            return answer

    def _options(self, service: str) -> dict[str, Any]:
        program, *arguments = self.services[service]["command"]
        found = shutil.which(program, path=str(Path(sys.executable).parent))
        return {
            "args": [found, *arguments],
            "env": self.environment(service),
            "cwd": self._folder,
            "stdin": subprocess.DEVNULL,
        }


@pytest.fixture
def machine(empty_database_url: str, rabbitmq_url: str, tmp_path: Path) -> Iterator[Machine]:
    """All services up, in the order of the file."""
    machine = Machine(empty_database_url, rabbitmq_url, tmp_path)
    machine.run("migrate")
    machine.make_key()
    with ExitStack() as stack:
        for service in ("api", "grpc", "dispatcher", *["worker"] * 2):
            stack.enter_context(machine.running(service))
        for service in ("api", "grpc", "dispatcher", "worker"):
            machine.wait_until_healthy(service)
        yield machine


def test_a_task_goes_through_all_of_them(machine: Machine) -> None:
    sent = machine.call(
        "/api/v1/tasks/", {"task_type": "agent_run", "input_data": {"goal": "Say hello."}}
    )
    deadline = time.monotonic() + PATIENCE_S
    while (task := machine.call(f"/api/v1/tasks/{sent['task_id']}"))["status"] in {
        "pending",
        "running",
    }:
        assert time.monotonic() < deadline, task
        time.sleep(0.2)
    assert task["status"] == "completed", task["error"]


def test_a_worker_is_unhealthy_once_it_is_gone(
    database_url: str, rabbitmq_url: str, tmp_path: Path
) -> None:
    machine = Machine(database_url, rabbitmq_url, tmp_path)
    with machine.running("worker") as worker:
        machine.wait_until_healthy("worker")
        worker.terminate()
        worker.wait(PATIENCE_S)
        assert not machine.healthy("worker"), (
            f"{socket.gethostname()} has a heartbeat and no worker"
        )
