"""The store of asks on PostgreSQL: what doors list and show, and what upkeep ends."""

from typing import Any, Final

from sqlalchemy import ColumnElement, and_, func, text
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlmodel import col, select

from ops_core.ask import Ask, AskKind, AskStatus, asks_of, expiry
from ops_core.asks.port import AskFilter, AskPage
from ops_core.errors import AskNotFound
from ops_core.moves import wake
from ops_core.ports import TaskKey
from ops_core.store.ask_tables import AskRow
from ops_core.store.cursor import after, next_cursor
from ops_core.store.database import Database
from ops_core.store.history import history
from ops_core.store.moves import add_events, apply, statement
from ops_core.store.rows import Row

# One ask. Index: primary key.
_GET: Final = text(
    "SELECT * FROM ask WHERE tenant_id = :tenant_id AND ask_id = :ask_id AND kind = :kind"
)

# The tasks of asks whose time is over, the longest first, locked in the order that everybody keeps. A task in
# other hands comes with a later pass. Indexes: ask_for_expiry, primary key of task.
_DUE: Final = text(
    """
    WITH due AS (
        SELECT DISTINCT tenant_id, task_id FROM (
            SELECT a.tenant_id, a.task_id FROM ask a
            JOIN task t ON t.tenant_id = a.tenant_id AND t.task_id = a.task_id
            WHERE a.status = 'pending' AND a.expires_at <= ops_now()
            ORDER BY a.expires_at LIMIT :limit
        ) AS oldest
    )
    SELECT t.tenant_id, t.task_id
    FROM task t JOIN due ON due.tenant_id = t.tenant_id AND due.task_id = t.task_id
    ORDER BY t.tenant_id, t.task_id
    FOR NO KEY UPDATE OF t SKIP LOCKED
    """
)

# What of a locked task is over; whoever was quicker has resolved it. Index: ask_open.
_OVER: Final = text(
    """
    SELECT * FROM ask
    WHERE tenant_id = :tenant_id AND task_id = :task_id
      AND status = 'pending' AND expires_at <= ops_now()
    ORDER BY step
    """
)


# What the log says of an ask and its row did not hear: a process of an older build has ended it.
# Index: primary key.
_CORRECT: Final = statement(
    """
    UPDATE ask SET status = :status, resolution = :resolution, resolved_by = :resolved_by,
                   resolved_at = :resolved_at, request_hash = :request_hash
    WHERE tenant_id = :tenant_id AND ask_id = :ask_id
    """,
    "resolution",
)


class SqlAskStore:
    """`AskStore` on PostgreSQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def get_ask(self, tenant_id: str, kind: AskKind, ask_id: str) -> Ask:
        asked = {"tenant_id": tenant_id, "ask_id": ask_id, "kind": kind.value}
        async with self._database.begin_for(tenant_id) as connection:
            row = (await connection.execute(_GET, asked)).one_or_none()
        if row is None:
            raise AskNotFound(ask_id)
        return ask_of(row)

    async def ask_page(
        self, tenant_id: str, where: AskFilter, *, limit: int, cursor: str | None
    ) -> AskPage:
        matching = and_(col(AskRow.tenant_id) == tenant_id, *_conditions(where))
        page = (
            select(AskRow.__table__)  # type: ignore[attr-defined]  # plain rows, no ORM objects
            .where(matching, *after(cursor, AskRow.requested_at, AskRow.ask_id))
            .order_by(col(AskRow.requested_at).desc(), col(AskRow.ask_id).desc())
            .limit(limit + 1)
        )
        async with self._database.begin_for(tenant_id) as connection:
            total = await connection.scalar(
                select(func.count()).select_from(AskRow).where(matching)
            )
            rows = (await connection.execute(page)).all()
        return AskPage(
            [ask_of(row) for row in rows[:limit]],
            total or 0,
            next_cursor(rows, limit, lambda last: (last.requested_at, last.ask_id)),
        )

    async def expire_asks(self, limit: int) -> int:
        async with self._database.begin() as connection:
            due = (await connection.execute(_DUE, {"limit": limit})).all()
            return sum(
                [await _expire(connection, TaskKey(task.tenant_id, task.task_id)) for task in due]
            )


async def _expire(connection: AsyncConnection, key: TaskKey) -> int:
    """Ends what is over of a locked task. The log decides: the table may not have heard of an end."""
    over = (await connection.execute(_OVER, key._asdict())).all()
    known = {ask.ask_id: ask for ask in asks_of(key.tenant_id, await history(connection, key))}
    for ask in map(ask_of, over):
        now = known.get(ask.ask_id, ask)
        if now.status is not AskStatus.PENDING:
            await connection.execute(_CORRECT, _ended(now))
            continue
        event = expiry(ask)
        await add_events(connection, key, [event], signals=1)
        await apply(connection, key, wake(event.type))
    return len(over)


def _ended(ask: Ask) -> dict[str, Any]:
    return {
        "tenant_id": ask.tenant_id,
        "ask_id": ask.ask_id,
        "status": ask.status.value,
        "resolution": ask.resolution,
        "resolved_by": ask.resolved_by,
        "resolved_at": ask.resolved_at,
        "request_hash": ask.request_hash,
    }


def ask_of(row: Row) -> Ask:
    return Ask(
        ask_id=row.ask_id,
        tenant_id=row.tenant_id,
        task_id=row.task_id,
        kind=AskKind(row.kind),
        step=row.step,
        generation=row.generation,
        status=AskStatus(row.status),
        asked=row.asked,
        requested_at=row.requested_at,
        expires_at=row.expires_at,
        resolution=row.resolution,
        resolved_by=row.resolved_by,
        resolved_at=row.resolved_at,
        request_hash=row.request_hash,
    )


def _conditions(where: AskFilter) -> list[ColumnElement[bool]]:
    equal = {
        AskRow.kind: where.kind.value,
        AskRow.status: where.status.value if where.status else None,
        AskRow.task_id: where.task_id,
    }
    return [col(column) == value for column, value in equal.items() if value is not None]
