"""A site under a storm: faults in an order that a seed decides, and a supervisor that restarts what died."""

import math
import random
import subprocess
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Final

from standing import Standing

from support.postgres_server import PostgresServer
from support.rabbitmq_server import RabbitmqServer

#: How many of each kind of process a site has.
SIZES: Final = {"api": 1, "dispatcher": 2, "worker": 3}

#: Rest between two faults. Seconds.
EVERY_S: Final = (0.05, 0.6)


@dataclass
class Site:
    """What runs, and what was done to it. `known` gives the ids of tasks that clients know of."""

    standing: Standing
    postgres: PostgresServer
    rabbitmq: RabbitmqServer
    chance: random.Random
    known: Callable[[], Collection[str]] = tuple
    faults: list[str] = field(default_factory=list)
    _undo: list[tuple[float, Callable[[], None]]] = field(default_factory=list)

    def gust(self, faults: int, weights: Mapping[Callable[["Site"], None], int]) -> None:
        """Does so much harm, fault upon fault, then lets everything heal."""
        for _ in range(faults):
            [fault] = self.chance.choices(list(weights), list(weights.values()))
            self.faults.append(fault.__name__)
            fault(self)
            time.sleep(self.chance.uniform(*EVERY_S))  # the storm's own rhythm, nothing is awaited
            self._undo_due(time.monotonic())
            self.standing.restart_the_dead()
        self.undo_all()

    def later(self, in_s: float, undo: Callable[[], None]) -> None:
        """Undoes a fault after a while; other faults come in between."""
        self._undo.append((time.monotonic() + in_s, undo))

    def undo_all(self) -> None:
        self._undo_due(math.inf)

    def _undo_due(self, now: float) -> None:
        due = [undo for at, undo in self._undo if at <= now]
        self._undo = [(at, undo) for at, undo in self._undo if at > now]
        for undo in due:
            undo()

    def one_of(self, command: str) -> subprocess.Popen[bytes]:
        return self.chance.choice(self.standing.running[command])
