"""Schedules over a store, with the service, the chore of any number of dispatchers, and the clock."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from ops_core.moves import Move, complete
from ops_core.ports import Lease, TaskStore, TaskType, WorkerStore
from ops_core.schedules.firing import DueSchedules
from ops_core.schedules.model import Firing, Schedule
from ops_core.schedules.port import DueStore, ScheduleStore
from ops_core.schedules.request import parse_schedule
from ops_core.schedules.service import ScheduleService
from ops_core.service import TaskService
from ops_core.task import Task

TYPES = {"noop": TaskType(name="noop", input_schema={"type": "object"})}


@dataclass
class ScheduleWorld:
    """One store, seen by a door, by dispatchers and by workers."""

    tasks: TaskStore
    workers: WorkerStore
    store: ScheduleStore
    due: DueStore
    advance: Callable[[float], None]
    close: Callable[[str], Awaitable[None]]
    """Disables a tenant."""

    open: Callable[[str], Awaitable[None]]

    def service(self, types: dict[str, TaskType] | None = None) -> TaskService:
        return TaskService(self.tasks, types or TYPES, lambda _queue, _task_id: None)

    @property
    def schedules(self) -> ScheduleService:
        return ScheduleService(self.store, self.service())

    def dispatcher(self, types: dict[str, TaskType] | None = None) -> DueSchedules:
        return DueSchedules(self.due, self.service(types))

    async def create(self, **fields: Any) -> Schedule:
        return await self.create_for("default", **fields)

    async def create_for(self, tenant_id: str, **fields: Any) -> Schedule:
        rhythm = {} if "cron" in fields else {"every_s": 60}
        sent = {"name": "s", "task": {"task_type": "noop"}, **rhythm, **fields}
        return await self.schedules.create(parse_schedule(sent), tenant_id=tenant_id, by="me")

    async def again(self, schedule: Schedule) -> Schedule:
        return await self.store.get(schedule.tenant_id, schedule.schedule_id)

    async def history(self, schedule: Schedule) -> list[Firing]:
        """Oldest first."""
        tenant_id, schedule_id = schedule.tenant_id, schedule.schedule_id
        page = await self.store.firings(tenant_id, schedule_id, limit=1000, cursor=None)
        return page.firings[::-1]

    async def outcomes(self, schedule: Schedule) -> list[str]:
        return [firing.outcome.value for firing in await self.history(schedule)]

    async def passed(self, seconds: float) -> int:
        """Time passes, and a dispatcher looks once."""
        self.advance(seconds)
        return await self.dispatcher().run()

    async def end(self, task_id: str | None, move: Move | None = None) -> None:
        """A worker claims the task and settles it."""
        await self.workers.beat("w", ["default"], slots=100, running=0)
        claimed = await self.workers.claim("w", ["default"], 100)
        [task] = [each for each in claimed if each.task_id == task_id]
        lease = Lease("default", task.task_id, "w", task.epoch)
        await self.workers.settle(lease, move or complete({}))

    async def task(self, task_id: str | None) -> Task:
        return await self.tasks.get("default", task_id or "")
