"""The gates of concurrency keys: who waits there, and who may go through.

A task holds a place of its key from the moment its gate opens until it does not run any more. Places are
counted from the rows themselves, so there is nothing that a crash could leave wrong.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Final, NamedTuple

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from ops_core.flow.key_limit import DEFAULT_CONCURRENCY, Bucket, Rate
from ops_core.store.rows import Row


class Gate(NamedTuple):
    """A key of a tenant."""

    tenant_id: str
    key: str


# Whether a worker would take the task `t`: one of its queue that can run the versions that it is tied to, and
# does not drain. While there are no such workers at all nobody knows, and gates open as if all would.
_SERVED: Final = """(
    EXISTS (SELECT FROM worker w
            WHERE t.queue = ANY(w.queues) AND (t.pins IS NULL OR t.pins <@ w.supports)
              AND NOT w.draining AND w.drain_at IS NULL)
    OR NOT EXISTS (SELECT FROM worker w
                   WHERE w.queues <> '{}' AND NOT w.draining AND w.drain_at IS NULL))
"""

# Gates at which tasks stand that are due, that have a free place (one that a task holds whom no worker would
# take is free), and tokens for a start: those after `after`, in order. Each key is found by a probe, however
# many tasks stand there. Indexes: task_for_gate, task_for_key, key_limit's own.
_OPENABLE: Final = text(
    f"""
    WITH RECURSIVE gate AS (
        (SELECT tenant_id, concurrency_key, 1 AS place FROM task
         WHERE status = 'pending' AND gated
           AND (tenant_id, concurrency_key) > (:after_tenant, :after_key)
         ORDER BY tenant_id, concurrency_key LIMIT 1)
        UNION ALL
        SELECT next.tenant_id, next.concurrency_key, gate.place + 1
        FROM gate CROSS JOIN LATERAL (
            SELECT tenant_id, concurrency_key FROM task
            WHERE status = 'pending' AND gated
              AND (tenant_id, concurrency_key) > (gate.tenant_id, gate.concurrency_key)
            ORDER BY tenant_id, concurrency_key LIMIT 1
        ) AS next
        WHERE gate.place < :limit
    )
    SELECT gate.tenant_id, gate.concurrency_key,
           (SELECT count(*) FROM (
                SELECT FROM task t
                WHERE t.tenant_id = gate.tenant_id AND t.concurrency_key = gate.concurrency_key
                  AND NOT t.gated AND t.status IN ('pending', 'running')
                  AND (t.status = 'running' OR {_SERVED})
                LIMIT COALESCE(l.concurrency, :default)) AS inside
           ) < COALESCE(l.concurrency, :default)
           AND (l.rate_count IS NULL OR LEAST(l.rate_count, l.tokens + l.rate_count / l.rate_per_s
                * EXTRACT(EPOCH FROM ops_now() - l.refilled_at)) > 1 - 1e-6)
           AND EXISTS (
                SELECT FROM task t
                WHERE t.tenant_id = gate.tenant_id AND t.concurrency_key = gate.concurrency_key
                  AND t.gated AND t.status = 'pending' AND t.runnable_at <= ops_now()
                  AND {_SERVED}
           ) AS is_openable
    FROM gate LEFT JOIN key_limit l ON l.tenant_id = gate.tenant_id AND l.key = gate.concurrency_key
    ORDER BY gate.tenant_id, gate.concurrency_key
    """  # noqa: S608  # a part of our own
)

# One opener a key at a time. The statements after this one see what the others have done.
_NAME: Final = "hashtextextended('opspawn gate ' || :tenant_id || chr(31) || :key, 0)"
_LOCK: Final = text(f"SELECT pg_advisory_xact_lock({_NAME})")
_TRY_LOCK: Final = text(f"SELECT pg_try_advisory_xact_lock({_NAME})")

# What holds for a key, and how many tasks are inside. Indexes: key_limit's own, task_for_key.
_STATE: Final = text(
    """
    SELECT l.*, ops_now() AS now,
           (SELECT count(*) FROM task t
            WHERE t.tenant_id = :tenant_id AND t.concurrency_key = :key
              AND NOT t.gated AND t.status IN ('pending', 'running')) AS inside
    FROM (SELECT) AS one
    LEFT JOIN key_limit l ON l.tenant_id = :tenant_id AND l.key = :key
    """
)

# Who holds a place and would be taken by no worker stands at the gate again, for as long as that is so: the
# others need the place. Index: task_for_key.
_TAKE_BACK: Final = text(
    f"""
    WITH idle AS (
        SELECT tenant_id, task_id FROM task t
        WHERE tenant_id = :tenant_id AND concurrency_key = :key
          AND status = 'pending' AND NOT gated AND NOT {_SERVED}
        FOR NO KEY UPDATE SKIP LOCKED
    )
    UPDATE task t SET gated = true, ring_at = NULL
    FROM idle WHERE t.tenant_id = idle.tenant_id AND t.task_id = idle.task_id
    """  # noqa: S608  # as above
)

# The best that stand at a gate go through it, and are rung for. Rows in other hands are just being ended or
# looked at, and come with the next pass. Index: task_for_gate.
_OPEN: Final = text(
    f"""
    WITH best AS (
        SELECT tenant_id, task_id FROM task t
        WHERE tenant_id = :tenant_id AND concurrency_key = :key
          AND status = 'pending' AND gated AND runnable_at <= ops_now() AND {_SERVED}
        ORDER BY priority DESC, runnable_at, task_id
        LIMIT :room
        FOR NO KEY UPDATE SKIP LOCKED
    )
    UPDATE task t SET gated = false, rings = 0, ring_at = ops_now()
    FROM best WHERE t.tenant_id = best.tenant_id AND t.task_id = best.task_id
    RETURNING t.*
    """  # noqa: S608  # as above
)

# Index: primary key.
_TAKE_TOKENS: Final = text(
    """
    UPDATE key_limit SET tokens = :tokens, refilled_at = :now
    WHERE tenant_id = :tenant_id AND key = :key
    """
)


async def openable(connection: AsyncConnection, after: Gate, limit: int) -> tuple[list[Gate], Gate]:
    """Gates that look as if they could open, and where to look on: the first when all were seen."""
    asked = {
        "after_tenant": after.tenant_id,
        "after_key": after.key,
        "limit": limit,
        "default": DEFAULT_CONCURRENCY,
    }
    rows = (await connection.execute(_OPENABLE, asked)).all()
    gates = [Gate(row.tenant_id, row.concurrency_key) for row in rows if row.is_openable]
    is_last = len(rows) < limit
    return gates, Gate("", "") if is_last else Gate(rows[-1].tenant_id, rows[-1].concurrency_key)


async def open_gate(
    connection: AsyncConnection, gate: Gate, *, waits: bool = True
) -> Sequence[Row]:
    """Lets through as many as there is room for; the rows of those. Upkeep rings for them.

    `waits`: for another one that opens it just now, who may not have seen what made room.
    """
    key = gate._asdict()
    if not await connection.scalar(_LOCK if waits else _TRY_LOCK, key) and not waits:
        return []
    state = (await connection.execute(_STATE, key)).one()
    room = (state.concurrency or DEFAULT_CONCURRENCY) - state.inside
    if room <= 0:
        room += (await connection.execute(_TAKE_BACK, key)).rowcount
    bucket = _bucket(state, state.now)
    if bucket is not None:
        room = min(room, bucket.starts)
    if room <= 0:
        return []
    rows = (await connection.execute(_OPEN, key | {"room": room})).all()
    if rows and bucket is not None:
        left = {"tokens": bucket.without(len(rows)).tokens, "now": state.now}
        await connection.execute(_TAKE_TOKENS, key | left)
    return rows


def _bucket(row: Row, now: datetime) -> Bucket | None:
    if row.rate_count is None:
        return None
    rate = Rate(count=row.rate_count, per_s=row.rate_per_s)
    return Bucket(rate=rate, tokens=row.tokens, refilled_at=row.refilled_at).refilled(now)
