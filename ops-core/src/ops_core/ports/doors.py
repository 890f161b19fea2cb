"""The store as the doors see it: every call acts for one tenant."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from ops_core.log import Event, NewEvent
from ops_core.task import NewTask, Status, Task


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskFilter:
    """Which tasks to list; a field that is None does not filter."""

    status: Status | None = None
    task_type: str | None = None
    agent: str | None = None
    label: tuple[str, str] | None = None
    parent_task_id: str | None = None
    thread_id: str | None = None
    dead_letter: bool | None = None
    created_after: datetime | None = None
    updated_since: datetime | None = None

    by_update: bool = False
    """What moved last first, instead of the newest. No index serves it, for it would have to be written with
    every step: it looks at as many tasks as the filters leave, as `total` does."""

    def place_of(self, task: Task) -> tuple[datetime, str]:
        """By what its page is in order, the largest first."""
        return task.updated_at if self.by_update else task.created_at, task.task_id


@dataclass(frozen=True, slots=True)
class TaskPage:
    """One page, in the order that was asked for. `next_cursor` is None on the last page."""

    tasks: list[Task]
    total: int
    next_cursor: str | None


Decide = Callable[[Task, Sequence[Event]], NewEvent]
"""Makes the event that brings something to a task, or raises a `CallerError`; pure."""


class TaskStore(Protocol):
    """The store as the doors see it: every call acts for one tenant.

    Raises `StoreUnavailable` when PostgreSQL is away.
    """

    async def submit(self, new: NewTask) -> tuple[Task, bool]:
        """Stores the task and its first event in one transaction.

        Returns the task and whether it is new: False when the idempotency key had stored it before.
        Raises `IdempotencyConflict` when the key came with another request, `InvalidRequest` when its
        parent or a task it depends on does not fit, and `NotNow` when too much is under way.
        """
        ...

    async def get(self, tenant_id: str, task_id: str) -> Task:
        """Raises `TaskNotFound`."""
        ...

    async def events(self, tenant_id: str, task_id: str, *, after: int, limit: int) -> list[Event]:
        """The events with `seq > after`, in order. Raises `TaskNotFound`."""
        ...

    async def cancel(self, tenant_id: str, task_id: str) -> Task:
        """Cancels a task that nobody runs; asks the owner of a running one to stop.

        A task already cancelled is returned as it is. Raises `TaskNotFound`, `TaskFinished`.
        """
        ...

    async def retry(self, tenant_id: str, task_id: str) -> Task:
        """Opens the next generation of an ended task: pending, rung soon, on the same log.

        Raises `TaskNotFound`, `TaskNotEnded`, and `InvalidRequest` when a task that it depends on has failed
        or was cancelled.
        """
        ...

    async def log(self, tenant_id: str, task_id: str) -> list[Event]:
        """The whole log, journal included. Raises `TaskNotFound`."""
        ...

    async def signal(self, tenant_id: str, task_id: str, decide: Decide) -> Task:
        """Appends the event that `decide` makes of the task and its log, and wakes the task if it waits.

        Both under the task's row lock. A running task finds the event when it would wait. Raises
        `TaskNotFound`, `TaskFinished`, and what `decide` raises.
        """
        ...

    async def discard(self, tenant_id: str, task_id: str) -> Task:
        """Takes a task off the list of dead letters. Raises `TaskNotFound`, `NotADeadLetter`."""
        ...

    async def check(self) -> str:
        """Returns the database's schema revision; raises `StoreUnavailable`."""
        ...

    async def page(
        self, tenant_id: str, where: TaskFilter, *, limit: int, cursor: str | None
    ) -> TaskPage:
        """Newest first, stable under inserts; or what moved last first.

        Raises `InvalidRequest` for a cursor it did not give out.
        """
        ...
