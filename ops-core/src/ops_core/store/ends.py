"""Tells of an ended task those who must know, from the outbox that was written with its end."""

from collections.abc import Sequence
from dataclasses import dataclass
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
_NEXT: Final = text(
    """
    SELECT * FROM outbox WHERE outbox_id <> ALL(:set_aside)
    ORDER BY outbox_id LIMIT 1 FOR UPDATE SKIP LOCKED
    """
)

_TOLD: Final = text("DELETE FROM outbox WHERE outbox_id = :outbox_id")

# Who must hear of an end (its parent, what depends on it, its children that are still under way) and the
# ended task itself, locked in the order that everybody keeps. Of dependents and children at most so many at
# once: any number of tasks may depend on one, and all their rows would be locked until the last was told.
# Who was told is not found again: the dependency is gone, or the task has ended or was asked to.
# Indexes: primary keys of task and dependency, task_for_parent.
_CONCERNED: Final = text(
    """
    SELECT * FROM task
    WHERE tenant_id = :tenant_id AND task_id IN (
        SELECT CAST(:task_id AS text)
        UNION ALL SELECT parent_task_id FROM task
                  WHERE tenant_id = :tenant_id AND task_id = :task_id
        UNION ALL (SELECT d.task_id FROM dependency d
                   JOIN task t ON t.tenant_id = d.tenant_id AND t.task_id = d.task_id
                   JOIN task e ON e.tenant_id = d.tenant_id AND e.task_id = d.needs
                   WHERE d.tenant_id = :tenant_id AND d.needs = :task_id
                     AND (t.completed_at IS NULL OR e.status = 'completed' OR d.on_end)
                   LIMIT :limit)
        UNION ALL (SELECT task_id FROM task
                   WHERE tenant_id = :tenant_id AND parent_task_id = :task_id
                     AND completed_at IS NULL AND NOT cancel_requested
                   LIMIT :limit))
    ORDER BY task_id FOR NO KEY UPDATE
    """
)

#: How many dependents, and how many children, are told in one transaction. Some 1.5 ms each.
AT_ONCE: Final = 200

# An end with more to tell goes behind the others, which must not wait for it. Index: primary key.
_AGAIN: Final = text(
    """
    WITH begun AS (
        DELETE FROM outbox WHERE outbox_id = :outbox_id RETURNING tenant_id, task_id
    )
    INSERT INTO outbox (tenant_id, task_id) SELECT tenant_id, task_id FROM begun
    """
)

# One child less to wait for. The count of signals tells a parent that runs just now to look again.
# Index: primary key.
_CHILD_ENDED: Final = text(
    """
    UPDATE task SET
        signals = signals + 1,
        -- NULL for one that waits for no child, and stays so (GREATEST would make it 0).
        children_needed = CASE WHEN children_needed > 0 THEN children_needed - 1
                               ELSE children_needed END
    WHERE tenant_id = :tenant_id AND task_id = :task_id
    RETURNING children_needed
    """
)

# One dependency less (what waits for a mere end, as in a thread, has it whatever that is); the last one makes
# the task runnable. One that has ended finds that when it is retried. No row when it was told before.
# Index: primary keys.
_FREE: Final = text(
    """
    WITH told AS (
        DELETE FROM dependency
        WHERE tenant_id = :tenant_id AND needs = :needs AND task_id = :task_id
          AND (on_end OR :completed)
        RETURNING task_id, on_end
    )
    UPDATE task t SET
        dependencies_left = dependencies_left - 1,
        runnable_at = CASE WHEN status <> 'pending' OR dependencies_left > 1 THEN runnable_at
                           ELSE GREATEST(ops_now(), scheduled_at) END,
        ring_at     = CASE WHEN status <> 'pending' OR dependencies_left > 1 OR gated THEN ring_at
                           ELSE GREATEST(ops_now(), scheduled_at) END,
        reason      = CASE WHEN status <> 'pending' THEN reason
                           WHEN dependencies_left > 1 OR scheduled_at > ops_now() THEN 'delayed'
                           ELSE 'queued' END
    FROM told
    WHERE t.tenant_id = :tenant_id AND t.task_id = told.task_id
    RETURNING dependencies_left, on_end
    """
)

# Asks the owner of a running child to stop. Index: primary key.
_REQUEST_CANCEL: Final = text(
    """
    UPDATE task SET cancel_requested = true WHERE tenant_id = :tenant_id AND task_id = :task_id
    """
)


@dataclass(frozen=True, slots=True)
class End:
    """An end that others must hear of: the row of the outbox, and the task that ended."""

    outbox_id: int
    key: TaskKey


async def next_end(connection: AsyncConnection, set_aside: Sequence[int]) -> End | None:
    """The oldest end in the outbox, locked, but for those set aside; None when there is none."""
    row = (await connection.execute(_NEXT, {"set_aside": list(set_aside)})).one_or_none()
    return None if row is None else End(row.outbox_id, TaskKey(row.tenant_id, row.task_id))


async def tell(connection: AsyncConnection, end: End) -> bool:
    """Tells those who must hear of it, and takes it out of the outbox.

    False when there are too many for once: it stays in the outbox for the rest of them, behind the others.
    """
    key = end.key
    asked = key._asdict() | {"limit": AT_ONCE}
    concerned = (await connection.execute(_CONCERNED, asked)).all()
    ended = next((one for one in concerned if one.task_id == key.task_id), None)
    is_whole = True
    # A task that was retried meanwhile tells of its next end.
    if ended is not None and ended.completed_at is not None:
        others = [one for one in concerned if one.task_id != ended.task_id]
        is_whole = len(others) < AT_ONCE
        for one in others:
            # The parent counts ends, so it hears of this one once.
            if is_whole or one.task_id != ended.parent_task_id:
                await _tell(connection, ended, one)
    await connection.execute(_TOLD if is_whole else _AGAIN, {"outbox_id": end.outbox_id})
    return is_whole


async def _tell(connection: AsyncConnection, ended: Row, concerned: Row) -> None:
    is_over = concerned.completed_at is not None
    if concerned.task_id == ended.parent_task_id:
        if not is_over:
            await _tell_parent(connection, concerned)
    elif concerned.parent_task_id == ended.task_id:
        if not is_over:
            await _cancel_child(connection, concerned)
    elif not await _free(connection, ended, concerned) and not is_over:
        key = TaskKey(concerned.tenant_id, concerned.task_id)
        await apply(connection, key, dependency_failed(task_of(ended)))


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


async def _free(connection: AsyncConnection, ended: Row, dependent: Row) -> bool:
    """Whether this end is one that the dependent waited for."""
    key = TaskKey(dependent.tenant_id, dependent.task_id)
    completed = ended.status == Status.COMPLETED
    freed = key._asdict() | {"needs": ended.task_id, "completed": completed}
    told = (await connection.execute(_FREE, freed)).one_or_none()
    if told is None:
        return bool(completed)
    # An ended task's log has its last word; and of a queue before it only the last end is news.
    if dependent.completed_at is None and (told.dependencies_left == 0 or not told.on_end):
        data = {"task_id": ended.task_id, "left": told.dependencies_left}
        await add_events(connection, key, [NewEvent(type=EventType.DEPENDENCY_FINISHED, data=data)])
    return True
