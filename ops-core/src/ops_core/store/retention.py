"""Deletes what ended long ago."""

from typing import Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

# Finished tasks past their age, oldest first, with everything that is theirs. Kept: dead letters, ends that
# were not told yet, and children whose parent is kept (its log names them). Index: task_for_retention.
_PRUNE: Final = text(
    """
    WITH old AS (
        SELECT t.tenant_id, t.task_id FROM task t
        WHERE t.completed_at < ops_now() - :older_than_s * interval '1 second'
          AND t.dead_letter_at IS NULL
          AND NOT EXISTS (SELECT 1 FROM task p
                          WHERE p.tenant_id = t.tenant_id AND p.task_id = t.parent_task_id)
          AND NOT EXISTS (SELECT 1 FROM outbox o
                          WHERE o.tenant_id = t.tenant_id AND o.task_id = t.task_id)
        ORDER BY t.completed_at LIMIT :limit
        FOR UPDATE SKIP LOCKED
    ), events AS (
        DELETE FROM event e USING old
        WHERE e.tenant_id = old.tenant_id AND e.task_id = old.task_id
    ), blobs AS (
        DELETE FROM blob b USING old
        WHERE b.tenant_id = old.tenant_id AND b.task_id = old.task_id
    ), messages AS (
        DELETE FROM thread_message m USING old
        WHERE m.tenant_id = old.tenant_id AND m.task_id = old.task_id
    ), hooks AS (
        DELETE FROM webhook w USING old
        WHERE w.tenant_id = old.tenant_id AND w.task_id = old.task_id
    ), deliveries AS (
        DELETE FROM webhook_delivery d USING old
        WHERE d.tenant_id = old.tenant_id AND d.task_id = old.task_id
    ), budgets AS (
        DELETE FROM budget b USING old
        WHERE b.tenant_id = old.tenant_id AND b.budget_id = old.task_id
    ), dependencies AS (
        DELETE FROM dependency d USING old
        WHERE d.tenant_id = old.tenant_id AND d.task_id = old.task_id
    ), asks AS (
        DELETE FROM ask a USING old
        WHERE a.tenant_id = old.tenant_id AND a.task_id = old.task_id
    )
    DELETE FROM task t USING old WHERE t.tenant_id = old.tenant_id AND t.task_id = old.task_id
    """
)


async def prune(connection: AsyncConnection, older_than_s: float, limit: int) -> int:
    """Deletes at most `limit` tasks; returns how many."""
    parameters = {"older_than_s": older_than_s, "limit": limit}
    return (await connection.execute(_PRUNE, parameters)).rowcount
