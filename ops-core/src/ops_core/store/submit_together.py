"""Stores many plain tasks of one tenant in one transaction: what keeps up with a door that is busy.

Plain asyncpg. A plain task belongs to no other one; whatever needs more than its row and its first event
(a parent, a thread, a budget …) is stored by `submit`, alone, and so is what cannot be decided here.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, Final, TypeAlias

import asyncpg

from ops_core.admission import AdmissionLimits
from ops_core.store.database import dump_json
from ops_core.store.records import COLUMNS, TaskRecord
from ops_core.submitted import as_submitted
from ops_core.task import NewTask, Reason, RetryPolicy, Task, submitted_data

Connection: TypeAlias = "asyncpg.Connection[Any]"

# Stores tasks, each with its first event; those whose key is taken, or that there is no room for, are left
# out. Ordered by key, so that two batches with the same keys cannot wait for each other. What belongs to a
# stored row is found by its place: the planner takes an array for ten values, and would join by looping. How
# many there is room for is counted once; a limit that the operator gave the tenant takes the place of that of
# the settings. Indexes: task_idempotency_key, and the primary key of tenant.
_SUBMIT: Final = """
    WITH clock AS (
        SELECT ops_now() AS now
    ), submitted AS (
        INSERT INTO task (
            tenant_id, task_id, task_type, queue, name, agent, agent_version, handoffs, priority,
            labels, input_data, status, reason, retry_policy, idempotency_key, request_hash, last_seq,
            created_at, updated_at, scheduled_at, runnable_at, deadline_at, ring_at
        )
        SELECT $1, task_id, task_type, queue, name, agent, agent_version, handoffs, priority,
               labels, input_data, 'pending',
               CASE WHEN scheduled_at > now THEN 'delayed' ELSE 'queued' END,
               retry_policy, idempotency_key, request_hash, 1,
               now, now, scheduled_at, GREATEST(now, scheduled_at),
               now + deadline_s * interval '1 second',
               -- A task that may run now is rung by its submitter; upkeep rings only if that is lost.
               CASE WHEN scheduled_at > now THEN scheduled_at
                    ELSE now + $2 * interval '1 second' END
        FROM clock, unnest($4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::int[],
                           $10::jsonb[], $11::int[], $12::jsonb[], $13::jsonb[], $14::jsonb[],
                           $15::text[], $16::text[], $17::timestamptz[], $18::float8[])
          AS a (task_id, task_type, queue, name, agent, agent_version,
                handoffs, priority, labels, input_data, retry_policy,
                idempotency_key, request_hash, scheduled_at, deadline_s)
        ORDER BY idempotency_key
        LIMIT ops_room($1, COALESCE((SELECT max_unfinished FROM tenant WHERE tenant_id = $1), $20), $21, $3)
        ON CONFLICT (tenant_id, idempotency_key) WHERE idempotency_key IS NOT NULL DO NOTHING
        RETURNING task_id, reason, created_at, deadline_at
    ), logged AS (
        INSERT INTO event (tenant_id, task_id, seq, type, data, at)
        SELECT $1, task_id, 1, 'task.submitted', ($19::jsonb[])[array_position($4, task_id)], created_at
        FROM submitted
    )
    SELECT * FROM submitted
"""

# The tasks that keys stand for, each looked up by itself (as in `get_together`). Index: task_idempotency_key.
_BY_KEYS: Final = f"""
    SELECT {COLUMNS} FROM unnest($2::text[]) AS asked (key)
    CROSS JOIN LATERAL (
        SELECT * FROM task WHERE tenant_id = $1 AND idempotency_key = asked.key LIMIT 1
    ) AS t
"""  # noqa: S608  # columns of our own

#: A number, or `null`. Bytes.
_SMALL: Final = 8

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


def weight(new: NewTask) -> int:
    """About how many bytes a task is, told by what a client may make large."""
    total, left = 0, list[object]([new.input_data, new.labels])
    while left:
        value = left.pop()
        if isinstance(value, str):
            total += len(value)
        elif isinstance(value, dict):
            left += value.keys()
            left += value.values()
        elif isinstance(value, list):
            left += value
        else:
            total += _SMALL
    return total


async def submit_together(
    connection: Connection,
    batch: Sequence[NewTask],
    *,
    ring_grace_s: float,
    admission: AdmissionLimits,
) -> list[Stored]:
    """What became of each, in their order. They are of one tenant, and the transaction acts for it."""
    if not batch:  # whoever waited has gone
        return []
    tenant_id = batch[0].tenant_id
    limits = (admission.of(tenant_id), admission.max_backlog)
    asked = (tenant_id, ring_grace_s, len(batch), *_columns(batch), *limits)
    rows = {row["task_id"]: row for row in await connection.fetch(_SUBMIT, *asked)}
    keys = [new.idempotency_key for new in batch if new.task_id not in rows and new.idempotency_key]
    earlier = await _by_keys(connection, tenant_id, keys) if keys else {}
    return [
        _submitted(new, rows[new.task_id])
        if new.task_id in rows
        else earlier.get(new.idempotency_key or "")
        for new in batch
    ]


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
        [_small_json(new.handoffs) for new in batch],
        [new.priority for new in batch],
        [_small_json(new.labels) for new in batch],
        [dump_json(new.input_data) for new in batch],
        [_policy_json(new.retry_policy) for new in batch],
        [new.idempotency_key for new in batch],
        [new.request_hash for new in batch],
        [new.scheduled_at for new in batch],
        [new.deadline_s for new in batch],
        [dump_json(submitted_data(new)) for new in batch],
    ]


def _small_json(value: Mapping[str, Any]) -> str:
    """What most tasks have none of."""
    return dump_json(dict(value)) if value else "{}"


@lru_cache
def _policy_json(policy: RetryPolicy) -> str:
    """Most tasks have the same."""
    return dump_json(policy.json())
