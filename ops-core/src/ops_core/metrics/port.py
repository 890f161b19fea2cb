"""What metrics ask of a store."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Protocol

from ops_core.fleet import WorkerState
from ops_core.task import Status

#: No more tasks than these are counted of one queue (pending) or of all (running, waiting, dead letters), nor
#: ends and deliveries that wait: a million would be read through at each look.
MOST: Final = 10_000

#: Which states of tasks are counted: ended ones only grow, and say nothing to be woken for.
COUNTED: Final = (Status.PENDING, Status.RUNNING, Status.WAITING)


@dataclass(slots=True)
class QueueFigures:
    """How one queue stands."""

    tasks: dict[Status, int] = field(default_factory=lambda: dict.fromkeys(COUNTED, 0))
    """At most `MOST` of a state."""

    oldest_due_s: float = 0.0
    """How long the task has been due that has been due for longest, at no gate and claimed by nobody."""

    slots: int = 0
    """What its live workers could run that take anything; a worker counts in each of its queues."""

    free_slots: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """How the installation stood, over all tenants."""

    queues: Mapping[str, QueueFigures]
    workers: Mapping[WorkerState, int]
    dead_letters: int
    ends_waiting: int
    """Ends of tasks that others have not been told of."""

    deliveries_waiting: int
    """Deliveries of webhooks that were not made yet, however often they were tried."""

    oldest_delivery_s: float
    """How long the delivery has been due that has been due for longest."""


class FiguresStore(Protocol):
    """How the installation stands."""

    async def figures(self) -> Figures:
        """Raises `StoreUnavailable`, also when it takes too long."""
        ...
