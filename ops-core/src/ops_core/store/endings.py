"""Ends tasks together: one statement, plain asyncpg, whatever number of tasks it is for."""

from collections.abc import Sequence
from typing import Any, Final

from ops_core.moves import error_json
from ops_core.ports import Ending
from ops_core.store.batch import lease_columns
from ops_core.store.database import dump_json
from ops_core.store.repeated import Connection, Key, keys_of
from ops_core.task import JsonObject

# Ends many tasks in one commit, each as the move of `store.moves` would: state, event, the outbox for those
# who must hear of it, and what it asked of people. The guard is the lease, looked at with the row locked;
# rows in other hands are passed over. A call in doubt has no place here: that is found by reading logs.
# Its plan is kept, as that of a step. Indexes: primary keys, ask_open.
_END: Final = """
    WITH held AS (
        SELECT a.*
        FROM unnest((SELECT $1::text[]), $2::text[], $3::text[], $4::bigint[], $5::text[], $6::text[],
                    $7::jsonb[], $8::jsonb[], $9::bool[], $10::text[], $11::int[], $12::jsonb[])
          AS a (tenant_id, task_id, owner, epoch, status, reason,
                result, error, dead_letter, type, v, data)
        CROSS JOIN LATERAL (
            -- Under its key: an `=` on owner or status would let the planner look elsewhere.
            SELECT FROM task t
            WHERE t.tenant_id = a.tenant_id AND t.task_id = a.task_id
              AND t.epoch = a.epoch AND t.owner IS NOT DISTINCT FROM a.owner
              AND t.status IS NOT DISTINCT FROM 'running'
            FOR NO KEY UPDATE SKIP LOCKED
        ) AS t
    ), moved AS (
        UPDATE task t SET
            status       = h.status,
            reason       = h.reason,
            result       = h.result,
            error        = h.error,
            owner        = NULL,
            cancel_requested = false,
            waiting_for  = NULL,
            wait_until   = NULL,
            children_needed = NULL,
            dead_letter_at = CASE WHEN h.dead_letter THEN ops_now() END,
            gated        = false,
            ring_at      = NULL,
            rings        = 0,
            completed_at = ops_now(),
            updated_at   = ops_now(),
            last_seq     = t.last_seq + 1
        FROM held h
        WHERE t.tenant_id = h.tenant_id AND t.task_id = h.task_id
        RETURNING t.tenant_id, t.task_id, t.last_seq, t.updated_at, h.type, h.v, h.data,
                  t.parent_task_id IS NOT NULL OR t.watched OR t.children > 0 AS concerns
    ), logged AS (
        INSERT INTO event (tenant_id, task_id, seq, type, v, data, at)
        SELECT tenant_id, task_id, last_seq, type, v, data, updated_at FROM moved
    ), told AS (
        INSERT INTO outbox (tenant_id, task_id) SELECT tenant_id, task_id FROM moved WHERE concerns
    ), unanswered AS (
        UPDATE ask SET status = 'cancelled', resolved_at = moved.updated_at FROM moved
        WHERE ask.tenant_id = moved.tenant_id AND ask.task_id = moved.task_id
          AND ask.status = 'pending'
    )
    SELECT tenant_id, task_id FROM moved
"""


async def end_together(connection: Connection, batch: Sequence[Ending]) -> set[Key]:
    """The tasks that were ended."""
    leases, moves = [ending.lease for ending in batch], [ending.move for ending in batch]
    rows = await connection.fetch(
        _END,
        *lease_columns(leases),
        [move.to.value for move in moves],
        [move.reason.value if move.reason else None for move in moves],
        [_json(move.result) for move in moves],
        [_json(error_json(move.error) if move.error else None) for move in moves],
        [move.dead_letter for move in moves],
        [move.event.type.value for move in moves],
        [move.event.v for move in moves],
        [dump_json(move.event.data) for move in moves],
    )
    return keys_of(rows)


def _json(value: JsonObject | None) -> Any:
    return None if value is None else dump_json(value)
