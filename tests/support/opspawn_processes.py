"""Starts Opspawn's processes as a user would, and ends them as a datacentre would."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import httpx2

T = TypeVar("T")

#: Seconds for what a test waits for: five processes that start while other tests start theirs take many.
WITHIN_S = 60.0

#: Terminal states, as clients see them.
ENDED = {"completed", "failed", "cancelled"}


class Processes:
    """Runs `opspawn …` in a folder of its own, with nothing of this environment but the path."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self.folder = folder
        self.environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            # So long that a test which needs it fails: what dies is found by its presence.
            "OPSPAWN_HEARTBEAT_TTL_S": "120",
            "OPSPAWN_RING_GRACE_S": "0.5",
            # Who comes in is not what these tests are about.
            "OPSPAWN_AUTH": "none",
            **environment,
        }
        self._running: list[subprocess.Popen[bytes]] = []

    def start(self, *arguments: str, **environment: str) -> subprocess.Popen[bytes]:
        """Starts one process; what it prints goes to `<command>.log` in the folder."""
        with (self.folder / f"{arguments[0]}.log").open("ab") as log:
            process = subprocess.Popen(
                [Path(sys.executable).with_name("opspawn"), *arguments],
                cwd=self.folder,
                env={**self.environment, **environment},
                stdout=log,
                stderr=log,
            )
        self._running.append(process)
        return process

    def run(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Runs a command to its end."""
        return subprocess.run(
            [Path(sys.executable).with_name("opspawn"), *arguments],
            cwd=self.folder,
            env={**self.environment, **environment},
            capture_output=True,
            text=True,
            timeout=WITHIN_S,
            check=False,
        )

    def log(self, command: str) -> str:
        return (self.folder / f"{command}.log").read_text(errors="replace")

    def kill(self) -> None:
        """`kill -9` of all of them, as when the machine dies."""
        for process in self._running:
            process.kill()
        for process in self._running:
            process.wait()
        self._running.clear()

    def close(self) -> None:
        for process in self._running:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
        for process in self._running:
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


@contextmanager
def processes(folder: Path, environment: Mapping[str, str]) -> Iterator[Processes]:
    started = Processes(folder, environment)
    try:
        yield started
    finally:
        started.close()


class Rest:
    """A REST client of one server, as a test needs it."""

    def __init__(self, port: int) -> None:
        self.http = httpx2.Client(base_url=f"http://127.0.0.1:{port}", timeout=10)

    def close(self) -> None:
        self.http.close()

    def ready(self, process: subprocess.Popen[Any]) -> None:
        """Returns when the server is ready; fails at once when its process has ended."""

        def answers() -> bool:
            assert process.poll() is None, "the server ended before it was ready; see its log"
            try:
                return self.http.get("/ready").status_code == 200
            except httpx2.TransportError:
                return False

        until(answers)

    def submit(self, goal: str = "What is 17 * 23?", **fields: object) -> dict[str, Any]:
        body = {"task_type": "agent_run", "input_data": {"goal": goal}, **fields}
        answer = self.http.post("/api/v1/tasks/", json=body)
        assert answer.status_code == 201, answer.text
        return dict(answer.json())

    def get(self, task: Mapping[str, Any]) -> dict[str, Any]:
        return dict(self.http.get(f"/api/v1/tasks/{task['task_id']}").raise_for_status().json())

    def total(self, status: str) -> int:
        """How many tasks are in that state."""
        answer = self.http.get("/api/v1/tasks/", params={"limit": 1, "status": status})
        return int(answer.raise_for_status().json()["total"])

    def events(self, task: Mapping[str, Any]) -> list[dict[str, Any]]:
        answer = self.http.get(f"/api/v1/tasks/{task['task_id']}/events")
        return list(answer.raise_for_status().json()["events"])

    def ended(self, task: Mapping[str, Any]) -> dict[str, Any]:
        """The task once it has ended."""
        until(lambda: self.get(task)["status"] in ENDED)
        return self.get(task)


def until(condition: Callable[[], T], within_s: float = WITHIN_S) -> T:
    """Waits for what another process does, which has no event to wait on here."""
    deadline = time.monotonic() + within_s
    while not (value := condition()):
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)
    return value
