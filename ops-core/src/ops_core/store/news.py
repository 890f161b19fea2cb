"""The logs of many tasks, read with one question: what the hub of a door asks again and again."""

from collections.abc import Mapping
from typing import Final

from sqlalchemy import text

from ops_core.log import Event
from ops_core.store.database import Database
from ops_core.store.rows import event_of

# Of each of the tasks what its log has beyond the number that it comes with. A task that has nothing new
# costs one look into the index, however long its log is; journals are not read. Index: primary key of event.
NEWS: Final = text(
    """
    SELECT e.task_id, e.seq, e.type, e.v, e.data, e.at, NULL AS journal
    FROM unnest(CAST(:task_ids AS text[]), CAST(:seqs AS bigint[])) AS known (task_id, seq)
    CROSS JOIN LATERAL (
        SELECT task_id, seq, type, v, data, at FROM event
        WHERE tenant_id = :tenant_id AND task_id = known.task_id AND seq > known.seq
        ORDER BY seq LIMIT :each
    ) AS e
    LIMIT :total
    """
)


class SqlNews:
    """`News` on PostgreSQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def news(
        self, tenant_id: str, after: Mapping[str, int], *, each: int, total: int
    ) -> list[Event]:
        asked = {"tenant_id": tenant_id, "task_ids": list(after), "seqs": list(after.values())}
        async with self._database.begin_for(tenant_id) as connection:
            rows = (await connection.execute(NEWS, asked | {"each": each, "total": total})).all()
        return [event_of(row) for row in rows]
