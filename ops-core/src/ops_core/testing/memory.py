"""The in-memory store: the fake of all three store ports, held to the same suite as PostgreSQL.

One event loop, no awaits inside a method: each call is atomic, as a transaction is. Nothing is durable.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from ops_core.errors import (
    FieldError,
    IdempotencyConflict,
    InvalidRequest,
    LostOwnership,
    TaskFinished,
    TaskNotEnded,
    TaskNotFound,
)
from ops_core.log import Event, EventType, NewEvent
from ops_core.ports import (
    Append,
    Appended,
    Lease,
    Orders,
    PutOff,
    TakenRings,
    TaskFilter,
    TaskKey,
    TaskPage,
)
from ops_core.task import (
    TERMINAL,
    Move,
    NewTask,
    Reason,
    Status,
    Task,
    Usage,
    cancel,
    deadline_exceeded,
    release,
    reopen,
    submitted_data,
)

#: A claim from these begins a new attempt; any other one goes on with the same.
_AFTER_FAILURE = frozenset({Reason.RETRYING, Reason.RATE_LIMITED})


@dataclass
class _Row:
    """A task and what the table keeps beside it."""

    task: Task
    runnable_at: datetime
    ring_at: datetime | None
    rings: int = 0


@dataclass
class _Worker:
    queues: frozenset[str]
    slots: int
    running: int
    heartbeat_at: datetime


class MemoryStore:
    """`TaskStore`, `WorkerStore` and `UpkeepStore` over dictionaries."""

    def __init__(
        self,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        *,
        heartbeat_ttl_s: float = 10.0,
        ring_grace_s: float = 5.0,
        ring_grace_max_s: float = 300.0,
    ) -> None:
        self._clock = clock
        self._ttl = timedelta(seconds=heartbeat_ttl_s)
        self._grace_s = ring_grace_s
        self._grace_max_s = ring_grace_max_s
        self._rows: dict[TaskKey, _Row] = {}
        self._keys: dict[tuple[str, str], tuple[TaskKey, str]] = {}
        self._log: defaultdict[TaskKey, list[Event]] = defaultdict(list)
        self._workers: dict[str, _Worker] = {}

    # The doors.

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
        self._rows[key] = _Row(_submitted(new, now, delayed), runnable_at, ring_at)
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

    # A worker.

    async def claim(self, worker_id: str, queues: Sequence[str], count: int) -> list[Task]:
        now = self._clock()
        if worker_id not in self._workers:
            return []
        due = [
            (key, row)
            for key, row in self._rows.items()
            if row.task.status is Status.PENDING
            and row.task.queue in queues
            and row.runnable_at <= now
            and (row.task.deadline_at is None or row.task.deadline_at > now)
        ]
        due.sort(key=lambda item: (-item[1].task.priority, item[1].runnable_at, item[0].task_id))
        for key, row in due[:count]:
            begins = row.task.attempt == 0 or row.task.reason in _AFTER_FAILURE
            row.task = replace(
                row.task,
                status=Status.RUNNING,
                reason=None,
                error=None,
                owner=worker_id,
                epoch=row.task.epoch + 1,
                attempt=row.task.attempt + (1 if begins else 0),
                started_at=row.task.started_at or now,
                updated_at=now,
            )
            row.ring_at, row.rings = None, 0
            data = {"worker": worker_id, "attempt": row.task.attempt}
            self._add(key, NewEvent(type=EventType.TASK_CLAIMED, data=data))
        return [row.task for _, row in due[:count]]

    async def history(self, lease: Lease) -> list[Event]:
        return [*self._log[TaskKey(lease.tenant_id, lease.task_id)]]

    async def append(self, batch: Sequence[Append]) -> list[Appended]:
        return [self._append(append) for append in batch]

    async def settle(self, lease: Lease, move: Move) -> Task:
        key = TaskKey(lease.tenant_id, lease.task_id)
        if not self._holds(lease):
            raise LostOwnership(f"{lease.task_id} is no longer held under epoch {lease.epoch}")
        if move.to is Status.PENDING and self._rows[key].task.cancel_requested:
            move = cancel()
        if not self._apply(key, move):
            raise LostOwnership(f"{lease.task_id} is no longer held under epoch {lease.epoch}")
        return self._rows[key].task

    async def beat(
        self, worker_id: str, queues: Sequence[str], *, slots: int, running: int
    ) -> Orders:
        self._workers[worker_id] = _Worker(frozenset(queues), slots, running, self._clock())
        owned = [row.task for row in self._rows.values() if row.task.owner == worker_id]
        return Orders(
            cancelled=frozenset(task.task_id for task in owned if task.cancel_requested),
            owned=frozenset(
                Lease(task.tenant_id, task.task_id, worker_id, task.epoch) for task in owned
            ),
        )

    def presence(self, worker_id: str) -> AbstractAsyncContextManager[None]:
        """Nothing to hold: what lives in one memory dies with it."""
        return nullcontext()

    async def leave(self, worker_id: str) -> None:
        if not any(row.task.owner == worker_id for row in self._rows.values()):
            self._workers.pop(worker_id, None)

    # Upkeep.

    async def take_rings(self, limit: int) -> list[TakenRings]:
        now = self._clock()
        due = [
            (key, row)
            for key, row in self._rows.items()
            if row.task.status is Status.PENDING
            and row.ring_at
            and row.ring_at <= now
            and self._listeners(row.task.queue)
        ]
        taken: defaultdict[str, list[PutOff]] = defaultdict(list)
        for key, row in due[:limit]:
            rest = min(self._grace_s * 2**row.rings, self._grace_max_s)
            row.ring_at, row.rings = now + timedelta(seconds=rest), row.rings + 1
            taken[row.task.queue].append(PutOff(key, row.task.epoch, row.rings))
        return [
            TakenRings(q, min(len(rows), self._listeners(q)), rows) for q, rows in taken.items()
        ]

    async def return_rings(self, rows: Sequence[PutOff]) -> None:
        for key, epoch, rings in rows:
            row = self._rows[key]
            if row.task.status is Status.PENDING and (row.task.epoch, row.rings) == (epoch, rings):
                row.ring_at, row.rings = self._clock(), rings - 1

    async def expire(self, limit: int) -> int:
        now = self._clock()
        expired = [key for key, row in self._rows.items() if self._is_expired(row.task, now)][
            :limit
        ]
        for key in expired:
            self._apply(key, deadline_exceeded())
        return len(expired)

    async def bury_workers(self, limit: int) -> int:
        oldest = self._clock() - self._ttl
        dead = {name for name, worker in self._workers.items() if worker.heartbeat_at < oldest}
        orphans = [(key, row.task) for key, row in self._rows.items() if row.task.owner in dead]
        for key, task in orphans[:limit]:
            self._apply(key, cancel() if task.cancel_requested else release("worker_died"))
        for name in dead:
            await self.leave(name)
        return len(orphans[:limit])

    # The rules, once.

    def _row(self, tenant_id: str, task_id: str) -> _Row:
        row = self._rows.get(TaskKey(tenant_id, task_id))
        if row is None:
            raise TaskNotFound(task_id)
        return row

    def _holds(self, lease: Lease) -> bool:
        row = self._rows.get(TaskKey(lease.tenant_id, lease.task_id))
        return (
            row is not None
            and row.task.status is Status.RUNNING
            and (row.task.owner, row.task.epoch) == (lease.owner, lease.epoch)
        )

    def _append(self, append: Append) -> Appended:
        if not self._holds(append.lease):
            return Appended.LOST
        key = TaskKey(append.lease.tenant_id, append.lease.task_id)
        for event in append.events:
            self._add(key, event)
        row = self._rows[key]
        row.task = replace(row.task, usage=row.task.usage + append.usage, updated_at=self._clock())
        return Appended.STORED

    def _apply(self, key: TaskKey, move: Move) -> bool:
        row = self._rows[key]
        if row.task.status not in move.sources:
            return False
        now = self._clock()
        row.task = replace(
            row.task,
            status=move.to,
            reason=move.reason,
            result=move.result,
            error=move.error,
            owner=None,
            cancel_requested=False,
            completed_at=now if move.to in TERMINAL else None,
            updated_at=now,
        )
        if move.opens_generation:
            row.task = _next_generation(row.task, now)
        row.ring_at, row.rings = None, 0
        if move.to is Status.PENDING:
            row.runnable_at = row.ring_at = now + timedelta(seconds=move.delay_s)
        self._add(key, move.event)
        return True

    def _add(self, key: TaskKey, new: NewEvent) -> None:
        row = self._rows[key]
        row.task = replace(row.task, last_seq=row.task.last_seq + 1)
        self._log[key].append(
            Event(
                task_id=key.task_id,
                seq=row.task.last_seq,
                at=self._clock(),
                type=new.type,
                v=new.v,
                data=new.data,
                journal=new.journal,
            )
        )

    def _listeners(self, queue: str) -> int:
        return sum(
            1
            for worker in self._workers.values()
            if queue in worker.queues
            and worker.running < worker.slots
            and worker.heartbeat_at > self._clock() - self._ttl
        )

    def _is_expired(self, task: Task, now: datetime) -> bool:
        if task.deadline_at is None or task.is_terminal:
            return False
        grace = self._ttl if task.status is Status.RUNNING else timedelta()
        return task.deadline_at + grace <= now


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


def _next_generation(task: Task, now: datetime) -> Task:
    deadline_at = now + (task.deadline_at - task.created_at) if task.deadline_at else None
    return replace(task, generation=task.generation + 1, attempt=0, deadline_at=deadline_at)


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
