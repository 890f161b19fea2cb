"""How the installation stands, read over indexes and never further than a bound."""

from typing import Final

from sqlalchemy import text

from ops_core.fleet import WorkerState
from ops_core.metrics.port import MOST, Figures, QueueFigures
from ops_core.store.database import Database
from ops_core.store.rows import Row
from ops_core.task import Status

#: Lanes (a queue, a tenant, a priority) in which due tasks are looked for; the rest is not looked at.
LANES: Final = 1_000

#: How long PostgreSQL may take, in milliseconds: then there are no figures this time.
PATIENCE_MS: Final = 2_000

# For this transaction alone. Figures are never worth a statement that runs on. And where many tasks have not
# ended the planner would rather read the table, or all that matches, than follow an index up to a bound: in a
# table whose first million tasks have ended that is a million rows for nothing.
_BOUNDED: Final = text(
    """
    SELECT set_config('statement_timeout', :ms, true), set_config('enable_seqscan', 'off', true),
           set_config('enable_bitmapscan', 'off', true)
    """
)

# Everything in one statement, so that it is of one moment: a row for each queue that has tasks or workers,
# and one without a name for what belongs to none. Indexes: task_for_fair_claim (pending: lanes are found by a
# probe each, as a claim finds them), task_for_gate, task_for_owner, task_for_list_by_status and
# task_for_dead_letters (a probe a tenant), webhook_delivery_for_sending, primary keys. What is counted is
# bounded.
_FIGURES: Final = text(
    """
    WITH RECURSIVE lane AS (
        (SELECT queue, tenant_id, priority, 1 AS place FROM task
         WHERE status = 'pending' AND NOT gated
         ORDER BY queue, tenant_id, priority DESC LIMIT 1)
        UNION ALL
        SELECT next.queue, next.tenant_id, next.priority, lane.place + 1
        FROM lane CROSS JOIN LATERAL (
            (SELECT 1 AS nth, queue, tenant_id, priority FROM task
             WHERE queue = lane.queue AND tenant_id = lane.tenant_id AND priority < lane.priority
               AND status = 'pending' AND NOT gated
             ORDER BY priority DESC LIMIT 1)
            UNION ALL
            (SELECT 2, queue, tenant_id, priority FROM task
             WHERE queue = lane.queue AND tenant_id > lane.tenant_id
               AND status = 'pending' AND NOT gated
             ORDER BY tenant_id, priority DESC LIMIT 1)
            UNION ALL
            (SELECT 3, queue, tenant_id, priority FROM task
             WHERE queue > lane.queue AND status = 'pending' AND NOT gated
             ORDER BY queue, tenant_id, priority DESC LIMIT 1)
            ORDER BY nth LIMIT 1
        ) AS next
        WHERE lane.place < :lanes
    ), due AS (
        SELECT lane.queue, min(first.runnable_at) AS since
        FROM lane CROSS JOIN LATERAL (
            SELECT runnable_at FROM task
            WHERE queue = lane.queue AND tenant_id = lane.tenant_id AND priority = lane.priority
              AND status = 'pending' AND NOT gated
            ORDER BY runnable_at LIMIT 1
        ) AS first
        GROUP BY lane.queue
    ), counted AS (
        SELECT due.queue, 'pending' AS status, count(*) AS tasks
        FROM due CROSS JOIN LATERAL (
            SELECT FROM task WHERE queue = due.queue AND status = 'pending' AND NOT gated
            LIMIT :most
        ) AS one
        GROUP BY due.queue
        UNION ALL
        SELECT queue, 'pending', count(*) FROM (
            SELECT queue FROM task WHERE status = 'pending' AND gated LIMIT :most
        ) AS at_gates
        GROUP BY queue
        UNION ALL
        SELECT queue, 'running', count(*) FROM (
            SELECT queue FROM task WHERE owner IS NOT NULL LIMIT :most
        ) AS running
        GROUP BY queue
        UNION ALL
        SELECT queue, 'waiting', count(*) FROM (
            SELECT waiting.queue FROM tenant CROSS JOIN LATERAL (
                SELECT queue FROM task
                WHERE tenant_id = tenant.tenant_id AND status = 'waiting' LIMIT :most
            ) AS waiting
            LIMIT :most
        ) AS waiting
        GROUP BY queue
    ), seen AS (
        SELECT *, heartbeat_at < ops_now() - :ttl_s * interval '1 second' AS lost,
               draining OR drain_at IS NOT NULL OR queues = '{}' AS drains
        FROM worker
    ), room AS (
        SELECT queue, sum(slots) AS slots, sum(GREATEST(slots - running, 0)) AS free
        FROM seen, unnest(queues) AS queue
        WHERE NOT lost AND NOT drains AND NOT alone
        GROUP BY queue
    ), sending AS (
        SELECT next_at FROM webhook_delivery WHERE next_at IS NOT NULL
        ORDER BY next_at, seq LIMIT :most
    )
    SELECT queue, COALESCE(pending, 0) AS pending, COALESCE(running, 0) AS running,
           COALESCE(waiting, 0) AS waiting, COALESCE(slots, 0) AS slots, COALESCE(free, 0) AS free,
           GREATEST(extract(epoch FROM ops_now() - since), 0) AS oldest_due_s,
           NULL AS alive, NULL AS draining, NULL AS lost, NULL AS dead_letters, NULL AS ends,
           NULL AS deliveries, NULL AS oldest_delivery_s
    FROM (
        SELECT queue, sum(tasks) FILTER (WHERE status = 'pending') AS pending,
               sum(tasks) FILTER (WHERE status = 'running') AS running,
               sum(tasks) FILTER (WHERE status = 'waiting') AS waiting
        FROM counted GROUP BY queue
    ) AS tasks
    FULL JOIN room USING (queue)
    LEFT JOIN due USING (queue)
    UNION ALL
    SELECT NULL, 0, 0, 0, 0, 0, 0,
           (SELECT count(*) FROM seen WHERE NOT lost AND NOT drains),
           (SELECT count(*) FROM seen WHERE NOT lost AND drains),
           (SELECT count(*) FROM seen WHERE lost),
           (SELECT count(*) FROM (
                SELECT FROM tenant CROSS JOIN LATERAL (
                    SELECT FROM task
                    WHERE tenant_id = tenant.tenant_id
                      -- A dead letter is always failed; it is said for the index.
                      AND dead_letter_at IS NOT NULL AND status = 'failed' LIMIT :most
                ) AS dead LIMIT :most) AS letters),
           (SELECT count(*) FROM (SELECT FROM outbox LIMIT :most) AS ends),
           (SELECT count(*) FROM sending),
           (SELECT GREATEST(extract(epoch FROM ops_now() - min(next_at)), 0) FROM sending)
    """
)


