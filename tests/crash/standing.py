"""An Opspawn as an operator has it: its processes, its servers and a model, for a test to do harm to."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pika

from support.model_server import ModelServer
from support.opspawn_processes import Processes, Rest, processes
from support.server_process import free_port


@dataclass
class Standing:
    """What runs. `running` has the processes of each command, in the places they were started for."""

    processes: Processes
    model: ModelServer
    rest: Rest
    rabbitmq_url: str
    running: dict[str, list[subprocess.Popen[bytes]]] = field(default_factory=dict)

    def start(self, **sizes: int) -> None:
        """Starts so many of each command, and returns when the API answers, if it is one of them."""
        for command, size in sizes.items():
            for _ in range(size):
                self.running.setdefault(command, []).append(self.processes.start(command))
        if "api" in sizes:
            self.rest.ready(self.running["api"][0])

    def start_one(self, command: str, **environment: str) -> subprocess.Popen[bytes]:
        """Starts one with an environment of its own."""
        process = self.processes.start(command, **environment)
        self.running.setdefault(command, []).append(process)
        if command == "api":
            self.rest.ready(process)
        return process

    def restart_the_dead(self) -> None:
        """What a supervisor does: a process that has ended is started again."""
        for command, started in self.running.items():
            for place, process in enumerate(started):
                if process.poll() is not None:
                    started[place] = self.processes.start(command)

    def kill(self, command: str) -> None:
        """`kill -9` of all of them."""
        for process in self.running.pop(command, []):
            process.kill()
            process.wait()

    def unfinished(self) -> int | None:
        """How many tasks have not ended; None while the API cannot tell."""
        found = 0
        for status in ("pending", "running", "waiting"):
            answer = self.rest.http.get(f"/api/v1/tasks/?status={status}&limit=1")
            if answer.status_code != 200:
                return None
            found += int(answer.json()["total"])
        return found

    def queue(self, name: str = "default") -> tuple[int, int]:
        """How many rings wait in a queue, and how many listen to it; (0, 0) when there is none."""
        with pika.BlockingConnection(pika.URLParameters(self.rabbitmq_url)) as connection:
            try:
                found = connection.channel().queue_declare(name, passive=True).method
            except pika.exceptions.ChannelClosedByBroker:
                return 0, 0
            return found.message_count, found.consumer_count

    def purge(self, name: str = "default") -> None:
        """Throws away every ring that waits."""
        with pika.BlockingConnection(pika.URLParameters(self.rabbitmq_url)) as connection:
            connection.channel().queue_purge(name)


@contextmanager
def standing(
    folder: Path, database_url: str, rabbitmq_url: str, model: ModelServer, **environment: str
) -> Iterator[Standing]:
    """Nothing runs yet; everything that was started ends with the block."""
    port = free_port()
    settings = {
        "DATABASE_URL": database_url,
        "RABBITMQ_URL": rabbitmq_url,
        "OPSPAWN_API_PORT": str(port),
        "OPSPAWN_DRAIN_GRACE_S": "5",
        **model.environment,
        **environment,
    }
    rest = Rest(port)
    with processes(folder, settings) as started:
        yield Standing(started, model, rest, rabbitmq_url)
    rest.close()
