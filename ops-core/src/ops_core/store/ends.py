"""Tells of an ended task those who must know, from the outbox that was written with its end."""

from typing import Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from ops_core.log import EventType, NewEvent
from ops_core.moves import cancel, dependency_failed, wake
from ops_core.ports import TaskKey
from ops_core.store.moves import add_events, apply
from ops_core.store.rows import Row, task_of
from ops_core.task import Status

# The oldest end that nobody else is telling of. Index: primary key.
_NEXT: Final = text("SELECT * FROM outbox ORDER BY outbox_id LIMIT 1 FOR UPDATE SKIP LOCKED")

_TOLD: Final = text("DELETE FROM outbox WHERE outbox_id = :outbox_id")

# Who must hear of an end (its parent, what depends on it, its children that are still under way) and the
# ended task itself, locked in the order that everybody keeps.
# Indexes: primary keys of task and dependency, task_for_parent.
_CONCERNED: Final = text(
    """
    SELECT * FROM task
    WHERE tenant_id = :tenant_id AND task_id IN (
        SELECT CAST(:task_id AS text)
        UNION ALL SELECT parent_task_id FROM task
                  WHERE tenant_id = :tenant_id AND task_id = :task_id
        UNION ALL SELECT task_id FROM dependency
                  WHERE tenant_id = :tenant_id AND needs = :task_id
        UNION ALL SELECT task_id FROM task
                  WHERE tenant_id = :tenant_id AND parent_task_id = :task_id AND completed_at IS NULL)
    ORDER BY task_id FOR NO KEY UPDATE
    """
)

# One child less to wait for. The count of signals tells a parent that runs just now to look again.
# Index: primary key.
_CHILD_ENDED: Final = text(
    """
    UPDATE task SET signals = signals + 1,
        -- Not GREATEST(…, 0): that is 0 for NULL, and a task that waits for no child would be woken.
        children_needed = CASE WHEN children_needed > 0 THEN children_needed - 1 ELSE children_needed END
    WHERE tenant_id = :tenant_id AND task_id = :task_id
    RETURNING children_needed
    """
)

# One dependency less; the last one makes the task runnable. One that was cancelled while it waited only
# counts: a client may open it again. Index: primary key.
_FREE: Final = text(
    """
    WITH told AS (
        DELETE FROM dependency
        WHERE tenant_id = :tenant_id AND needs = :needs AND task_id = :task_id
    )
    UPDATE task SET
        dependencies_left = dependencies_left - 1,
        runnable_at = CASE WHEN dependencies_left > 1 OR status <> 'pending' THEN runnable_at
                           ELSE GREATEST(ops_now(), scheduled_at) END,
        ring_at     = CASE WHEN dependencies_left > 1 OR status <> 'pending' THEN ring_at
                           ELSE GREATEST(ops_now(), scheduled_at) END,
        reason      = CASE WHEN status <> 'pending' THEN reason
                           WHEN dependencies_left > 1 OR scheduled_at > ops_now() THEN 'delayed'
                           ELSE 'queued' END
    WHERE tenant_id = :tenant_id AND task_id = :task_id
    RETURNING dependencies_left
    """
)

# Asks the owner of a running child to stop. Index: primary key.
_REQUEST_CANCEL: Final = text(
    """
    UPDATE task SET cancel_requested = true WHERE tenant_id = :tenant_id AND task_id = :task_id
    """
)


async def tell_one_end(connection: AsyncConnection) -> bool:
    """Tells of the oldest end in the outbox; False when there is none."""
    row = (await connection.execute(_NEXT)).one_or_none()
    if row is None:
        return False
    key = TaskKey(row.tenant_id, row.task_id)
    concerned = (await connection.execute(_CONCERNED, key._asdict())).all()
    ended = next((one for one in concerned if one.task_id == key.task_id), None)
    # A task that was retried meanwhile tells of its next end.
    if ended is not None and ended.completed_at is not None:
        for one in concerned:
            if one.task_id != key.task_id:
                await _tell(connection, ended, one)
    await connection.execute(_TOLD, {"outbox_id": row.outbox_id})
    return True


async def _tell(connection: AsyncConnection, ended: Row, concerned: Row) -> None:
    if concerned.task_id == ended.parent_task_id:
        if concerned.completed_at is None:
            await _tell_parent(connection, concerned)
    elif concerned.parent_task_id == ended.task_id:
        if concerned.completed_at is None:
            await _cancel_child(connection, concerned)
    else:
        await _tell_dependent(connection, ended, concerned)


async def _tell_parent(connection: AsyncConnection, parent: Row) -> None:
    key = TaskKey(parent.tenant_id, parent.task_id)
    needed = await connection.scalar(_CHILD_ENDED, key._asdict())
    if needed == 0:
        await apply(connection, key, wake("child"))


async def _cancel_child(connection: AsyncConnection, child: Row) -> None:
    key = TaskKey(child.tenant_id, child.task_id)
    if child.status != Status.RUNNING:
        await apply(connection, key, cancel())
    elif not child.cancel_requested:
        await connection.execute(_REQUEST_CANCEL, key._asdict())
        asked = NewEvent(type=EventType.TASK_CANCEL_REQUESTED, data={"why": "parent_ended"})
        await add_events(connection, key, [asked])


async def _tell_dependent(connection: AsyncConnection, ended: Row, dependent: Row) -> None:
    key = TaskKey(dependent.tenant_id, dependent.task_id)
    if ended.status != Status.COMPLETED:
        await apply(connection, key, dependency_failed(task_of(ended)))
        return
    left = await connection.scalar(_FREE, key._asdict() | {"needs": ended.task_id})
    if dependent.completed_at is not None:
        return  # nothing follows the end of a log
    data = {"task_id": ended.task_id, "left": left}
    await add_events(connection, key, [NewEvent(type=EventType.DEPENDENCY_FINISHED, data=data)])
