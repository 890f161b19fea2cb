"""Stores many plain tasks of one tenant in one transaction: what keeps up with a door that is busy.

Plain asyncpg. A plain task belongs to no other one; whatever needs more than its row and its first event
(a parent, a thread, a budget …) is stored by `submit`, alone, and so is what cannot be decided here.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple, TypeAlias

import asyncpg

from ops_core.admission import AdmissionLimits
from ops_core.log import EventType
from ops_core.store.database import dump_json
from ops_core.store.records import TaskRecord
from ops_core.submitted import as_submitted
from ops_core.task import NewTask, Reason, Task, submitted_data

Connection: TypeAlias = "asyncpg.Connection[Any]"

#: Within so many of a limit batches look one after the other. More than all doors together have under way.
NEAR: Final = 20_000

#: Where there is no limit: as many as nobody stores.
MANY: Final = 2**62

# Stores tasks; those whose key is taken, or that there is no room for, are left out. Ordered by key, so
# that two batches with the same keys cannot wait for each other. The events are a statement of their own: to
# join them with these rows, the planner takes an array for ten values and loops. Index: task_idempotency_key.
_SUBMIT: Final = """
    INSERT INTO task (
        tenant_id, task_id, task_type, queue, name, agent, agent_version, handoffs, priority, labels,
        input_data, status, reason, retry_policy, idempotency_key, request_hash, last_seq,
        created_at, updated_at, scheduled_at, runnable_at, deadline_at, ring_at
    )
    SELECT $1, task_id, task_type, queue, name, agent, agent_version, handoffs, priority, labels,
           input_data, 'pending', CASE WHEN scheduled_at > now THEN 'delayed' ELSE 'queued' END,
           retry_policy, idempotency_key, request_hash, 1,
           now, now, scheduled_at, GREATEST(now, scheduled_at), now + deadline_s * interval '1 second',
           -- A task that may run now is rung by its submitter; upkeep rings only if that is lost.
           CASE WHEN scheduled_at > now THEN scheduled_at ELSE now + $2 * interval '1 second' END
    FROM unnest($4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::int[], $10::jsonb[],
                $11::int[], $12::jsonb[], $13::jsonb[], $14::jsonb[], $15::text[], $16::text[],
                $17::timestamptz[], $18::float8[])
      AS a (task_id, task_type, queue, name, agent, agent_version, handoffs, priority, labels,
            input_data, retry_policy, idempotency_key, request_hash, scheduled_at, deadline_s),
         (SELECT ops_now() AS now) AS clock
    ORDER BY idempotency_key LIMIT $3
    ON CONFLICT (tenant_id, idempotency_key) WHERE idempotency_key IS NOT NULL DO NOTHING
    RETURNING task_id, reason, created_at, deadline_at
"""

# The first events of stored tasks.
_LOG: Final = """
    INSERT INTO event (tenant_id, task_id, seq, type, data, at)
    SELECT $1, e.task_id, 1, $2, e.data, $3 FROM unnest($4::text[], $5::jsonb[]) AS e (task_id, data)
