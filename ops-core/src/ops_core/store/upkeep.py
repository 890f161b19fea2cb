"""The store as the dispatcher uses it: what is due, across all tenants and workers."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Final

from sqlalchemy import text

from ops_core.ports import DueRings, TaskKey
from ops_core.store.database import Database
from ops_core.store.moves import apply
from ops_core.task import cancel, deadline_exceeded, release

#: How long after a start of PostgreSQL its workers may take to connect again. Seconds.
SETTLE_S: Final = 5.0

# Pending rows whose ring is due, oldest first. Index: task_for_wake.
_DUE_RINGS: Final = text(
    """
    SELECT tenant_id, task_id, queue FROM task
    WHERE wake_at <= ops_now() AND status = 'pending' AND ring_at <= ops_now()
    ORDER BY wake_at LIMIT :limit
    """
)

# Live workers with room, by queue: nobody else would hear a ring.
_LISTENERS: Final = text(
    """
    SELECT queue, count(*) AS workers
    FROM worker, unnest(queues) AS queue
    WHERE heartbeat_at > ops_now() - :ttl_s * interval '1 second' AND running < slots
    GROUP BY queue
    """
)

# The next ring of a row comes after twice the rest. A row that was claimed meanwhile is left alone.
_RANG: Final = text(
    """
    UPDATE task t SET
        ring_at = ops_now() + LEAST(:grace_s * power(2, LEAST(rings, 30)), :grace_max_s)
                              * interval '1 second',
        rings = rings + 1
    FROM unnest(CAST(:tenants AS text[]), CAST(:tasks AS text[])) AS k (tenant_id, task_id)
    WHERE t.tenant_id = k.tenant_id AND t.task_id = k.task_id AND t.status = 'pending'
    """
)

# Tasks past their deadline. A running one is left to its owner for a while, which keeps what it has
# spent; its row is taken only when the owner did not act. Index: task_for_wake.
_EXPIRED: Final = text(
    """
    SELECT tenant_id, task_id FROM task
    WHERE wake_at <= ops_now() AND deadline_at <= ops_now()
      AND (status <> 'running' OR deadline_at <= ops_now() - :ttl_s * interval '1 second')
    ORDER BY wake_at LIMIT :limit
    FOR NO KEY UPDATE SKIP LOCKED
    """
)

# Workers whose heartbeat stopped: soon when nobody holds their advisory lock (a 64-bit key stands in
# pg_locks as two halves), later when somebody does (the process may be frozen, or only slow). Right after a
# restart of the database every heartbeat looks old and no lock is held, so nobody is dead before the
# workers have had time to come back.
_DEAD: Final = text(
    """
    DELETE FROM worker
    WHERE heartbeat_at < ops_now() - interval '1 second' * CASE
              WHEN hashtextextended(worker_id, 0) = ANY (
                  SELECT (classid::bigint << 32) | objid::bigint FROM pg_locks
                  WHERE locktype = 'advisory' AND objsubid = 1 AND granted
                    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
              ) THEN CAST(:ttl_s AS float8) ELSE CAST(:reconnect_grace_s AS float8) END
      AND ops_now() - pg_postmaster_start_time() > :settle_s * interval '1 second'
    RETURNING worker_id
    """
)

# The tasks of dead workers. Index: task_for_owner.
_ORPHANS: Final = text(
    """
    SELECT tenant_id, task_id, cancel_requested FROM task WHERE owner = ANY(:workers)
    ORDER BY tenant_id, task_id FOR NO KEY UPDATE
    """
)


class SqlUpkeepStore:
    """`UpkeepStore` on PostgreSQL. Durations in seconds.

    `reconnect_grace_s`: how old the heartbeat of a worker may be whose presence nobody holds; None where
    workers hold none (then the time-to-live decides alone).
    """

    def __init__(
        self,
        database: Database,
        *,
        heartbeat_ttl_s: float = 10.0,
        reconnect_grace_s: float | None = None,
        ring_grace_s: float = 5.0,
        ring_grace_max_s: float = 300.0,
    ) -> None:
        self._database = database
        self._ttl = {"ttl_s": heartbeat_ttl_s}
        grace_s = heartbeat_ttl_s if reconnect_grace_s is None else reconnect_grace_s
        self._death = self._ttl | {"reconnect_grace_s": grace_s, "settle_s": SETTLE_S}
        self._grace = {"grace_s": ring_grace_s, "grace_max_s": ring_grace_max_s}

    async def due_rings(self, limit: int) -> list[DueRings]:
        async with self._database.begin() as connection:
            due = (await connection.execute(_DUE_RINGS, {"limit": limit})).all()
            if not due:
                return []
            rows = (await connection.execute(_LISTENERS, self._ttl)).all()
        listeners = {row.queue: row.workers for row in rows}
        by_queue: defaultdict[str, list[TaskKey]] = defaultdict(list)
        for row in due:
            by_queue[row.queue].append(TaskKey(row.tenant_id, row.task_id))
        return [
            DueRings(queue, keys, min(len(keys), listeners.get(queue, 0)))
            for queue, keys in by_queue.items()
        ]

    async def rang(self, tasks: Sequence[TaskKey]) -> None:
        # In key order, like every other writer of many rows: two of them cannot deadlock.
        keys = sorted(tasks)
        parameters = {"tenants": [k.tenant_id for k in keys], "tasks": [k.task_id for k in keys]}
        async with self._database.begin() as connection:
            await connection.execute(_RANG, parameters | self._grace)

    async def expire(self, limit: int) -> int:
        async with self._database.begin() as connection:
            rows = (await connection.execute(_EXPIRED, self._ttl | {"limit": limit})).all()
            for row in rows:
                await apply(connection, TaskKey(row.tenant_id, row.task_id), deadline_exceeded())
        return len(rows)

    async def bury_workers(self) -> int:
        async with self._database.begin() as connection:
            dead = [row.worker_id for row in (await connection.execute(_DEAD, self._death)).all()]
            if not dead:
                return 0
            rows = (await connection.execute(_ORPHANS, {"workers": dead})).all()
            for row in rows:
                # Its owner can no longer carry out the cancellation that a client was promised.
                move = cancel() if row.cancel_requested else release("worker_died")
                await apply(connection, TaskKey(row.tenant_id, row.task_id), move)
        return len(rows)
