"""The store as a worker sees it, and what the two tell each other."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, Protocol

from ops_core.ask import OPENS
from ops_core.budgets.ledger import Settlement, Verdict, Wanted
from ops_core.log import Event, EventType, NewEvent
from ops_core.moves import Move
from ops_core.task import JsonObject, Status, Task, TaskError, Usage


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to write one task: worthless as soon as the task has a later epoch."""

    tenant_id: str
    task_id: str
    owner: str
    epoch: int


@dataclass(frozen=True, slots=True)
class Append:
    """Events that the owner of a task adds to its log, and what they used."""

    lease: Lease
    events: Sequence[NewEvent]
    usage: Usage
    settles: Settlement | None = None
    """What a step that is paid from budgets has used."""

    is_repeated: bool = False
    """Asked for before, and nobody knows whether it was stored: the store looks, and stores it once."""

    @property
    def asks(self) -> bool:
        """Whether it asks a person for something, which doors show across tasks."""
        return any(event.type in OPENS for event in self.events)

    @property
    def opens_effect(self) -> bool:
        """Whether it holds the intent of a call that must not be made twice."""
        return any(event.type is EventType.TOOL_DISPATCHED for event in self.events)


@dataclass(frozen=True, slots=True)
class Ending:
    """How the owner of a task ends it, when no call of it can be in doubt."""

    lease: Lease
    move: Move


@dataclass(frozen=True, slots=True)
class Orders:
    """What a worker learns from its heartbeat."""

    cancelled: frozenset[str]
    """Ids of its tasks that a client asked to cancel."""

    owned: frozenset[Lease]
    """What it still owns; anything else that it runs was taken from it."""

    suspects: bool = False
    """Whether tasks of its queues, that it could run, wait for a worker that runs nothing else."""

    drain: bool = False
    """Whether an operator wants it to hand over what it runs, and to take nothing more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """What a worker says of itself."""

    alone: bool = False
    """It runs one task at a time and takes only suspects: tasks under which workers have died."""

    pins: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """By task type: the versions that a task is tied to at its first claim."""

    supports: frozenset[str] = frozenset()
    """Every version, old ones too, that it can run; it is given no task that is tied to another one."""

    host: str | None = None
    pid: int | None = None
    version: str | None = None
    """Where it runs, and what: for people to see."""

    draining: bool = False
    """It hands over what it runs and takes nothing more. The one thing here that changes."""


ORDINARY: Final = Profile()


class Appended(StrEnum):
    """What became of one append of a batch."""

    STORED = "stored"
    LOST = "lost"
    """The lease is no longer good: the worker must stop that task."""

    BUSY = "busy"
    """Somebody else holds the row this moment: ask again with the next batch."""

    CANCELLED = "cancelled"
    """An unsafe effect would begin in a task of which a client was told that it will be cancelled."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildEnd:
    """How a child of a task ended."""

    task_id: str
    status: Status
    result: JsonObject | None
    error: TaskError | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """What was asked in a thread before, and what came of it: one ended task."""

    task_id: str
    status: Status
    input_data: JsonObject
    result: JsonObject | None


class WorkerStore(Protocol):
    """The store as a worker sees it: claims, steps and settlements of the tasks it owns."""

    async def claim(self, worker_id: str, queues: Sequence[str], count: int) -> list[Task]:
        """Takes at most `count` due tasks, best first, and makes `worker_id` their owner under a new epoch.

        Only tasks that suit the profile that the worker last beat with. One that has not beaten, was
        declared dead since, or is to drain, gets none.
        """
        ...

    async def history(self, lease: Lease) -> list[Event]:
        """The whole log of the task, journal included, for replay."""
        ...

    async def append(self, batch: Sequence[Append]) -> list[Appended]:
        """Commits the batch (at most one append a task) together; tells what became of each append.

        Raises `StoreUnavailable` when it is not known whether the batch was committed.
        """
        ...

    async def settle(self, lease: Lease, move: Move) -> Task:
        """Applies the move, as `met` by what happened meanwhile, in one transaction.

        Raises `LostOwnership`.
        """
        ...

    async def end_together(self, batch: Sequence[Ending]) -> list[bool]:
        """Ends the tasks (each one once) in one transaction; tells of each whether it was ended.

        One that was not is held by somebody else, for a moment or for good: `settle` finds out. For tasks
        without a concurrency key, whose gate would have to be opened. Raises `StoreUnavailable`.
        """
        ...

    async def children(self, lease: Lease, task_ids: Sequence[str]) -> list[ChildEnd]:
        """Those of the children that have ended, with what they came to."""
        ...

    async def definitions(
        self, tenant_id: str, versions: Sequence[tuple[str, int]]
    ) -> dict[tuple[str, int], JsonObject]:
        """The definitions of these versions of agents, by name and number: they never change."""
        ...

    async def earlier(self, lease: Lease, limit: int) -> list[Exchange]:
        """The last `limit` tasks that ended before this one in its thread, oldest first."""
        ...

    async def reserve(
        self,
        lease: Lease,
        path: str,
        wanted: Wanted,
        budget_ids: Sequence[str],
        *,
        waited: bool = False,
    ) -> Verdict:
        """Reserves in every one of the budgets what the call at `path` may use, or in none of them.

        What was reserved under epochs that are over, or before for this call, does not count. Budgets that
        are not there limit nothing. Raises `LostOwnership`, and `StoreUnavailable`: then nobody knows, and
        asking again reserves once. `waited`: something was in the way before, and the store is to look
        whether it still is before it keeps others from these budgets.
        """
        ...

    async def put_back(self, lease: Lease, path: str, budget_ids: Sequence[str]) -> None:
        """Gives back what is reserved for a call that was not made, or failed."""
        ...

    async def beat(
        self,
        worker_id: str,
        queues: Sequence[str],
        *,
        slots: int,
        running: int,
        profile: Profile = ORDINARY,
    ) -> Orders:
        """Shows that the worker lives, and brings its orders. One row for all its tasks."""
        ...

    def presence(self, worker_id: str) -> AbstractAsyncContextManager[None]:
        """Holds, inside the block, what the store loses at once when this process dies."""
        ...

    async def leave(self, worker_id: str) -> None:
        """Forgets the worker, if it owns nothing (else its tasks would have no one to bury it for).

        What it does own is given back when it is buried, and its end is no death of that task's making.
        """
        ...
