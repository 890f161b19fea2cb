"""A site under a storm: processes that are killed by a seed and started again, as a supervisor would."""

import random
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from support.opspawn_processes import Processes
from support.postgres_server import PostgresServer
from support.rabbitmq_server import RabbitmqServer

#: How many of each kind of process a site has.
SIZES = {"api": 1, "dispatcher": 2, "worker": 3}


@dataclass
class Site:
    """What runs, and what was done to it."""

    processes: Processes
    postgres: PostgresServer
    rabbitmq: RabbitmqServer
    chance: random.Random
    running: dict[str, list[subprocess.Popen[bytes]]] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)

    def start(self) -> None:
        for command, size in SIZES.items():
            self.running[command] = [self.processes.start(command) for _ in range(size)]

    def restart_the_dead(self) -> None:
        """What a supervisor does: a process that has ended is started again."""
        for command, started in self.running.items():
            for place, process in enumerate(started):
                if process.poll() is not None:
                    started[place] = self.processes.start(command)

    def storm(self, seconds: float, every_s: tuple[float, float]) -> None:
        """Does harm for a while, then lets everything heal."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            fault = self.chance.choice(FAULTS)
            self.faults.append(fault.__name__)
            fault(self)
            time.sleep(self.chance.uniform(*every_s))  # the storm's own rhythm, nothing is awaited
            self.restart_the_dead()

    def one_of(self, command: str) -> subprocess.Popen[bytes]:
        return self.chance.choice(self.running[command])


def kill_a_worker(site: Site) -> None:
    site.one_of("worker").send_signal(signal.SIGKILL)


def drain_a_worker(site: Site) -> None:
    site.one_of("worker").send_signal(signal.SIGTERM)


def freeze_a_worker(site: Site) -> None:
    """Long enough for others to take its tasks, then it comes back as a zombie."""
    frozen = site.one_of("worker")
    frozen.send_signal(signal.SIGSTOP)
    time.sleep(site.chance.uniform(0.5, 3.0))
    frozen.send_signal(signal.SIGCONT)


def kill_a_dispatcher(site: Site) -> None:
    site.one_of("dispatcher").send_signal(signal.SIGKILL)


def kill_the_api(site: Site) -> None:
    site.one_of("api").send_signal(signal.SIGKILL)


def crash_postgresql(site: Site) -> None:
    site.postgres.kill()
    site.postgres.start()


def kill_rabbitmq(site: Site) -> None:
    site.rabbitmq.kill()
    site.rabbitmq.start()


def freeze_rabbitmq(site: Site) -> None:
    site.rabbitmq.freeze()
    time.sleep(site.chance.uniform(0.2, 2.0))
    site.rabbitmq.thaw()


FAULTS: tuple[Callable[[Site], None], ...] = (
    kill_a_worker,
    kill_a_worker,
    kill_a_worker,
    drain_a_worker,
    freeze_a_worker,
    kill_a_dispatcher,
    kill_the_api,
    crash_postgresql,
    kill_rabbitmq,
    freeze_rabbitmq,
)
