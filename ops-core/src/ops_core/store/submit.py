"""Stores a new task, and gives it its place among those it belongs to."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from ops_core.admission import UNLIMITED, AdmissionLimits, refusal
from ops_core.family import FamilyLimits, check_family
from ops_core.log import EventType
from ops_core.ports import TaskKey
from ops_core.store.budgets import open_budget
from ops_core.store.moves import add_events, statement
from ops_core.store.rows import Row, task_of
from ops_core.store.task_hooks import hook_task
from ops_core.store.thread_tasks import enter_thread, interrupt
from ops_core.task import NewTask, Status, Task, submitted_data
from ops_core.threads.entering import Entry

# Stores a task with its first event, or nothing when the idempotency key is taken or too much is under way: a
# limit that the operator gave the tenant takes the place of that of the settings.
# A concurrent submit with the same key waits here until the other one has committed. One with a concurrency
# key waits at its gate, without a ring. Indexes: task_idempotency_key, and the primary key of tenant.
_SUBMIT: Final = statement(
    """
    WITH clock AS (
        SELECT ops_now() AS now, GREATEST(ops_now(), :scheduled_at) AS runnable_at
    ), submitted AS (
        INSERT INTO task (
            tenant_id, task_id, task_type, queue, name, agent, agent_version, handoffs, thread_id,
            parent_task_id, priority, labels, input_data, status, reason, retry_policy,
            idempotency_key, request_hash, last_seq, created_at, updated_at, scheduled_at,
            runnable_at, deadline_at, ring_at,
            concurrency_key, gated, budget, budget_ids
        )
        SELECT :tenant_id, :task_id, :task_type, :queue, :name, :agent, :agent_version, :handoffs,
               :thread_id, :parent_task_id,
               :priority, :labels, :input_data, 'pending',
               CASE WHEN runnable_at > now THEN 'delayed' ELSE 'queued' END,
               :retry_policy, :idempotency_key, :request_hash, 1,
               now, now, :scheduled_at, runnable_at, now + :deadline_s * interval '1 second',
               -- A task that may run now is rung by its submitter; upkeep rings only if that is lost.
               CASE WHEN CAST(:concurrency_key AS text) IS NOT NULL THEN NULL
                    WHEN runnable_at > now THEN runnable_at
                    ELSE now + :ring_grace_s * interval '1 second' END,
               :concurrency_key, CAST(:concurrency_key AS text) IS NOT NULL, :budget,
               CAST(:budget_ids AS text[])
        FROM clock
        WHERE NOT :is_held OR ops_refusal(
            :tenant_id,
            COALESCE((SELECT max_unfinished FROM tenant WHERE tenant_id = :tenant_id),
                     CAST(:max_unfinished AS bigint)),
            :max_backlog) IS NULL
        ON CONFLICT (tenant_id, idempotency_key) WHERE idempotency_key IS NOT NULL DO NOTHING
        RETURNING *
    ), logged AS (
        INSERT INTO event (tenant_id, task_id, seq, type, data, at)
        SELECT tenant_id, task_id, last_seq, :type, :data, created_at FROM submitted
    )
    SELECT * FROM submitted
    """,
    "labels",
    "handoffs",
    "input_data",
    "retry_policy",
    "budget",
    "data",
)

# Why nothing was stored, where no key explains it, and which limit of the tenant holds.
# Index: primary key of tenant.
_REFUSAL: Final = text(
    """
    SELECT ops_refusal(:tenant_id, most, CAST(:max_backlog AS bigint)) AS why, most
    FROM (SELECT COALESCE((SELECT max_unfinished FROM tenant WHERE tenant_id = :tenant_id),
                          CAST(:max_unfinished AS bigint)) AS most) AS held
    """
)

# The task that a key stands for. Index: task_idempotency_key.
_BY_KEY: Final = text(
    "SELECT * FROM task WHERE tenant_id = :tenant_id AND idempotency_key = :idempotency_key"
)

# The tasks that a new one belongs to, locked in the order that everybody keeps, so that none of them ends
# before it is known who must hear of that. Index: primary key.
_RELATIVES: Final = text(
    """
    SELECT * FROM task WHERE tenant_id = :tenant_id AND task_id = ANY(:task_ids)
    ORDER BY task_id FOR NO KEY UPDATE
    """
)

# Index: primary key.
_ADOPT: Final = text(
    """
    UPDATE task SET children = children + 1
    WHERE tenant_id = :tenant_id AND task_id = :parent_task_id
    """
)

# Index: primary key.
_WATCH: Final = text(
    """
    WITH needed AS (
        UPDATE task SET watched = true
        WHERE tenant_id = :tenant_id AND task_id = ANY(:needs)
        RETURNING task_id
    )
    INSERT INTO dependency (tenant_id, needs, task_id, on_end)
    SELECT :tenant_id, task_id, :task_id, :on_end FROM needed
    """
)

# A child ends no later than its parent; a task with open dependencies runs when upkeep frees it.
# Index: primary key.
_JOIN: Final = text(
    """
    UPDATE task SET
        depth             = :depth,
        deadline_at       = LEAST(deadline_at, :deadline_at),
        dependencies_left = :open,
        reason            = CASE WHEN :open > 0 THEN 'delayed' ELSE reason END,
        runnable_at       = CASE WHEN :open > 0 THEN 'infinity' ELSE runnable_at END,
        ring_at           = CASE WHEN :open = 0 THEN ring_at END,
        budget_ids        = NULLIF(CAST(:budget_ids AS text[]) || budget_ids, '{}')
    WHERE tenant_id = :tenant_id AND task_id = :task_id
    RETURNING *
    """
)


async def submit(
    connection: AsyncConnection,
    new: NewTask,
    *,
    ring_grace_s: float,
    limits: FamilyLimits,
    admission: AdmissionLimits = UNLIMITED,
) -> tuple[Row, bool]:
    """The task's row, and whether it is new; else the one that its key had stored before.

    Raises `InvalidRequest` when its parent or a task it depends on does not fit, `ThreadBusy` and
    `ThreadArchived` when its thread takes it not, and `NotNow`.
    """
    parameters = _parameters(new) | _held(new, admission) | {"ring_grace_s": ring_grace_s}
    row = (await connection.execute(_SUBMIT, parameters)).one_or_none()
    while row is None:
        stored = (await connection.execute(_BY_KEY, parameters)).one_or_none()
        if stored is not None:
            return stored, False
        held = (await connection.execute(_REFUSAL, parameters)).one()
        if held.why is not None:
            raise refusal(held.why, held.most)
        # Room was made this moment: once more, and with the limit's lock where it is near.
        row = (await connection.execute(_SUBMIT, parameters)).one_or_none()
    if new.budget is not None:
        await open_budget(connection, new.tenant_id, new.task_id, new.budget)
    # After the key, for everybody: who waits for a key must not hold a thread.
    entry = await enter_thread(connection, new)
    if new.parent_task_id is not None or new.depends_on or entry.after:
        row = await _join(connection, new, limits, entry)
    if new.steps:
        row = await add_events(connection, TaskKey(new.tenant_id, new.task_id), new.steps)
    if new.webhook is not None:
        await hook_task(connection, new.tenant_id, new.task_id, new.webhook)
    return row, True


def _held(new: NewTask, admission: AdmissionLimits) -> dict[str, Any]:
    """Whether the limits hold for the task, and what they are."""
    return {
        "is_held": new.parent_task_id is None,
        "max_unfinished": admission.of(new.tenant_id),
        "max_backlog": admission.max_backlog,
    }


async def _join(
    connection: AsyncConnection, new: NewTask, limits: FamilyLimits, entry: Entry
) -> Row:
    parents = [new.parent_task_id] if new.parent_task_id else []
    ids = [*new.depends_on, *parents, *entry.after]
    asked = {"tenant_id": new.tenant_id, "task_ids": sorted(set(ids))}
    rows = {row.task_id: row for row in (await connection.execute(_RELATIVES, asked)).all()}
    relatives: Mapping[str, Task] = {task_id: task_of(row) for task_id, row in rows.items()}
    parent = rows.get(new.parent_task_id or "")
    depth = parent.depth + 1 if parent else 0
    check_family(
        new, relatives, depth=depth, children=parent.children if parent else 0, limits=limits
    )
    needs: Sequence[str] = [
        task_id
        for task_id in set(new.depends_on)
        if relatives[task_id].status is not Status.COMPLETED
    ]
    key = {"tenant_id": new.tenant_id, "task_id": new.task_id}
    if parent is not None:
        await connection.execute(_ADOPT, key | {"parent_task_id": new.parent_task_id})
    before = [
        task_id
        for task_id in entry.after
        if task_id not in needs and await _is_ahead(connection, rows[task_id], entry)
    ]
    for task_ids, on_end in ((list(needs), False), (before, True)):
        if task_ids:
            await connection.execute(_WATCH, key | {"needs": task_ids, "on_end": on_end})
    joined = {
        "depth": depth,
        "deadline_at": parent.deadline_at if parent else None,
        "open": len(needs) + len(before),
        "budget_ids": (parent.budget_ids if parent else None) or [],
    }
    return (await connection.execute(_JOIN, key | joined)).one()


async def _is_ahead(connection: AsyncConnection, task: Row, entry: Entry) -> bool:
    """Whether a task of the same thread is still to be waited for, now that its row is locked."""
    if task.completed_at is not None:
        return False
    return not (entry.cancels and await interrupt(connection, task))


def _parameters(new: NewTask) -> dict[str, Any]:
    return {
        "tenant_id": new.tenant_id,
        "task_id": new.task_id,
        "task_type": new.task_type,
        "queue": new.queue,
        "name": new.name,
        "agent": new.agent,
        "agent_version": new.agent_version,
        "handoffs": dict(new.handoffs),
        "thread_id": new.thread_id,
        "parent_task_id": new.parent_task_id,
        "priority": new.priority,
        "labels": new.labels,
        "input_data": new.input_data,
        "retry_policy": new.retry_policy.json(),
        "idempotency_key": new.idempotency_key,
        "request_hash": new.request_hash,
        "scheduled_at": new.scheduled_at,
        "deadline_s": new.deadline_s,
        "type": EventType.TASK_SUBMITTED.value,
        "data": submitted_data(new),
        "concurrency_key": new.concurrency_key,
        "budget": new.budget.json() if new.budget else None,
        "budget_ids": [new.task_id] if new.budget else None,
    }
