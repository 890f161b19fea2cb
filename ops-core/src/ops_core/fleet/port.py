"""What the operator's view of the workers asks of a store."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol


class WorkerState(StrEnum):
    """How a worker looks from the store. Each line says who moves it on."""

    #: It beats, and takes tasks. An operator, or whoever stops it, lets it drain.
    ALIVE = "alive"
    #: It hands over what it runs and takes nothing more, because it is being stopped or because an operator
    #: wants it. It goes when its process ends.
    DRAINING = "draining"
    #: It has not beaten for longer than the time-to-live. Upkeep gives back its tasks and forgets it; if it
    #: was only frozen or cut off, it beats again.
    LOST = "lost"


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenWorker:
    """A worker, as it stands in the store."""

    worker_id: str
    state: WorkerState
    host: str | None
    pid: int | None
    version: str | None
    """Of Opspawn. These three are None for a worker of a build that did not say."""

    queues: Sequence[str]
    alone: bool
    """It runs one task at a time, and only those under which workers have died."""

    slots: int
    running: int
    """What it said with its last heartbeat that it runs."""

    owned_tasks: int
    """How many tasks the store has for its own, of all tenants: the truth, where the two differ."""

    started_at: datetime
    heartbeat_at: datetime
    drain_at: datetime | None
    """Since when an operator wants it to drain."""


@dataclass(frozen=True, slots=True)
class WorkerPage:
    """Workers, newest first, and where the next page begins."""

    workers: Sequence[SeenWorker]
    next_cursor: str | None


class FleetStore(Protocol):
    """The workers of all tenants: for the operator. Raises `StoreUnavailable`."""

    async def page(self, *, limit: int, cursor: str | None) -> WorkerPage:
        """Raises `InvalidRequest` for a cursor that was not given out."""
        ...

    async def get(self, worker_id: str) -> SeenWorker:
        """Raises `WorkerNotFound`."""
        ...

    async def drain(self, worker_id: str) -> SeenWorker:
        """From its return on the worker claims nothing; its next heartbeat tells it to hand over its tasks.

        A worker that drains already is left as it is. Raises `WorkerNotFound`.
        """
        ...
