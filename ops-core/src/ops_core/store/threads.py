"""Threads in PostgreSQL, as the doors see them."""

from typing import Any, Final

from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from ops_core.errors import ThreadExists, ThreadNotFound
from ops_core.store.cursor import next_cursor, place_of
from ops_core.store.database import Database
from ops_core.store.moves import statement
from ops_core.store.thread_rows import message_of, thread_of
from ops_core.threads.entering import check_part
from ops_core.threads.port import Message, NewThread, Thread, ThreadPage

# Index: primary key.
_CREATE: Final = statement(
    """
    INSERT INTO thread (tenant_id, thread_id, name, on_busy, last_seq, forked_from, created_at, updated_at)
    VALUES (:tenant_id, :thread_id, :name, :on_busy, :last_seq, :forked_from, ops_now(), ops_now())
    RETURNING *
    """,
    "forked_from",
)

# Index: primary key.
_GET: Final = text("SELECT * FROM thread WHERE tenant_id = :tenant_id AND thread_id = :thread_id")

# A page of threads, newest first. Index: thread_for_list.
_PAGE: Final = text(
    """
    SELECT * FROM thread
    WHERE tenant_id = :tenant_id AND (archived_at IS NOT NULL) = :archived
      AND (CAST(:created_at AS timestamptz) IS NULL OR (created_at, thread_id) < (:created_at, :last_id))
    ORDER BY created_at DESC, thread_id DESC LIMIT :limit
    """
)

# The tasks of a thread, in order. Indexes: primary keys.
_MESSAGES: Final = text(
    """
    SELECT m.seq, t.task_id, t.task_type, t.status, t.input_data, t.result, t.created_at, t.completed_at
    FROM thread_message m
    JOIN task t ON t.tenant_id = m.tenant_id AND t.task_id = m.task_id
    WHERE m.tenant_id = :tenant_id AND m.thread_id = :thread_id AND m.seq > :after
    ORDER BY m.seq LIMIT :limit
    """
)

# Index: primary key.
_ARCHIVE: Final = text(
    """
    UPDATE thread SET archived_at = COALESCE(archived_at, ops_now())
    WHERE tenant_id = :tenant_id AND thread_id = :thread_id
    RETURNING *
    """
)

# The tasks of a thread up to one, and how many of them have ended. Index: primary keys.
_PART: Final = text(
    """
    SELECT count(*) AS size, count(t.completed_at) AS ended, max(m.seq) AS last_seq
    FROM thread_message m
    JOIN task t ON t.tenant_id = m.tenant_id AND t.task_id = m.task_id
    WHERE m.tenant_id = :tenant_id AND m.thread_id = :source_id AND m.seq <= :after_seq
    """
)

# Index: primary key.
_SHARE: Final = text(
    """
    INSERT INTO thread_message (tenant_id, thread_id, seq, task_id)
    SELECT tenant_id, :thread_id, seq, task_id FROM thread_message
    WHERE tenant_id = :tenant_id AND thread_id = :source_id AND seq <= :after_seq
    """
)


class SqlThreadStore:
    """`ThreadStore` on PostgreSQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def create(self, new: NewThread) -> Thread:
        async with self._database.begin_for(new.tenant_id) as connection:
            return await _create(connection, new)

    async def get(self, tenant_id: str, thread_id: str) -> Thread:
        async with self._database.begin_for(tenant_id) as connection:
            return await _get(connection, tenant_id, thread_id)

    async def page(
        self, tenant_id: str, *, archived: bool, limit: int, cursor: str | None
    ) -> ThreadPage:
        asked = {"tenant_id": tenant_id, "archived": archived, "limit": limit + 1}
        async with self._database.begin_for(tenant_id) as connection:
            rows = (await connection.execute(_PAGE, asked | place_of(cursor))).all()
        return ThreadPage(
            [thread_of(row) for row in rows[:limit]],
            next_cursor(rows, limit, lambda last: (last.created_at, last.thread_id)),
        )

    async def messages(
        self, tenant_id: str, thread_id: str, *, after: int, limit: int
    ) -> list[Message]:
        asked = {"tenant_id": tenant_id, "thread_id": thread_id, "after": after, "limit": limit}
        async with self._database.begin_for(tenant_id) as connection:
            rows = (await connection.execute(_MESSAGES, asked)).all()
            if not rows:  # nothing more, or no such thread
                await _get(connection, tenant_id, thread_id)
        return [message_of(row) for row in rows]

    async def archive(self, tenant_id: str, thread_id: str) -> Thread:
        asked = {"tenant_id": tenant_id, "thread_id": thread_id}
        async with self._database.begin_for(tenant_id) as connection:
            row = (await connection.execute(_ARCHIVE, asked)).one_or_none()
        if row is None:
            raise ThreadNotFound(thread_id)
        return thread_of(row)

    async def fork(self, source_id: str, after_seq: int, new: NewThread) -> Thread:
        asked = {
            "tenant_id": new.tenant_id,
            "source_id": source_id,
            "thread_id": new.thread_id,
            "after_seq": after_seq,
        }
        async with self._database.begin_for(new.tenant_id) as connection:
            source = await _get(connection, new.tenant_id, source_id)
            part = (await connection.execute(_PART, asked)).one()
            check_part(source, after_seq, part.size, part.ended)
            forked_from = {"thread_id": source_id, "seq": after_seq}
            thread = await _create(connection, new, after_seq, forked_from)
            await connection.execute(_SHARE, asked)
        return thread


async def _get(connection: AsyncConnection, tenant_id: str, thread_id: str) -> Thread:
    asked = {"tenant_id": tenant_id, "thread_id": thread_id}
    row = (await connection.execute(_GET, asked)).one_or_none()
    if row is None:
        raise ThreadNotFound(thread_id)
    return thread_of(row)


async def _create(
    connection: AsyncConnection,
    new: NewThread,
    last_seq: int = 0,
    forked_from: dict[str, Any] | None = None,
) -> Thread:
    values = {
        "tenant_id": new.tenant_id,
        "thread_id": new.thread_id,
        "name": new.name,
        "on_busy": new.on_busy.value,
        "last_seq": last_seq,
        "forked_from": forked_from,
    }
    try:
        return thread_of((await connection.execute(_CREATE, values)).one())
    except IntegrityError as error:  # only the primary key can be taken
        raise ThreadExists(new.thread_id) from error
