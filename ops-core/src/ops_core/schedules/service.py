"""What can be done with schedules: every door is a translation of these methods."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from itertools import islice

from ops_core.bounds import check_count, checked_id, checked_key
from ops_core.schedules.model import FiringPage, Schedule, SchedulePage, Triggered
from ops_core.schedules.port import ScheduleStore
from ops_core.schedules.request import ScheduleChange, ScheduleRequest, parse_schedule
from ops_core.schedules.template import prepared
from ops_core.schedules.timing import timing_of
from ops_core.service import TaskService

#: Firings that can be foretold at once.
MAX_NEXT = 100


class ScheduleService:
    """`tasks` judges the templates, by the rules of a submit."""

    def __init__(self, store: ScheduleStore, tasks: TaskService) -> None:
        self._store = store
        self._tasks = tasks

    async def create(self, request: ScheduleRequest, *, tenant_id: str, by: str) -> Schedule:
        """Raises `InvalidRequest`, `ScheduleExists`; then nothing was stored."""
        await prepared(self._tasks, request.task, tenant_id=tenant_id)
        return await self._store.create(tenant_id, request.spec(), by=by)

    async def get(self, schedule_id: str, *, tenant_id: str) -> Schedule:
        """Raises `ScheduleNotFound`."""
        return await self._store.get(tenant_id, checked_id(schedule_id, "schedule_id"))

    async def list(
        self, *, tenant_id: str, limit: int = 50, cursor: str | None = None
    ) -> SchedulePage:
        """One page, newest first. Raises `InvalidRequest`."""
        check_count(limit)
        return await self._store.page(tenant_id, limit=limit, cursor=cursor)

    async def change(self, schedule_id: str, change: ScheduleChange, *, tenant_id: str) -> Schedule:
        """Raises `ScheduleNotFound`, `InvalidRequest`, `ScheduleExists`, `ScheduleChanged`."""
        seen = await self.get(schedule_id, tenant_id=tenant_id)
        request = parse_schedule({**asdict(seen.spec), **change.sent()})
        await prepared(self._tasks, request.task, tenant_id=tenant_id)
        return await self._store.change(seen, request.spec())

    async def pause(
        self, schedule_id: str, *, tenant_id: str, reason: str | None = None
    ) -> Schedule:
        """No firing until it is resumed. Raises `ScheduleNotFound`."""
        return await self._store.pause(tenant_id, checked_id(schedule_id, "schedule_id"), reason)

    async def resume(self, schedule_id: str, *, tenant_id: str) -> Schedule:
        """Goes on with the next firing from now. Raises `ScheduleNotFound`."""
        return await self._store.resume(tenant_id, checked_id(schedule_id, "schedule_id"))

    async def delete(self, schedule_id: str, *, tenant_id: str) -> None:
        """Forgets the schedule and its history; its tasks stay. Raises `ScheduleNotFound`."""
        await self._store.delete(tenant_id, checked_id(schedule_id, "schedule_id"))

    async def trigger(
        self, schedule_id: str, *, tenant_id: str, idempotency_key: str | None = None
    ) -> Triggered:
        """Submits a task now, also of a paused schedule and beside one that has not ended.

        Raises `ScheduleNotFound`, `NotNow`, and `InvalidRequest` when the template is good no more.
        """
        checked_key(idempotency_key)
        seen = await self.get(schedule_id, tenant_id=tenant_id)
        new = await prepared(self._tasks, seen.spec.task, tenant_id=tenant_id)
        triggered = await self._store.trigger(tenant_id, schedule_id, new, key=idempotency_key)
        if triggered.created:
            self._tasks.ring(triggered.task)
        return triggered

    async def upcoming(
        self, schedule_id: str, *, tenant_id: str, count: int = 10
    ) -> Sequence[datetime]:
        """The next firings from now, as if it were not paused.

        Raises `ScheduleNotFound`, `InvalidRequest`.
        """
        check_count(count, "count", MAX_NEXT)
        seen = await self.get(schedule_id, tenant_id=tenant_id)
        timing = timing_of(seen.spec, seen.created_at)
        return tuple(islice(timing.following(await self._store.now()), count))

    async def firings(
        self, schedule_id: str, *, tenant_id: str, limit: int = 50, cursor: str | None = None
    ) -> FiringPage:
        """What became of the latest firings, newest first. Raises `ScheduleNotFound`, `InvalidRequest`."""
        check_count(limit)
        return await self._store.firings(
            tenant_id, checked_id(schedule_id, "schedule_id"), limit=limit, cursor=cursor
        )
