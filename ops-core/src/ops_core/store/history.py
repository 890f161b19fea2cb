"""The whole log of a task, as replay reads it."""

from typing import Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from ops_core.log import Event
from ops_core.ports import TaskKey
from ops_core.store.rows import event_of

# A task's log with the journals that are kept beside it. Index: primary keys of event and blob.
_HISTORY: Final = text(
    """
    SELECT e.tenant_id, e.task_id, e.seq, e.type, e.v, e.data, e.at,
           COALESCE(b.value, e.journal) AS journal
    FROM event e
    LEFT JOIN blob b ON b.tenant_id = e.tenant_id AND b.task_id = e.task_id
                    AND b.digest = e.journal ->> 'blob'
    WHERE e.tenant_id = :tenant_id AND e.task_id = :task_id
    ORDER BY e.seq
    """
)


async def history(connection: AsyncConnection, key: TaskKey) -> list[Event]:
    """In order; empty when there is no such task."""
    rows = (await connection.execute(_HISTORY, key._asdict())).all()
    return [event_of(row) for row in rows]
