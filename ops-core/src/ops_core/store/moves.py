"""Applies a move: the one guarded UPDATE through which every task changes its state."""

from collections.abc import Mapping
from typing import Final

from sqlalchemy import TextClause, bindparam, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncConnection

from ops_core.ports import Lease, TaskKey
from ops_core.store.rows import Row
from ops_core.task import TERMINAL, Move, error_json


def statement(sql: str, *json: str) -> TextClause:
    """A statement whose named parameters in `json` are sent as JSONB."""
    return text(sql).bindparams(*(bindparam(name, type_=JSONB(none_as_null=True)) for name in json))


# Moves one task and appends the event that says so. The guard is the whole rule: the state it may come
# from and, for an owner, the epoch. No row back means that the move was not allowed. Index: primary key.
_APPLY: Final = statement(
    """
    WITH moved AS (
        UPDATE task SET
            status       = :to_status,
            reason       = :reason,
            result       = :result,
            error        = :error,
            owner        = NULL,
            cancel_requested = false,
            generation   = generation + CAST(:opens_generation AS boolean)::int,
            attempt      = CASE WHEN :opens_generation THEN 0 ELSE attempt END,
            deadline_at  = CASE WHEN :opens_generation THEN ops_now() + (
                               SELECT (data ->> 'deadline_s')::float8 FROM event
                               WHERE tenant_id = :tenant_id AND task_id = :task_id AND seq = 1
                           ) * interval '1 second' ELSE deadline_at END,
            runnable_at  = CASE WHEN :pending THEN ops_now() + :delay * interval '1 second'
                                ELSE runnable_at END,
            ring_at      = CASE WHEN :pending THEN ops_now() + :delay * interval '1 second' END,
            rings        = 0,
            completed_at = CASE WHEN :terminal THEN ops_now() END,
            updated_at   = ops_now(),
            last_seq     = last_seq + 1
        WHERE tenant_id = :tenant_id AND task_id = :task_id
          AND status = ANY(:sources)
          AND (:any_owner OR (owner = :owner AND epoch = :epoch))
        RETURNING *
    ), logged AS (
        INSERT INTO event (tenant_id, task_id, seq, type, v, data, journal, at)
        SELECT tenant_id, task_id, last_seq, :type, :v, :data, :journal, updated_at FROM moved
    )
    SELECT * FROM moved
    """,
    "result",
    "error",
    "data",
    "journal",
)


async def apply(
    connection: AsyncConnection, key: TaskKey, move: Move, lease: Lease | None = None
) -> Row | None:
    """Applies the move if the task is where it may start (and owned as `lease` says); None if not."""
    parameters: Mapping[str, object] = {
        "tenant_id": key.tenant_id,
        "task_id": key.task_id,
        "to_status": move.to.value,
        "sources": sorted(move.sources),
        "reason": move.reason.value if move.reason else None,
        "result": move.result,
        "error": error_json(move.error) if move.error else None,
        "pending": move.to == "pending",
        "terminal": move.to in TERMINAL,
        "delay": move.delay_s,
        "opens_generation": move.opens_generation,
        "any_owner": lease is None,
        "owner": lease.owner if lease else None,
        "epoch": lease.epoch if lease else 0,
        "type": move.event.type.value,
        "v": move.event.v,
        "data": move.event.data,
        "journal": move.event.journal,
    }
    return (await connection.execute(_APPLY, parameters)).one_or_none()
