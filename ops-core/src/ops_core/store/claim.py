"""The claim: a worker takes the best due tasks of its queues."""

from collections import Counter
from collections.abc import Iterable
from typing import Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from ops_core.log import EventType
from ops_core.store.rows import Row

# Takes the best due rows of a worker's queues; rows that another worker is taking are passed over. Only the
# first claim and a claim after a failure begin a new attempt. Index: task_for_claim, which is in the order
# of a claim only within one queue: hence a scan a queue, and the best of what they find.
#
# A task under which workers have died is for workers that run alone, and for nobody else; a task whose pins a
# worker does not support is for another one.
#
# First every queue's share of the best is counted, without a lock, then each share is locked: what is locked
# here and then not taken would look taken to a worker that was rung for it, and it would not look again.
_CLAIM: Final = text(
    """
    WITH me AS (
        -- Holds off a dispatcher that is burying this worker: it must see what is claimed here.
        SELECT alone, pins, supports FROM worker WHERE worker_id = :worker_id FOR KEY SHARE
    ), best AS (
        SELECT ahead.queue
        FROM me CROSS JOIN unnest(CAST(:queues AS text[])) AS mine (queue) CROSS JOIN LATERAL (
            SELECT queue, priority, runnable_at, task_id FROM task
            WHERE queue = mine.queue AND status = 'pending' AND runnable_at <= ops_now()
              AND (deadline_at IS NULL OR deadline_at > ops_now())
              AND (deaths >= 2) = me.alone AND (task.pins IS NULL OR task.pins <@ me.supports)
            ORDER BY priority DESC, runnable_at, task_id
            LIMIT :count
        ) AS ahead
        ORDER BY ahead.priority DESC, ahead.runnable_at, ahead.task_id
        LIMIT :count
    ), share AS (
        SELECT queue, count(*) AS size FROM best GROUP BY queue
    ), due AS (
        SELECT free.tenant_id, free.task_id, ops_now() AS now
        FROM me CROSS JOIN share CROSS JOIN LATERAL (
            SELECT tenant_id, task_id FROM task
            WHERE queue = share.queue AND status = 'pending' AND runnable_at <= ops_now()
              AND (deadline_at IS NULL OR deadline_at > ops_now())
              AND (deaths >= 2) = me.alone AND (task.pins IS NULL OR task.pins <@ me.supports)
            ORDER BY priority DESC, runnable_at, task_id
            LIMIT share.size
            FOR NO KEY UPDATE SKIP LOCKED
        ) AS free
        LIMIT :count  -- cuts nothing off (the shares add up to it) but tells the planner how few they are
    ), claimed AS (
        UPDATE task t SET
            status     = 'running',
            attempt    = attempt + (attempt = 0 OR reason IN ('retrying', 'rate_limited'))::int,
            reason     = NULL,
            error      = NULL,
            owner      = :worker_id,
            epoch      = epoch + 1,
            ring_at    = NULL,
            rings      = 0,
            started_at = COALESCE(started_at, now),
            pins       = COALESCE(t.pins, ARRAY(
                             SELECT jsonb_array_elements_text(me.pins -> t.task_type))),
            updated_at = now,
            last_seq   = last_seq + 1
        FROM due CROSS JOIN me
        WHERE t.tenant_id = due.tenant_id AND t.task_id = due.task_id
        RETURNING t.*
    ), logged AS (
        INSERT INTO event (tenant_id, task_id, seq, type, data, at)
        SELECT tenant_id, task_id, last_seq, :type,
               jsonb_build_object('worker', owner, 'attempt', attempt), updated_at
        FROM claimed
    )
    SELECT share.queue AS share_queue, share.size AS share_size, claimed.*
    FROM share LEFT JOIN claimed ON claimed.queue = share.queue
    ORDER BY priority DESC, runnable_at, task_id
    """
)


async def claim(
    connection: AsyncConnection, worker_id: str, queues: Iterable[str], count: int
) -> list[Row]:
    """Claims at most `count` rows.

    A queue that could not fill its share (others were quicker) is empty for now, and the other queues are
    asked for the rest: else a worker would go to sleep beside tasks that it was rung for.
    """
    left, rows = set(queues), list[Row]()
    while left and len(rows) < count:
        parameters = {
            "worker_id": worker_id,
            "queues": sorted(left),
            "count": count - len(rows),
            "type": EventType.TASK_CLAIMED.value,
        }
        found = (await connection.execute(_CLAIM, parameters)).all()
        claimed = [row for row in found if row.task_id is not None]
        filled = Counter(row.queue for row in claimed)
        short = {row.share_queue for row in found if filled[row.share_queue] < row.share_size}
        rows += claimed
        if not short:
            break
        left -= short
    return rows
