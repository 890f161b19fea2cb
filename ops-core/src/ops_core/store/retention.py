"""Deletes what ended long ago."""

from typing import Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

# Finished tasks past their age, oldest first. Kept: dead letters, ends that were not told yet, and children
# whose parent is kept (its log names them). Index: task_for_retention.
_OLD: Final = """
    SELECT t.tenant_id, t.task_id FROM task t
    WHERE t.completed_at < ops_now() - :older_than_s * interval '1 second'
      AND t.dead_letter_at IS NULL
      AND NOT EXISTS (SELECT 1 FROM task p
                      WHERE p.tenant_id = t.tenant_id AND p.task_id = t.parent_task_id)
      AND NOT EXISTS (SELECT 1 FROM outbox o
                      WHERE o.tenant_id = t.tenant_id AND o.task_id = t.task_id)
    ORDER BY t.completed_at LIMIT :limit
"""

# Their budgets, before them, as everybody locks them. Index: primary key.
_BUDGETS: Final = text(
    f"""
    SELECT b.tenant_id, b.budget_id FROM budget b
    JOIN ({_OLD}) AS old ON old.tenant_id = b.tenant_id AND old.task_id = b.budget_id
    ORDER BY b.tenant_id, b.budget_id FOR UPDATE OF b SKIP LOCKED
    """  # noqa: S608  # a part of our own
)

# The tasks, but for those whose budget is in other hands: they come with a later pass. Index: primary keys.
_TASKS: Final = text(
    f"""
    SELECT t.tenant_id, t.task_id FROM task t
    JOIN ({_OLD}) AS old ON old.tenant_id = t.tenant_id AND old.task_id = t.task_id
    WHERE NOT EXISTS (
        SELECT FROM budget b
        WHERE b.tenant_id = t.tenant_id AND b.budget_id = t.task_id
          AND (b.tenant_id, b.budget_id) NOT IN (
              SELECT * FROM unnest(CAST(:tenants AS text[]), CAST(:budgets AS text[]))))
    ORDER BY t.tenant_id, t.task_id FOR UPDATE OF t SKIP LOCKED
    """  # noqa: S608  # as above
)

# What was sent of them, before their webhooks: whoever records a delivery locks them in this order. One in
# other hands fails when it is tried again, and is deleted at its own age. Index: webhook_delivery_for_task.
_DELIVERIES: Final = text(
    """
    WITH theirs AS (
        SELECT d.tenant_id, d.delivery_id FROM webhook_delivery d
        WHERE (d.tenant_id, d.task_id) IN (
            SELECT * FROM unnest(CAST(:tenants AS text[]), CAST(:tasks AS text[])))
        FOR UPDATE SKIP LOCKED
    )
    DELETE FROM webhook_delivery d USING theirs
    WHERE d.tenant_id = theirs.tenant_id AND d.delivery_id = theirs.delivery_id
    """
)

# The tasks, which are locked, with everything else that is theirs. Indexes: each table's by task.
_DELETE: Final = text(
    """
    WITH old AS (
        SELECT * FROM unnest(CAST(:tenants AS text[]), CAST(:tasks AS text[])) AS o (tenant_id, task_id)
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
    asked = {"older_than_s": older_than_s, "limit": limit}
    budgets = (await connection.execute(_BUDGETS, asked)).all()
    locked = {
        "tenants": [row.tenant_id for row in budgets],
        "budgets": [row.budget_id for row in budgets],
    }
    old = (await connection.execute(_TASKS, asked | locked)).all()
    if not old:
        return 0
    theirs = {"tenants": [row.tenant_id for row in old], "tasks": [row.task_id for row in old]}
    await connection.execute(_DELIVERIES, theirs)
    return (await connection.execute(_DELETE, theirs)).rowcount
