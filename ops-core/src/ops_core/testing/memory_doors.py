"""The in-memory store as the doors see it."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta

from ops_core.admission import refusal
from ops_core.ask import CLOSES, AskStatus, path_of
from ops_core.budgets.ledger import Budget
from ops_core.errors import (
    AlreadyResolved,
    BacklogFull,
    IdempotencyConflict,
    InvalidRequest,
    NotADeadLetter,
    TaskFinished,
    TaskNotEnded,
    ThreadArchived,
    ThreadBusy,
    TooManyTasks,
)
from ops_core.family import check_family, check_retry
from ops_core.log import Event, EventType, NewEvent
from ops_core.moves import cancel, reopen, wake
from ops_core.ports import Decide, TaskFilter, TaskKey, TaskPage
from ops_core.submitted import as_submitted
from ops_core.task import REOPENED, NewTask, Reason, Status, Task, submitted_data
from ops_core.testing.memory_flow import MemoryFlow
from ops_core.testing.memory_state import NEVER, StoredTask
from ops_core.testing.pages import page_of


class MemoryTaskStore(MemoryFlow):
    """`TaskStore` over dictionaries."""

    async def submit(self, new: NewTask) -> tuple[Task, bool]:
        key = TaskKey(new.tenant_id, new.task_id)
        self._admit(new)
        if new.idempotency_key is not None:
            earlier, digest = self._keys.setdefault(
                (new.tenant_id, new.idempotency_key), (key, new.request_hash)
            )
            if digest != new.request_hash:
                raise IdempotencyConflict(new.idempotency_key)
            if earlier != key:
                return self._rows[earlier].task, False
        try:
            row = self._placed(new)
        except (InvalidRequest, ThreadBusy, ThreadArchived):
            self._keys.pop((new.tenant_id, new.idempotency_key or ""), None)
            raise
        self._rows[key] = row
        self._add(key, NewEvent(type=EventType.TASK_SUBMITTED, data=submitted_data(new)))
        for event in new.steps:
            self._add(key, event)
        if new.webhook is not None:
            self.hooks[key] = new.webhook
        if new.budget is not None:
            self.flow.budgets[new.tenant_id, new.task_id] = Budget(
                budget_id=new.task_id, period=None, allowance=new.budget, since=self._clock()
            )
        self._open_gate(new.tenant_id, new.concurrency_key)
        return self._rows[key].task, True

    def _admit(self, new: NewTask) -> None:
        """Raises `NotNow`, but not for a child, nor for a key that has stored its task."""
        if new.parent_task_id is not None or (new.tenant_id, new.idempotency_key) in self._keys:
            return
        own = self.own_limits.get(new.tenant_id, self._admission.of(new.tenant_id))
        most = self._admission.max_backlog
        if own is None and most is None:
            return  # not counted: this store may hold many tasks
        unfinished = [key.tenant_id for key, r in self._rows.items() if not r.task.is_terminal]
        if own is not None and unfinished.count(new.tenant_id) >= own:
            raise refusal(TooManyTasks.type, own)
        if most is not None and len(unfinished) >= most:
            raise refusal(BacklogFull.type, most)

    def _placed(self, new: NewTask) -> StoredTask:
        """The row of a new task, and its place among those it belongs to. Raises `InvalidRequest`."""
        now = self._clock()
        runnable_at = max(now, new.scheduled_at or now)
        delayed = runnable_at > now
        ring_at = runnable_at if delayed else now + timedelta(seconds=self._grace_s)
        is_gated = new.concurrency_key is not None
        row = StoredTask(self._first(new, now), runnable_at, None if is_gated else ring_at)
        related = [*new.depends_on, *([new.parent_task_id] if new.parent_task_id else [])]
        keys = {task_id: TaskKey(new.tenant_id, task_id) for task_id in related}
        rows = {task_id: self._rows[key] for task_id, key in keys.items() if key in self._rows}
        parent = rows.get(new.parent_task_id or "")
        check_family(
            new,
            {task_id: found.task for task_id, found in rows.items()},
            depth=parent.depth + 1 if parent else 0,
            children=parent.children if parent else 0,
            limits=self._limits,
        )
        if parent is not None:
            parent.children += 1
            row.depth = parent.depth + 1
            ends = [at for at in (row.task.deadline_at, parent.task.deadline_at) if at]
            row.task = replace(
                row.task,
                deadline_at=min(ends, default=None),
                budget_ids=(*parent.task.budget_ids, *row.task.budget_ids),
            )
        # Last, for what raises must change nothing.
        row.ends = self._ahead(new)
        row.needs = {n for n in new.depends_on if rows[n].task.status is not Status.COMPLETED}
        row.ends -= row.needs
        row.needs |= row.ends
        for needed in row.needs:
            self._rows[TaskKey(new.tenant_id, needed)].watched = True
        if row.needs:
            row.runnable_at, row.ring_at = NEVER, None
            row.task = replace(row.task, reason=Reason.DELAYED, dependencies_left=len(row.needs))
        return row

    @staticmethod
    def _first(new: NewTask, now: datetime) -> Task:
        """The task before its first event, which counts itself."""
        end = now + timedelta(seconds=new.deadline_s) if new.deadline_s else None
        is_delayed = new.scheduled_at is not None and new.scheduled_at > now
        return replace(
            as_submitted(new, now=now, is_delayed=is_delayed, deadline_at=end), last_seq=0
        )

    def _ahead(self, new: NewTask) -> set[str]:
        """What the new task waits for in its thread. Raises `ThreadBusy`, `ThreadArchived`."""
        if new.thread_id is None:
            return set()
        entry = self.threads.enter(new)
        if entry.cancels:
            for task_id in entry.after:
                self._interrupt(TaskKey(new.tenant_id, task_id))
        return {t for t in entry.after if not self._row(new.tenant_id, t).task.is_terminal}

    def _interrupt(self, key: TaskKey) -> None:
        row = self._rows[key]
        if row.task.status is not Status.RUNNING:
            self._apply(key, cancel("interrupted"))
        elif not row.task.cancel_requested:
            row.task = replace(row.task, cancel_requested=True)
            data = {"why": "interrupted"}
            self._add(key, NewEvent(type=EventType.TASK_CANCEL_REQUESTED, data=data))

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
        needed = {n: self._rows.get(TaskKey(tenant_id, n)) for n in sorted(row.needs - row.ends)}
        if row.task.is_terminal:
            check_retry({n: found.task if found else None for n, found in needed.items()})
        if row.task.status in REOPENED and row.task.thread_id is not None:
            busy = self.threads.unfinished(tenant_id, row.task.thread_id, task_id)
            if busy:
                raise ThreadBusy(row.task.thread_id, len(busy))
        if not self._apply(TaskKey(tenant_id, task_id), reopen(row.task.generation + 1)):
            raise TaskNotEnded(task_id, row.task.status)
        self._open_gate(tenant_id, row.task.concurrency_key)
        return row.task

    async def log(self, tenant_id: str, task_id: str) -> list[Event]:
        return await self.events(tenant_id, task_id, after=0, limit=2**63)

    async def signal(self, tenant_id: str, task_id: str, decide: Decide) -> Task:
        row = self._row(tenant_id, task_id)
        key = TaskKey(tenant_id, task_id)
        if row.task.is_terminal:
            raise TaskFinished(task_id, row.task.status)
        event = decide(row.task, tuple(self._log[key]))
        asked = self._asks[key].open_at(path_of(event)) if event.type in CLOSES else None
        if asked is not None and asked.expires_at and asked.expires_at <= self._clock():
            raise AlreadyResolved(asked.ask_id, AskStatus.EXPIRED)
        self._add(key, event)
        self._signal(key)
        self._apply(key, wake(event.type))
        self._open_gate(tenant_id, row.task.concurrency_key)
        return row.task

    async def discard(self, tenant_id: str, task_id: str) -> Task:
        row = self._row(tenant_id, task_id)
        if row.task.dead_letter_at is None:
            raise NotADeadLetter(task_id)
        row.task = replace(row.task, dead_letter_at=None)
        return row.task

    async def check(self) -> str:
        return "memory"

    async def page(
        self, tenant_id: str, where: TaskFilter, *, limit: int, cursor: str | None
    ) -> TaskPage:
        found = [
            r.task
            for k, r in self._rows.items()
            if k.tenant_id == tenant_id and _matches(r.task, where)
        ]
        tasks, next_cursor = page_of(found, where.place_of, limit, cursor)
        return TaskPage(tasks, len(found), next_cursor)


def _matches(task: Task, where: TaskFilter) -> bool:
    def checks() -> Iterator[bool]:
        yield where.status in (None, task.status)
        yield where.task_type in (None, task.task_type)
        yield where.agent in (None, task.agent)
        yield where.parent_task_id in (None, task.parent_task_id)
        yield where.thread_id in (None, task.thread_id)
        yield where.dead_letter is None or (task.dead_letter_at is not None) == where.dead_letter
        yield where.label is None or task.labels.get(where.label[0]) == where.label[1]
        yield where.created_after is None or task.created_at > where.created_after
        yield where.updated_since is None or task.updated_at >= where.updated_since

    return all(checks())
