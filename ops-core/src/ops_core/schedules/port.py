"""What schedules ask of a store. Its fake is `ops_core.testing.MemorySchedules`."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from ops_core.schedules.model import (
    FiringPage,
    Schedule,
    SchedulePage,
    ScheduleSpec,
    Triggered,
)
from ops_core.task import NewTask


class ScheduleStore(Protocol):
    """Schedules as the doors see them: every call acts for one tenant.

    Raises `StoreUnavailable` when PostgreSQL is away.
    """

    async def create(self, tenant_id: str, spec: ScheduleSpec, *, by: str) -> Schedule:
        """Raises `ScheduleExists` when the name is taken."""
        ...

    async def get(self, tenant_id: str, schedule_id: str) -> Schedule:
        """Raises `ScheduleNotFound`."""
        ...

    async def page(self, tenant_id: str, *, limit: int, cursor: str | None) -> SchedulePage:
        """Newest first, stable under inserts. Raises `InvalidRequest` for a cursor it did not give out."""
        ...

    async def change(self, seen: Schedule, spec: ScheduleSpec) -> Schedule:
        """Replaces the spec of the schedule that was seen; its next firing is counted from now.

        Raises `ScheduleNotFound`, `ScheduleExists`, and `ScheduleChanged` when it is another one by now.
        """
        ...

    async def pause(self, tenant_id: str, schedule_id: str, reason: str | None) -> Schedule:
        """No firing until `resume`. A paused one is returned as it is. Raises `ScheduleNotFound`."""
        ...

    async def resume(self, tenant_id: str, schedule_id: str) -> Schedule:
        """What would have fired meanwhile is not made up for. Raises `ScheduleNotFound`."""
        ...

    async def delete(self, tenant_id: str, schedule_id: str) -> None:
        """Forgets it and its history; its tasks stay. Raises `ScheduleNotFound`."""
        ...

    async def trigger(
        self, tenant_id: str, schedule_id: str, template: NewTask, *, key: str | None
    ) -> Triggered:
        """Submits a task now, whatever the policies say; the same key is the same task.

        Raises `ScheduleNotFound`, and `NotNow` when too much is under way.
        """
        ...

    async def firings(
        self, tenant_id: str, schedule_id: str, *, limit: int, cursor: str | None
    ) -> FiringPage:
        """The history, newest first. Raises `ScheduleNotFound`, `InvalidRequest`."""
        ...

    async def now(self) -> datetime:
        """The clock that decides."""
        ...


class DueStore(Protocol):
    """Schedules as the dispatcher sees them: of all tenants."""

    async def due(self, limit: int) -> Sequence[Schedule]:
        """Schedules with something to do, the longest overdue first. Locks nothing.

        Those of a disabled tenant have nothing to do.
        """
        ...

    async def fire(self, seen: Schedule, template: NewTask) -> int:
        """Carries out what is due of a schedule, each task with its firing's history and the next time.

        A firing whose task is refused because too much is under way, in all or in its thread, is skipped;
        one that was queued waits on. Returns how many firings that were; 0 when another dispatcher was
        faster, or when there is no room for what was queued.
        """
        ...

    async def fail(self, seen: Schedule, reason: str) -> bool:
        """Records that the due firing could not be carried out, and pauses the schedule for that reason.

        Returns False when another dispatcher was faster.
        """
        ...
