"""Keeps the table of asks in step with the logs, in the transactions that write these.

What a row says is taken from the events that were just written, by the same rules as `ops_core.ask` folds a
whole log; a test compares the two.
"""

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from ops_core.ask import BESIDE, CLOSES, EXPIRIES, OPENS, AskStatus
from ops_core.errors import AlreadyResolved
from ops_core.ports import Append
from ops_core.store.repeated import Connection
from ops_core.store.rows import Row

# Makes rows of what the newest events of tasks ask people for. An ask is named after its task, step and
# generation, so that writing it again changes nothing. What a fork takes over does not come this way: it was
# asked of another task.
# Indexes: primary keys of task and event.
_OPEN: Final = """
    INSERT INTO ask (tenant_id, ask_id, task_id, kind, step, generation, status, asked, requested_at,
                     expires_at)
    SELECT e.tenant_id, ops_ask_id(k.kind, e.task_id, p.path, t.generation), e.task_id, k.kind, p.path,
           t.generation, 'pending', e.data - $4::text[], e.at,
           CAST(e.data ->> 'expires_at' AS timestamptz)
    FROM unnest($1::text[], $2::text[], $3::int[]) AS a (tenant_id, task_id, events)
    JOIN task t ON t.tenant_id = a.tenant_id AND t.task_id = a.task_id
    JOIN event e ON e.tenant_id = t.tenant_id AND e.task_id = t.task_id
                AND e.seq > t.last_seq - a.events
    JOIN unnest($5::text[], $6::text[]) AS k (type, kind) ON k.type = e.type
    CROSS JOIN LATERAL (
        SELECT COALESCE(e.data ->> 'path', e.journal ->> 'path', '') AS path
    ) AS p
    ON CONFLICT DO NOTHING
"""

# Ends the ask that the newest event of a task is about; an answer that came too late ends nothing. The task's
# row is locked. Indexes: primary key of event, ask_open.
_CLOSE: Final = text(
    """
    UPDATE ask SET
        status = CASE WHEN e.type = ANY(:expiries) THEN 'expired'
                      WHEN e.type = 'input.received' THEN 'answered'
                      WHEN e.data ->> 'decision' = 'approve' THEN 'approved'
                      ELSE 'rejected' END,
        resolution   = CASE WHEN e.type <> ALL(:expiries)
                            THEN e.data - CAST(:beside AS text[]) END,
        resolved_by  = e.data ->> 'by',
        request_hash = e.data ->> 'request_hash',
        resolved_at  = e.at
    FROM event e
    WHERE e.tenant_id = :tenant_id AND e.task_id = :task_id AND e.seq = :seq
      AND e.type = ANY(:closes)
      AND ask.tenant_id = e.tenant_id AND ask.task_id = e.task_id AND ask.status = 'pending'
      AND ask.step = COALESCE(e.data ->> 'path', e.journal ->> 'path')
      AND (ask.expires_at IS NULL OR ask.expires_at > e.at OR e.type = ANY(:expiries))
    RETURNING ask.ask_id
    """
)

# What that event was meant for and could not end, because its time is over. Indexes: as above.
_LATE: Final = text(
    """
    SELECT ask.ask_id FROM ask
    JOIN event e ON e.tenant_id = ask.tenant_id AND e.task_id = ask.task_id AND e.seq = :seq
    WHERE ask.tenant_id = :tenant_id AND ask.task_id = :task_id AND ask.status = 'pending'
      AND ask.step = COALESCE(e.data ->> 'path', e.journal ->> 'path')
    """
)


async def open_asks(connection: Connection, stored: Sequence[Append]) -> None:
    """Takes over what these appends ask; they were stored in this transaction."""
    asking = [append for append in stored if append.asks]
    if not asking:
        return
    await connection.execute(
        _OPEN,
        [append.lease.tenant_id for append in asking],
        [append.lease.task_id for append in asking],
        [len(append.events) for append in asking],
        list(BESIDE),
        [str(kind) for kind in OPENS],
        [kind.value for kind in OPENS.values()],
    )


async def close_ask(connection: AsyncConnection, task: Row) -> None:
    """Takes over the newest event of a task, which ends an ask.

    Of one that the table does not have (a process of an older build asked) the log alone knows. Raises
    `AlreadyResolved` for an answer to what has expired: upkeep is about to tell the task so.
    """
    parameters: dict[str, Any] = {
        "tenant_id": task.tenant_id,
        "task_id": task.task_id,
        "seq": task.last_seq,
        "closes": [str(kind) for kind in CLOSES],
        "expiries": sorted(kind.value for kind in EXPIRIES),
        "beside": list(BESIDE),
    }
    if (await connection.execute(_CLOSE, parameters)).all():
        return
    late = (await connection.execute(_LATE, parameters)).scalar()
    if late is not None:
        raise AlreadyResolved(late, AskStatus.EXPIRED)
