"""A task in its thread: how it enters, what it may interrupt, what came before it.

The thread's row is locked before those of tasks.
"""

from typing import Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from ops_core.errors import ThreadBusy
from ops_core.log import EventType, NewEvent
from ops_core.moves import cancel
from ops_core.ports import Exchange, TaskKey
from ops_core.store.moves import add_events, apply
from ops_core.store.rows import Row
from ops_core.store.thread_rows import thread_of
from ops_core.task import NewTask, Status
from ops_core.threads.entering import Entry, enter

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


async def enter_thread(connection: AsyncConnection, new: NewTask) -> Entry:
    """Gives the new task its place in its thread. Raises `ThreadBusy`, `ThreadArchived`."""
    if new.thread_id is None:
        return Entry()
    place = {
        "tenant_id": new.tenant_id,
        "thread_id": new.thread_id,
        "task_id": new.task_id,
    }
    thread = thread_of((await connection.execute(_NEXT, place)).one())
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
