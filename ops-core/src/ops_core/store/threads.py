"""How a task enters its thread, and the store of threads. A thread's row is locked before those of tasks."""

from typing import Any, Final

from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from ops_core.errors import ThreadBusy, ThreadExists, ThreadNotFound
from ops_core.log import EventType, NewEvent
from ops_core.moves import cancel
from ops_core.ports import Exchange, TaskKey
from ops_core.store.cursor import cursor_of, place_of
from ops_core.store.database import Database
from ops_core.store.moves import add_events, apply, statement
from ops_core.store.rows import Row
from ops_core.task import NewTask, Status
from ops_core.threads.entering import Entry, check_part, enter
from ops_core.threads.port import Message, NewThread, OnBusy, Thread, ThreadPage

# Gives a new task its number in its thread, which begins with it if there is none of that id. The row stays
# locked, so that tasks enter one after another. Index: primary key.
_NEXT: Final = text(
    """
    WITH next AS (
        INSERT INTO thread (tenant_id, thread_id, on_busy, last_seq, created_at, updated_at)
        VALUES (:tenant_id, :thread_id, 'enqueue', 1, ops_now(), ops_now())
        ON CONFLICT (tenant_id, thread_id) DO UPDATE SET
            last_seq = thread.last_seq + 1, updated_at = ops_now()
        RETURNING *
    ), placed AS (
        INSERT INTO thread_message (tenant_id, thread_id, seq, task_id)
        SELECT tenant_id, thread_id, last_seq, :task_id FROM next
    )
    SELECT * FROM next
    """
)

# The tasks of a thread that are under way, but for one. Index: task_for_thread.
_UNFINISHED: Final = text(
    """
    SELECT task_id FROM task
    WHERE tenant_id = :tenant_id AND thread_id = :thread_id AND completed_at IS NULL
      AND task_id <> :task_id
    ORDER BY task_id
    """
)

# The thread that a task is in, locked before the task itself is. Indexes: primary keys.
_LOCK_OF: Final = text(
    """
    SELECT h.* FROM task t
    JOIN thread h ON h.tenant_id = t.tenant_id AND h.thread_id = t.thread_id
    WHERE t.tenant_id = :tenant_id AND t.task_id = :task_id
    FOR NO KEY UPDATE OF h
    """
)

# Asks the owner of an interrupted task to stop. Index: primary key.
_REQUEST_CANCEL: Final = text(
    """
    UPDATE task SET cancel_requested = true WHERE tenant_id = :tenant_id AND task_id = :task_id
    """
)

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

# The ended tasks before one in its thread, the last ones first.
# Indexes: primary keys, thread_message_of_task.
_EARLIER: Final = text(
    """
    SELECT t.task_id, t.status, t.input_data, t.result
    FROM task mine
    JOIN thread_message here ON here.tenant_id = mine.tenant_id AND here.task_id = mine.task_id
                            AND here.thread_id = mine.thread_id
    JOIN thread_message m ON m.tenant_id = here.tenant_id AND m.thread_id = here.thread_id
                         AND m.seq < here.seq
    JOIN task t ON t.tenant_id = m.tenant_id AND t.task_id = m.task_id
    WHERE mine.tenant_id = :tenant_id AND mine.task_id = :task_id AND t.completed_at IS NOT NULL
    ORDER BY m.seq DESC LIMIT :limit
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


async def enter_thread(connection: AsyncConnection, new: NewTask) -> Entry:
    """Gives the new task its place in its thread. Raises `ThreadBusy`, `ThreadArchived`."""
    if new.thread_id is None:
        return Entry()
    place = {
        "tenant_id": new.tenant_id,
        "thread_id": new.thread_id,
        "task_id": new.task_id,
    }
    thread = _thread_of((await connection.execute(_NEXT, place)).one())
    unfinished = (await connection.scalars(_UNFINISHED, place)).all()
    return enter(thread, unfinished, new.on_busy)


async def interrupt(connection: AsyncConnection, task: Row) -> bool:
    """Cancels a task of the thread, whose row must be locked; whether it has ended by that."""
    key = TaskKey(task.tenant_id, task.task_id)
    if task.status != Status.RUNNING:
        return await apply(connection, key, cancel("interrupted")) is not None
    if not task.cancel_requested:
        await connection.execute(_REQUEST_CANCEL, key._asdict())
        asked = NewEvent(type=EventType.TASK_CANCEL_REQUESTED, data={"why": "interrupted"})
        await add_events(connection, key, [asked])
    return False


async def lock_thread_of(connection: AsyncConnection, key: TaskKey) -> None:
    """Nothing enters the task's thread, if it has one, until the transaction ends."""
    await connection.execute(_LOCK_OF, key._asdict())


async def check_free(connection: AsyncConnection, task: Row) -> None:
    """Whether no other task of its thread, which the caller has locked, is under way. Raises `ThreadBusy`."""
    if task.thread_id is None:
        return
    place = {"tenant_id": task.tenant_id, "thread_id": task.thread_id, "task_id": task.task_id}
    unfinished = (await connection.scalars(_UNFINISHED, place)).all()
    if unfinished:
        raise ThreadBusy(task.thread_id, len(unfinished))


async def earlier(connection: AsyncConnection, key: TaskKey, limit: int) -> list[Exchange]:
    """The last `limit` tasks that ended before this one in its thread, oldest first."""
    rows = (await connection.execute(_EARLIER, key._asdict() | {"limit": limit})).all()
    return [
        Exchange(
            task_id=row.task_id,
            status=Status(row.status),
            input_data=row.input_data,
            result=row.result,
        )
        for row in reversed(rows)
    ]


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
        threads = [_thread_of(row) for row in rows[:limit]]
        more = len(rows) > limit
        return ThreadPage(
            threads, cursor_of(threads[-1].created_at, threads[-1].thread_id) if more else None
        )

    async def messages(
        self, tenant_id: str, thread_id: str, *, after: int, limit: int
    ) -> list[Message]:
        asked = {"tenant_id": tenant_id, "thread_id": thread_id, "after": after, "limit": limit}
        async with self._database.begin_for(tenant_id) as connection:
            rows = (await connection.execute(_MESSAGES, asked)).all()
            if not rows:  # nothing more, or no such thread
                await _get(connection, tenant_id, thread_id)
        return [_message_of(row) for row in rows]

    async def archive(self, tenant_id: str, thread_id: str) -> Thread:
        asked = {"tenant_id": tenant_id, "thread_id": thread_id}
        async with self._database.begin_for(tenant_id) as connection:
            row = (await connection.execute(_ARCHIVE, asked)).one_or_none()
        if row is None:
            raise ThreadNotFound(thread_id)
        return _thread_of(row)

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
    return _thread_of(row)


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
        return _thread_of((await connection.execute(_CREATE, values)).one())
    except IntegrityError as error:  # only the primary key can be taken
        raise ThreadExists(new.thread_id) from error


def _thread_of(row: Row) -> Thread:
    return Thread(
        tenant_id=row.tenant_id,
        thread_id=row.thread_id,
        name=row.name,
        on_busy=OnBusy(row.on_busy),
        last_seq=row.last_seq,
        created_at=row.created_at,
        updated_at=row.updated_at,
        archived_at=row.archived_at,
        forked_from=row.forked_from,
    )


def _message_of(row: Row) -> Message:
    return Message(
        seq=row.seq,
        task_id=row.task_id,
        task_type=row.task_type,
        status=Status(row.status),
        input_data=row.input_data,
        result=row.result,
        created_at=row.created_at,
        completed_at=row.completed_at,
    )
