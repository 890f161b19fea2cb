"""The store as the doors use it: every statement names the tenant."""

from collections.abc import Sequence
from contextlib import suppress
from typing import Final

import asyncpg
import structlog
from sqlalchemy import ColumnElement, and_, func, text
from sqlmodel import col, select

from ops_core.admission import UNLIMITED, AdmissionLimits
from ops_core.errors import (
    IdempotencyConflict,
    NotADeadLetter,
    StoreUnavailable,
    TaskFinished,
    TaskNotEnded,
    TaskNotFound,
)
from ops_core.family import DEFAULT_FAMILY_LIMITS, FamilyLimits
from ops_core.gathering import Gathering, Take
from ops_core.log import Event, EventType
from ops_core.moves import cancel, wake
from ops_core.ports import Decide, TaskFilter, TaskKey, TaskPage
from ops_core.store.cursor import after, next_cursor
from ops_core.store.database import Database, is_about_one, reason
from ops_core.store.gates import Gate, open_gate
from ops_core.store.get_together import get_together
from ops_core.store.history import history
from ops_core.store.moves import add_events, apply
from ops_core.store.reopen import reopen
from ops_core.store.revision import revision_of
from ops_core.store.rows import Row, event_of, task_of
from ops_core.store.submit import submit
from ops_core.store.submit_together import Stored, is_plain, submit_together, weight
from ops_core.store.tables import TaskRow
from ops_core.store.thread_tasks import lock_thread_of
from ops_core.task import NewTask, Status, Task

log = structlog.get_logger(__name__)

# One task. Index: primary key.
_GET: Final = text("SELECT * FROM task WHERE tenant_id = :tenant_id AND task_id = :task_id")

# One task, locked against a concurrent move while a command decides. Index: primary key.
_LOCK: Final = text(
    "SELECT * FROM task WHERE tenant_id = :tenant_id AND task_id = :task_id FOR NO KEY UPDATE"
)

# A page of a task's log. Index: primary key of event.
_EVENTS: Final = text(
    """
    SELECT * FROM event
    WHERE tenant_id = :tenant_id AND task_id = :task_id AND seq > :after
    ORDER BY seq LIMIT :limit
    """
)

# Asks the owner of a running task to stop, and says so in the log. Index: primary key.
_REQUEST_CANCEL: Final = text(
    """
    WITH asked AS (
        UPDATE task SET cancel_requested = true, updated_at = ops_now(), last_seq = last_seq + 1
        WHERE tenant_id = :tenant_id AND task_id = :task_id AND status = 'running'
        RETURNING *
    ), logged AS (
        INSERT INTO event (tenant_id, task_id, seq, type, data, at)
        SELECT tenant_id, task_id, last_seq, :type, '{}', updated_at FROM asked
    )
    SELECT * FROM asked
    """
)

# Takes a task off the list of dead letters; it ended long ago, so its log stays as it is. Index: primary key.
_DISCARD: Final = text(
    """
    UPDATE task SET dead_letter_at = NULL
    WHERE tenant_id = :tenant_id AND task_id = :task_id
      AND status = 'failed' AND dead_letter_at IS NOT NULL
    RETURNING *
    """
)