"""

# The tasks that keys stand for. Index: task_idempotency_key.
_BY_KEYS: Final = "SELECT * FROM task WHERE tenant_id = $1 AND idempotency_key = ANY($2::text[])"

# What is under way, of the tenant and of all.
_UNDER_WAY: Final = "SELECT ops_unfinished($1) AS own, ops_backlog() AS backlog"

# The locks that `ops_refusal` takes, in its order: near a limit one looks after the other.
_LOCK_TENANT: Final = (
    "SELECT pg_advisory_xact_lock(hashtextextended('opspawn admission of ' || $1::text, 0))"
)
_LOCK_ALL: Final = "SELECT pg_advisory_xact_lock(hashtextextended('opspawn admission', 0))"

Stored: TypeAlias = Task | TaskRecord | None
"""A new task; the row that its key had stored before; or None: it must be stored alone."""


def is_plain(new: NewTask) -> bool:
    """Whether a task is its row and its first event, and nothing else."""
    return not (
        new.parent_task_id
        or new.depends_on
        or new.thread_id
        or new.webhook
        or new.budget
        or new.concurrency_key
        or new.steps
    )


async def submit_together(
    connection: Connection,
    batch: Sequence[NewTask],
    *,
    ring_grace_s: float,
    admission: AdmissionLimits,
) -> list[Stored]:
    """What became of each, in their order. They are of one tenant, and the transaction acts for it."""
    tenant_id = batch[0].tenant_id
    room = await _room(connection, tenant_id, admission)
    asked = (tenant_id, ring_grace_s, room, *_columns(batch))
    rows = {row["task_id"]: row for row in await connection.fetch(_SUBMIT, *asked)}
    stored = [new for new in batch if new.task_id in rows]
    if stored:
        await connection.execute(
            _LOG,
            tenant_id,
            EventType.TASK_SUBMITTED.value,
            rows[stored[0].task_id]["created_at"],
            [new.task_id for new in stored],
            [dump_json(submitted_data(new)) for new in stored],
        )
    keys = [new.idempotency_key for new in batch if new.task_id not in rows and new.idempotency_key]
    earlier = await _by_keys(connection, tenant_id, keys) if keys else {}
    return [
        _submitted(new, rows[new.task_id])
        if new.task_id in rows
        else earlier.get(new.idempotency_key or "")
        for new in batch
    ]


async def _room(connection: Connection, tenant_id: str, admission: AdmissionLimits) -> int | None:
    """How many may be stored; None: any number. Counted once for the batch, near a limit under its lock."""
    own, backlog = admission.of(tenant_id), admission.max_backlog
    if own is None and backlog is None:
        return None
    found = await _free(connection, tenant_id, own, backlog)
    if own is not None and found.own < NEAR:
        await connection.execute(_LOCK_TENANT, tenant_id)
    if backlog is not None and found.backlog < NEAR:
        await connection.execute(_LOCK_ALL)
    if min(found) < NEAR:
        found = await _free(connection, tenant_id, own, backlog)
    return max(0, min(found))


class _Free(NamedTuple):
    """How many more there may be."""

    own: int
    backlog: int


async def _free(
    connection: Connection, tenant_id: str, own: int | None, backlog: int | None
) -> _Free:
    row = await connection.fetchrow(_UNDER_WAY, tenant_id)
    assert row is not None, "a SELECT without FROM has one row"
    limits = (MANY if own is None else own, MANY if backlog is None else backlog)
    return _Free(limits[0] - row["own"], limits[1] - row["backlog"])


async def _by_keys(
    connection: Connection, tenant_id: str, keys: Sequence[str]
) -> dict[str, TaskRecord]:
    rows = await connection.fetch(_BY_KEYS, tenant_id, keys, record_class=TaskRecord)
    return {row["idempotency_key"]: row for row in rows}


def _submitted(new: NewTask, row: Mapping[str, Any]) -> Task:
    return as_submitted(
        new,
        now=row["created_at"],
        is_delayed=row["reason"] == Reason.DELAYED,
        deadline_at=row["deadline_at"],
    )


def _columns(batch: Sequence[NewTask]) -> list[list[Any]]:
    """One array a column."""
    return [
        [new.task_id for new in batch],
        [new.task_type for new in batch],
        [new.queue for new in batch],
        [new.name for new in batch],
        [new.agent for new in batch],
        [new.agent_version for new in batch],
        [dump_json(dict(new.handoffs)) for new in batch],
        [new.priority for new in batch],
        [dump_json(new.labels) for new in batch],
        [dump_json(new.input_data) for new in batch],
        [dump_json(new.retry_policy.json()) for new in batch],
        [new.idempotency_key for new in batch],
        [new.request_hash for new in batch],
        [new.scheduled_at for new in batch],
        [new.deadline_s for new in batch],
    ]
