"""The in-memory store as the doors see it."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta

from ops_core.errors import (
    FieldError,
    IdempotencyConflict,
    InvalidRequest,
    TaskFinished,
    TaskNotEnded,
)
from ops_core.log import Event, EventType, NewEvent
from ops_core.ports import TaskFilter, TaskKey, TaskPage
from ops_core.task import (
    NewTask,
    Reason,
    Status,
    Task,
    Usage,
    cancel,
    reopen,
    submitted_data,
)
from ops_core.testing.memory_state import MemoryState, StoredTask


class MemoryTaskStore(MemoryState):
    """`TaskStore` over dictionaries."""

    async def submit(self, new: NewTask) -> tuple[Task, bool]:
        key = TaskKey(new.tenant_id, new.task_id)
        if new.idempotency_key is not None:
            earlier, digest = self._keys.setdefault(
                (new.tenant_id, new.idempotency_key), (key, new.request_hash)
            )
            if digest != new.request_hash:
                raise IdempotencyConflict(new.idempotency_key)
            if earlier != key:
                return self._rows[earlier].task, False
        now = self._clock()
        runnable_at = max(now, new.scheduled_at or now)
        delayed = runnable_at > now
        ring_at = runnable_at if delayed else now + timedelta(seconds=self._grace_s)
        self._rows[key] = StoredTask(_submitted(new, now, delayed), runnable_at, ring_at)
        self._add(key, NewEvent(type=EventType.TASK_SUBMITTED, data=submitted_data(new)))
        return self._rows[key].task, True

    async def get(self, tenant_id: str, task_id: str) -> Task:
        return self._row(tenant_id, task_id).task

    async def events(self, tenant_id: str, task_id: str, *, after: int, limit: int) -> list[Event]:
        self._row(tenant_id, task_id)
        return self._log[TaskKey(tenant_id, task_id)][after : after + limit]

    async def cancel(self, tenant_id: str, task_id: str) -> Task:
        row = self._row(tenant_id, task_id)
        key = TaskKey(tenant_id, task_id)
        if row.task.status is Status.CANCELLED or row.task.cancel_requested:
            return row.task
        if row.task.is_terminal:
            raise TaskFinished(task_id, row.task.status)
        if row.task.status is Status.RUNNING:
            row.task = replace(row.task, cancel_requested=True, updated_at=self._clock())
            self._add(key, NewEvent(type=EventType.TASK_CANCEL_REQUESTED))
        else:
            self._apply(key, cancel())
        return row.task

    async def retry(self, tenant_id: str, task_id: str) -> Task:
        row = self._row(tenant_id, task_id)
        if not self._apply(TaskKey(tenant_id, task_id), reopen(row.task.generation + 1)):
            raise TaskNotEnded(task_id, row.task.status)
        return row.task

    async def check(self) -> str:
        return "memory"

    async def page(
        self, tenant_id: str, where: TaskFilter, *, limit: int, cursor: str | None
    ) -> TaskPage:
        found = sorted(
            (
                r.task
                for k, r in self._rows.items()
                if k.tenant_id == tenant_id and _matches(r.task, where)
            ),
            key=lambda task: (task.created_at, task.task_id),
            reverse=True,
        )
        start = 0
        if cursor is not None:
            start = 1 + next((i for i, task in enumerate(found) if task.task_id == cursor), -1)
            if start == 0:
                message = "was not given out by this server; start again without it"
                raise InvalidRequest([FieldError("cursor", message)])
        page = found[start : start + limit]
        more = len(found) > start + limit
        return TaskPage(page, len(found), page[-1].task_id if more else None)


def _submitted(new: NewTask, now: datetime, delayed: bool) -> Task:
    return Task(
        task_id=new.task_id,
        tenant_id=new.tenant_id,
        task_type=new.task_type,
        queue=new.queue,
        name=new.name,
        agent=new.agent,
        thread_id=new.thread_id,
        parent_task_id=None,
        priority=new.priority,
        labels=new.labels,
        input_data=new.input_data,
        result=None,
        error=None,
        status=Status.PENDING,
        reason=Reason.DELAYED if delayed else Reason.QUEUED,
        attempt=0,
        generation=1,
        retry_policy=new.retry_policy,
        usage=Usage(),
        owner=None,
        epoch=0,
        cancel_requested=False,
        last_seq=0,
        created_at=now,
        updated_at=now,
        scheduled_at=new.scheduled_at,
        deadline_at=now + timedelta(seconds=new.deadline_s) if new.deadline_s else None,
        started_at=None,
        completed_at=None,
    )


def _matches(task: Task, where: TaskFilter) -> bool:
    def checks() -> Iterator[bool]:
        yield where.status in (None, task.status)
        yield where.task_type in (None, task.task_type)
        yield where.agent in (None, task.agent)
        yield where.parent_task_id in (None, task.parent_task_id)
        yield where.thread_id in (None, task.thread_id)
        yield where.label is None or task.labels.get(where.label[0]) == where.label[1]
        yield where.created_after is None or task.created_at > where.created_after

    return all(checks())