class SqlTaskStore:
    """`TaskStore` on PostgreSQL. `ring_grace_s`: how long a submitter's own ring may take to be heard."""

    def __init__(
        self,
        database: Database,
        *,
        ring_grace_s: float = 5.0,
        limits: FamilyLimits = DEFAULT_FAMILY_LIMITS,
        admission: AdmissionLimits = UNLIMITED,
    ) -> None:
        self._database = database
        self._ring_grace_s = ring_grace_s
        self._limits = limits
        self._admission = admission
        self._submits = Gathering(self._submit_together, weight)
        self._gets = Gathering(self._get_together)

    async def submit(self, new: NewTask) -> tuple[Task, bool]:
        if not is_plain(new):
            return await self._submit_alone(new)
        stored = await self._submits.answer(new.tenant_id, new)
        if stored is None:
            return await self._submit_alone(new)
        if isinstance(stored, Task):
            return stored, True
        return _earlier(new, stored), False

    async def _submit_together(self, tenant_id: str, take: Take[NewTask]) -> Sequence[Stored]:
        batch: Sequence[NewTask] = ()
        try:
            async with self._database.driver_for(tenant_id) as connection:
                batch = take()
                return await submit_together(
                    connection, batch, ring_grace_s=self._ring_grace_s, admission=self._admission
                )
        except StoreUnavailable as error:
            if not batch or not is_about_one(error):
                raise
        except (asyncpg.DataError, asyncpg.IntegrityConstraintViolationError) as error:
            # One value that the store refuses must not take the others' tasks with it.
            log.warning("a batch of tasks was refused, storing each alone", reason=reason(error))
        return [None] * len(batch)

    async def _submit_alone(self, new: NewTask) -> tuple[Task, bool]:
        async with self._database.begin_for(new.tenant_id) as connection:
            row, created = await submit(
                connection,
                new,
                ring_grace_s=self._ring_grace_s,
                limits=self._limits,
                admission=self._admission,
            )
        if not created:
            return _earlier(new, row), False
        return await self._through_gate(task_of(row)), True

    async def _through_gate(self, task: Task) -> Task:
        """The task, let through its gate if there is room. If that fails, upkeep does it."""
        if not task.gated or task.concurrency_key is None:
            return task
        gate = Gate(task.tenant_id, task.concurrency_key)
        with suppress(StoreUnavailable):
            async with self._database.begin_for(task.tenant_id) as connection:
                opened = await open_gate(connection, gate)
            return next((task_of(row) for row in opened if row.task_id == task.task_id), task)
        return task

    async def get(self, tenant_id: str, task_id: str) -> Task:
        task = await self._gets.answer(tenant_id, task_id)
        if task is None:
            raise TaskNotFound(task_id)
        return task

    async def _get_together(self, tenant_id: str, take: Take[str]) -> Sequence[Task | None]:
        async with self._database.driver_for(tenant_id) as connection:
            return await get_together(connection, tenant_id, take())

    async def events(self, tenant_id: str, task_id: str, *, after: int, limit: int) -> list[Event]:
        key = {"tenant_id": tenant_id, "task_id": task_id}
        async with self._database.begin_for(tenant_id) as connection:
            found = await connection.execute(_EVENTS, key | {"after": after, "limit": limit})
            rows = found.all()
            # An empty page may mean "nothing new" or "no such task"; only then is it worth a look.
            if not rows and (await connection.execute(_GET, key)).one_or_none() is None:
                raise TaskNotFound(task_id)
        return [event_of(row) for row in rows]

    async def cancel(self, tenant_id: str, task_id: str) -> Task:
        key = TaskKey(tenant_id, task_id)
        async with self._database.begin_for(tenant_id) as connection:
            row = (await connection.execute(_LOCK, key._asdict())).one_or_none()
            if row is None:
                raise TaskNotFound(task_id)
            task = task_of(row)
            if task.status is Status.CANCELLED or task.cancel_requested:
                return task
            if task.is_terminal:
                raise TaskFinished(task_id, task.status)
            if task.status is Status.RUNNING:
                asked = key._asdict() | {"type": EventType.TASK_CANCEL_REQUESTED.value}
                return task_of((await connection.execute(_REQUEST_CANCEL, asked)).one())
            moved = await apply(connection, key, cancel())
            assert moved is not None, "the row is locked: nobody else can have moved it"
            return task_of(moved)

    async def retry(self, tenant_id: str, task_id: str) -> Task:
        key = TaskKey(tenant_id, task_id)
        async with self._database.begin_for(tenant_id) as connection:
            await lock_thread_of(connection, key)
            row = (await connection.execute(_LOCK, key._asdict())).one_or_none()
            if row is None:
                raise TaskNotFound(task_id)
            moved = await reopen(connection, row)
        if moved is None:
            raise TaskNotEnded(task_id, row.status)
        return await self._through_gate(task_of(moved))

    async def log(self, tenant_id: str, task_id: str) -> list[Event]:
        async with self._database.begin_for(tenant_id) as connection:
            events = await history(connection, TaskKey(tenant_id, task_id))
        if not events:  # every log has its first event
            raise TaskNotFound(task_id)
        return events

    async def signal(self, tenant_id: str, task_id: str, decide: Decide) -> Task:
        key = TaskKey(tenant_id, task_id)
        async with self._database.begin_for(tenant_id) as connection:
            row = (await connection.execute(_LOCK, key._asdict())).one_or_none()
            if row is None:
                raise TaskNotFound(task_id)
            task = task_of(row)
            if task.is_terminal:
                raise TaskFinished(task_id, task.status)
            event = decide(task, await history(connection, key))
            row = await add_events(connection, key, [event], signals=1)
            # A task that waits finds out by replaying; any other one finds it when it would wait.
            row = await apply(connection, key, wake(event.type)) or row
        return await self._through_gate(task_of(row))

    async def discard(self, tenant_id: str, task_id: str) -> Task:
        key = TaskKey(tenant_id, task_id)
        async with self._database.begin_for(tenant_id) as connection:
            row = (await connection.execute(_DISCARD, key._asdict())).one_or_none()
            if row is None:
                if (await connection.execute(_GET, key._asdict())).one_or_none() is None:
                    raise TaskNotFound(task_id)
                raise NotADeadLetter(task_id)
        return task_of(row)

    async def check(self) -> str:
        return await revision_of(self._database)

    async def page(
        self, tenant_id: str, where: TaskFilter, *, limit: int, cursor: str | None
    ) -> TaskPage:
        matching = and_(col(TaskRow.tenant_id) == tenant_id, *_conditions(where))
        at = col(TaskRow.updated_at if where.by_update else TaskRow.created_at)
        page = (
            select(TaskRow.__table__)  # type: ignore[attr-defined]  # plain rows, no ORM objects
            .where(matching, *after(cursor, at, TaskRow.task_id))
            .order_by(at.desc(), col(TaskRow.task_id).desc())
            .limit(limit + 1)
        )
        async with self._database.begin_for(tenant_id) as connection:
            total = await connection.scalar(
                select(func.count()).select_from(TaskRow).where(matching)
            )
            rows = (await connection.execute(page)).all()
        tasks = [task_of(row) for row in rows]
        return TaskPage(tasks[:limit], total or 0, next_cursor(tasks, limit, where.place_of))


def _earlier(new: NewTask, row: Row) -> Task:
    """What the key had stored before. Raises `IdempotencyConflict` for another body."""
    if row.request_hash != new.request_hash:
        raise IdempotencyConflict(new.idempotency_key or "")
    return task_of(row)


def _conditions(where: TaskFilter) -> list[ColumnElement[bool]]:
    equal = {
        TaskRow.status: where.status.value if where.status else None,
        TaskRow.task_type: where.task_type,
        TaskRow.agent: where.agent,
        TaskRow.parent_task_id: where.parent_task_id,
        TaskRow.thread_id: where.thread_id,
    }
    conditions = [col(column) == value for column, value in equal.items() if value is not None]
    if where.dead_letter:
        conditions += [
            col(TaskRow.dead_letter_at).is_not(None),
            col(TaskRow.status) == Status.FAILED.value,
        ]
    if where.label:
        conditions.append(col(TaskRow.labels).contains({where.label[0]: where.label[1]}))
    if where.created_after:
        conditions.append(col(TaskRow.created_at) > where.created_after)
    if where.updated_since:
        conditions.append(col(TaskRow.updated_at) >= where.updated_since)
    return conditions