class SqlFiguresStore:
    """`FiguresStore` on PostgreSQL, across tenants.

    `heartbeat_ttl_s`: of upkeep, in seconds. After `patience_ms` there are no figures this time; no more than
    `most` tasks of a kind are counted.
    """

    def __init__(
        self,
        database: Database,
        *,
        heartbeat_ttl_s: float = 10.0,
        patience_ms: int = PATIENCE_MS,
        most: int = MOST,
    ) -> None:
        self._database = database
        self._patience = {"ms": str(patience_ms)}
        self._asked = {"ttl_s": heartbeat_ttl_s, "lanes": LANES, "most": most}

    async def figures(self) -> Figures:
        async with self._database.begin() as connection:
            await connection.execute(_BOUNDED, self._patience)
            rows = (await connection.execute(_FIGURES, self._asked)).all()
        [total] = [row for row in rows if row.queue is None]
        return Figures(
            queues={row.queue: _queue(row) for row in rows if row.queue is not None},
            workers={
                WorkerState.ALIVE: total.alive,
                WorkerState.DRAINING: total.draining,
                WorkerState.LOST: total.lost,
            },
            dead_letters=total.dead_letters,
            ends_waiting=total.ends,
            deliveries_waiting=total.deliveries,
            oldest_delivery_s=float(total.oldest_delivery_s or 0),
        )


def _queue(row: Row) -> QueueFigures:
    return QueueFigures(
        tasks={
            Status.PENDING: int(row.pending),
            Status.RUNNING: int(row.running),
            Status.WAITING: int(row.waiting),
        },
        oldest_due_s=float(row.oldest_due_s or 0),
        slots=int(row.slots),
        free_slots=int(row.free),
    )
