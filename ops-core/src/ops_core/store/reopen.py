"""Opens the next generation of an ended task, if what it depends on may still complete."""

from typing import Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from ops_core import moves
from ops_core.family import check_retry
from ops_core.ports import TaskKey
from ops_core.store.moves import apply
from ops_core.store.rows import Row, task_of
from ops_core.store.thread_tasks import check_free
from ops_core.task import REOPENED

# What a task still depends on; one that was deleted is a row of NULLs. Not locked: whoever tells of its end
# locks the task itself. Indexes: dependency_of_task, primary key of task.
_NEEDS: Final = text(
    """
    SELECT d.needs, t.* FROM dependency d
    LEFT JOIN task t ON t.tenant_id = d.tenant_id AND t.task_id = d.needs
    WHERE d.tenant_id = :tenant_id AND d.task_id = :task_id AND NOT d.on_end
    ORDER BY d.needs
    """
)


async def reopen(connection: AsyncConnection, task: Row) -> Row | None:
    """The row of the next generation; None when the task has not ended so.

    Its row must be locked, and that of its thread before it. Raises `ThreadBusy`, and
    `InvalidRequest` naming what must be retried first.
    """
    key = TaskKey(task.tenant_id, task.task_id)
    if task.completed_at is not None and task.dependencies_left:
        rows = (await connection.execute(_NEEDS, key._asdict())).all()
        check_retry({row.needs: task_of(row) if row.task_id else None for row in rows})
    if task.status in REOPENED:
        await check_free(connection, task)
    return await apply(connection, key, moves.reopen(task.generation + 1))
