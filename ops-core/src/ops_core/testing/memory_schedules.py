"""Schedules in memory, over the in-memory store of tasks: the fake of both ports, for tests."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime

from ops_core.errors import ScheduleChanged, ScheduleExists, ScheduleNotFound, TaskNotFound
from ops_core.ports import TaskStore
from ops_core.schedules.history import before
from ops_core.schedules.model import (
    KEPT_FIRINGS,
    Firing,
    FiringPage,
    Outcome,
    Schedule,
    SchedulePage,
    ScheduleSpec,
    Triggered,
    new_schedule_id,
)
from ops_core.schedules.plan import NO_ROOM, Planned, has_due, plan, task_for, triggered_task
from ops_core.schedules.timing import timing_of
from ops_core.task import NewTask
from ops_core.testing.pages import page_of

Key = tuple[str, str]


class MemorySchedules:
    """`ScheduleStore` and `DueStore` over dictionaries; `clock` is that of `tasks`."""

    def __init__(self, tasks: TaskStore, clock: Callable[[], datetime]) -> None:
        self._tasks = tasks
        self._clock = clock
        self._schedules: dict[Key, Schedule] = {}
        self._firings: dict[Key, list[Firing]] = {}
        self.disabled: set[str] = set()
        """Tenants that are."""

    async def create(self, tenant_id: str, spec: ScheduleSpec, *, by: str) -> Schedule:
        self._check_name(tenant_id, spec.name)
        now = self._clock()
        schedule = Schedule(
            schedule_id=new_schedule_id(),
            tenant_id=tenant_id,
            spec=spec,
            created_by=by,
            created_at=now,
            updated_at=now,
            paused_at=None,
            paused_reason=None,
            next_fire_at=timing_of(spec, now).after(now),
            last_fired_at=None,
            last_task_id=None,
            queued=0,
            firings=0,
            revision=1,
        )
        self._firings[tenant_id, schedule.schedule_id] = []
        return self._put(schedule)

    async def get(self, tenant_id: str, schedule_id: str) -> Schedule:
        found = self._schedules.get((tenant_id, schedule_id))
        if found is None:
            raise ScheduleNotFound(schedule_id)
        return found

    async def page(self, tenant_id: str, *, limit: int, cursor: str | None) -> SchedulePage:
        found = [each for each in self._schedules.values() if each.tenant_id == tenant_id]
        page, following = page_of(found, lambda s: (s.created_at, s.schedule_id), limit, cursor)
        return SchedulePage(page, len(found), following)

    async def change(self, seen: Schedule, spec: ScheduleSpec) -> Schedule:
        stored = await self.get(seen.tenant_id, seen.schedule_id)
        if stored.revision != seen.revision:
            raise ScheduleChanged(seen.schedule_id)
        if spec.name != stored.spec.name:
            self._check_name(seen.tenant_id, spec.name)
        now = self._clock()
        changed = replace(stored, spec=spec, updated_at=now, revision=stored.revision + 1)
        following = None if stored.paused_at else _next(changed, now)
        return self._put(replace(changed, next_fire_at=following))

    async def pause(self, tenant_id: str, schedule_id: str, reason: str | None) -> Schedule:
        stored = await self.get(tenant_id, schedule_id)
        if stored.paused_at is not None:
            return stored
        now = self._clock()
        paused = replace(stored, paused_at=now, paused_reason=reason, updated_at=now)
        return self._put(replace(paused, next_fire_at=None))

    async def resume(self, tenant_id: str, schedule_id: str) -> Schedule:
        stored = await self.get(tenant_id, schedule_id)
        if stored.paused_at is None:
            return stored
        now = self._clock()
        resumed = replace(stored, paused_at=None, paused_reason=None, updated_at=now)
        return self._put(replace(resumed, next_fire_at=_next(resumed, now)))

    async def delete(self, tenant_id: str, schedule_id: str) -> None:
        await self.get(tenant_id, schedule_id)
        del self._schedules[tenant_id, schedule_id], self._firings[tenant_id, schedule_id]

    async def trigger(
        self, tenant_id: str, schedule_id: str, template: NewTask, *, key: str | None
    ) -> Triggered:
        stored = await self.get(tenant_id, schedule_id)
        task, created = await self._tasks.submit(triggered_task(stored, template, key))
        if created:
            fired = self._record(
                stored, self._clock(), Outcome.TASK, is_manual=True, task_id=task.task_id
            )
            last = stored.last_fired_at  # of the calendar, which a person is not
            self._put(replace(fired, last_fired_at=last, last_task_id=task.task_id))
        return Triggered(task, created)

    async def firings(
        self, tenant_id: str, schedule_id: str, *, limit: int, cursor: str | None
    ) -> FiringPage:
        await self.get(tenant_id, schedule_id)
        end = before(cursor)
        newest = reversed(self._firings[tenant_id, schedule_id])
        found = [firing for firing in newest if firing.number < end]
        more = len(found) > limit
        return FiringPage(found[:limit], str(found[limit - 1].number) if more else None)

    async def now(self) -> datetime:
        return self._clock()

    async def due(self, limit: int) -> Sequence[Schedule]:
        now = self._clock()
        found = [
            each
            for each in self._schedules.values()
            if each.tenant_id not in self.disabled
            and (
                has_due(each, now)
                or (each.queued and not each.paused_at and not await self._is_busy(each))
            )
        ]
        return sorted(found, key=lambda each: each.next_fire_at or now)[:limit]

    async def fire(self, seen: Schedule, template: NewTask) -> int:
        if self._schedules.get((seen.tenant_id, seen.schedule_id)) != seen:
            return 0
        planned = plan(seen, self._clock(), is_busy=await self._is_busy(seen))
        released = await self._release(seen, template) if planned.releases_queued else None
        schedule = released or seen
        for firing in planned.firings:
            done = firing
            if firing.outcome is Outcome.TASK:
                done = await self._submitted(schedule, template, firing)
            schedule = self._record(
                schedule, done.fire_at, done.outcome, reason=done.reason, task_id=done.task_id
            )
        self._put(replace(schedule, next_fire_at=planned.next_fire_at))
        return len(planned.firings) + (released is not None)

    async def fail(self, seen: Schedule, reason: str) -> bool:
        if self._schedules.get((seen.tenant_id, seen.schedule_id)) != seen:
            return False
        now = self._clock()
        at = min(seen.next_fire_at or now, now)
        self._put(self._record(seen, at, Outcome.FAILED, reason=reason[:500]))
        await self.pause(seen.tenant_id, seen.schedule_id, reason[:500])
        return True

    async def _release(self, schedule: Schedule, template: NewTask) -> Schedule | None:
        kept = self._firings[schedule.tenant_id, schedule.schedule_id]
        place = next(i for i, each in enumerate(kept) if each.outcome is Outcome.QUEUED)
        due = Planned(kept[place].fire_at, Outcome.TASK)
        done = await self._submitted(schedule, template, due)
        if done.task_id is None:
            return None
        kept[place] = replace(kept[place], outcome=Outcome.TASK, task_id=done.task_id)
        return replace(schedule, queued=schedule.queued - 1, last_task_id=done.task_id)

    async def _submitted(self, schedule: Schedule, template: NewTask, firing: Planned) -> Planned:
        try:
            task, _ = await self._tasks.submit(task_for(schedule, template, firing.fire_at))
        except NO_ROOM as refused:
            return firing.refused(refused)
        return replace(firing, task_id=task.task_id)

    async def _is_busy(self, schedule: Schedule) -> bool:
        try:
            last = await self._tasks.get(schedule.tenant_id, schedule.last_task_id or "")
        except TaskNotFound:
            return False
        return not last.is_terminal

    def _record(
        self,
        schedule: Schedule,
        fire_at: datetime,
        outcome: Outcome,
        *,
        is_manual: bool = False,
        reason: str | None = None,
        task_id: str | None = None,
    ) -> Schedule:
        number = schedule.firings + 1
        firing = Firing(
            number=number,
            fire_at=fire_at,
            outcome=outcome,
            is_manual=is_manual,
            reason=reason,
            task_id=task_id,
            recorded_at=self._clock(),
        )
        key = (schedule.tenant_id, schedule.schedule_id)
        self._firings[key] = [
            each
            for each in [*self._firings[key], firing]
            if each.number > number - KEPT_FIRINGS or each.outcome is Outcome.QUEUED
        ]
        return replace(
            schedule,
            firings=number,
            last_fired_at=fire_at,
            last_task_id=task_id or schedule.last_task_id,
            queued=schedule.queued + (outcome is Outcome.QUEUED),
        )

    def _check_name(self, tenant_id: str, name: str) -> None:
        taken = (s.spec.name for s in self._schedules.values() if s.tenant_id == tenant_id)
        if name in taken:
            raise ScheduleExists(name)

    def _put(self, schedule: Schedule) -> Schedule:
        self._schedules[schedule.tenant_id, schedule.schedule_id] = schedule
        return schedule


def _next(schedule: Schedule, now: datetime) -> datetime | None:
    timing = timing_of(schedule.spec, schedule.created_at)
    return timing.after(max(now, schedule.last_fired_at or now))
