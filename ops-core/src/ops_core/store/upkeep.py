"""The store as the dispatcher uses it: what is due, across all tenants and workers."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Final

import structlog
from sqlalchemy import text

from ops_core.errors import StoreUnavailable
from ops_core.moves import deadline_exceeded, orphaned, wake
from ops_core.ports import PutOff, TakenRings, TaskKey
from ops_core.store.database import Database
from ops_core.store.ends import End, next_end, tell
from ops_core.store.gates import Gate, open_gate, openable
from ops_core.store.ledger import free_dead, with_dead
from ops_core.store.load import fold
from ops_core.store.moves import apply
from ops_core.store.retention import prune
from ops_core.store.rows import task_of

log = structlog.get_logger(__name__)

#: How long after a start of PostgreSQL its workers may take to connect again. Seconds.
SETTLE_S: Final = 5.0

# Takes the due rings of queues that have live workers with room: nobody else would hear one, and rows that
# nobody serves must not stand in the way of the others. The next ring of a row comes after twice the rest.
# Suspects are not rung for: who runs alone comes for them. Rows in other hands are passed over: whoever holds
# them claims them or ends them. Index: task_for_wake.
_TAKE_RINGS: Final = text(
    """
    WITH listeners AS (
        SELECT queue, count(*) AS workers
        FROM worker, unnest(queues) AS queue
        WHERE heartbeat_at > ops_now() - :ttl_s * interval '1 second' AND running < slots
          AND NOT alone AND NOT draining AND drain_at IS NULL
        GROUP BY queue
    ), due AS (
        SELECT oldest.tenant_id, oldest.task_id, l.workers
        FROM listeners l CROSS JOIN LATERAL (
            SELECT tenant_id, task_id, wake_at FROM task
            WHERE queue = l.queue AND wake_at <= ops_now()
              AND status = 'pending' AND ring_at <= ops_now() AND deaths < 2
            ORDER BY wake_at LIMIT :limit
        ) AS oldest
        ORDER BY oldest.wake_at LIMIT :limit
    ), held AS (
        SELECT t.tenant_id, t.task_id, due.workers
        FROM due JOIN task t ON t.tenant_id = due.tenant_id AND t.task_id = due.task_id
        WHERE t.status = 'pending' AND t.ring_at <= ops_now()
        ORDER BY t.tenant_id, t.task_id
        FOR NO KEY UPDATE OF t SKIP LOCKED
    )
    UPDATE task t SET
        ring_at = ops_now() + LEAST(:grace_s * power(2, LEAST(rings, 30)), :grace_max_s)
                              * interval '1 second',
        rings = rings + 1
    FROM held
    WHERE t.tenant_id = held.tenant_id AND t.task_id = held.task_id
    RETURNING t.queue, t.tenant_id, t.task_id, t.epoch, t.rings, held.workers
    """
)

# Makes rows due again whose ring could not be given, as if it had never been taken. A row that was claimed
# or rung by somebody else since is left alone. Index: primary key.
_RETURN_RINGS: Final = text(
    """
    WITH held AS (
        SELECT t.tenant_id, t.task_id
        FROM unnest(CAST(:tenants AS text[]), CAST(:tasks AS text[]),
                    CAST(:epochs AS bigint[]), CAST(:rings AS int[]))
               AS k (tenant_id, task_id, epoch, rings)
        JOIN task t ON t.tenant_id = k.tenant_id AND t.task_id = k.task_id
        WHERE t.status = 'pending' AND t.epoch = k.epoch AND t.rings = k.rings
        ORDER BY t.tenant_id, t.task_id
        FOR NO KEY UPDATE OF t SKIP LOCKED
    )
    UPDATE task t SET ring_at = ops_now(), rings = rings - 1
    FROM held WHERE t.tenant_id = held.tenant_id AND t.task_id = held.task_id
    """
)

# Tasks past their deadline. A running one is left to its owner for a while, which keeps what it has
# spent; its row is taken only when the owner did not act. Index: task_for_deadline.
_EXPIRED: Final = text(
    """
    SELECT tenant_id, task_id FROM task
    WHERE deadline_at <= ops_now() AND completed_at IS NULL
      AND (status <> 'running' OR deadline_at <= ops_now() - :ttl_s * interval '1 second')
    ORDER BY deadline_at LIMIT :limit
    FOR NO KEY UPDATE SKIP LOCKED
    """
)

# Workers whose heartbeat stopped: soon when nobody holds their advisory lock (a 64-bit key stands in
# pg_locks as two halves), later when somebody does (the process may be frozen, or only slow). Right after a
# restart of the database every heartbeat looks old and no lock is held, so nobody is dead before the
# workers have had time to come back. One that beats or claims this moment is passed over; who is found here
# can do neither before its tasks were looked at. One whose lock is free was killed, unless it had said
# that it leaves (then it serves no queue); any other one may only be frozen or cut off.
_DEAD: Final = text(
    """
    WITH seen AS (
        SELECT tenant_id, worker_id, hashtextextended(worker_id, 0) = ANY (
                  SELECT (classid::bigint << 32) | objid::bigint FROM pg_locks
                  WHERE locktype = 'advisory' AND objsubid = 1 AND granted
                    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
              ) AS present
        FROM worker
    )
    SELECT worker_id, alone, :holds_presence AND NOT present AND queues <> '{}' AS killed
    FROM worker JOIN seen USING (tenant_id, worker_id)
    WHERE heartbeat_at < ops_now() - interval '1 second' * CASE
              WHEN present THEN CAST(:ttl_s AS float8) ELSE CAST(:reconnect_grace_s AS float8) END
      AND ops_now() - pg_postmaster_start_time() > :settle_s * interval '1 second'
    FOR UPDATE OF worker SKIP LOCKED
    """
)

# The tasks of dead workers. Rows in other hands come with the next pass. Index: task_for_owner.
_ORPHANS: Final = text(
    """
    SELECT * FROM task WHERE owner = ANY(:workers)
    ORDER BY tenant_id, task_id LIMIT :limit FOR NO KEY UPDATE SKIP LOCKED
    """
)

# Waiting tasks whose time has come. Index: task_for_timer.
_TIMERS: Final = text(
    """
    SELECT tenant_id, task_id FROM task
    WHERE status = 'waiting' AND wait_until <= ops_now()
    ORDER BY wait_until LIMIT :limit
    FOR NO KEY UPDATE SKIP LOCKED
    """
)

# A dead worker that still owns tasks stays on the list until a later pass has given them back.
# Index: task_for_owner.
_FORGET: Final = text(
    """
    DELETE FROM worker w WHERE worker_id = ANY(:workers)
       AND NOT EXISTS (SELECT 1 FROM task WHERE owner = w.worker_id)
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
        self._death = self._ttl | {
            "reconnect_grace_s": grace_s,
            "settle_s": SETTLE_S,
            # Where workers hold no lock, a free one says nothing.
            "holds_presence": reconnect_grace_s is not None,
        }
        self._set_aside: list[int] = []
        self._held_up: list[int] = []
        self._next_gate = Gate("", "")
        self._grace = {"grace_s": ring_grace_s, "grace_max_s": ring_grace_max_s}

    async def take_rings(self, limit: int) -> list[TakenRings]:
        parameters = self._ttl | self._grace | {"limit": limit}
        async with self._database.begin() as connection:
            taken = (await connection.execute(_TAKE_RINGS, parameters)).all()
        rows: defaultdict[str, list[PutOff]] = defaultdict(list)
        for row in taken:
            key = TaskKey(row.tenant_id, row.task_id)
            rows[row.queue].append(PutOff(key, row.epoch, row.rings))
        workers = {row.queue: row.workers for row in taken}
        return [
            TakenRings(queue, min(len(rows[queue]), count), rows[queue])
            for queue, count in workers.items()
        ]

    async def return_rings(self, rows: Sequence[PutOff]) -> None:
        parameters = {
            "tenants": [row.key.tenant_id for row in rows],
            "tasks": [row.key.task_id for row in rows],
            "epochs": [row.epoch for row in rows],
            "rings": [row.rings for row in rows],
        }
        async with self._database.begin() as connection:
            await connection.execute(_RETURN_RINGS, parameters)

    async def expire(self, limit: int) -> int:
        async with self._database.begin() as connection:
            rows = (await connection.execute(_EXPIRED, self._ttl | {"limit": limit})).all()
            for row in rows:
                await apply(connection, TaskKey(row.tenant_id, row.task_id), deadline_exceeded())
        return len(rows)

    async def wake(self, limit: int) -> int:
        async with self._database.begin() as connection:
            rows = (await connection.execute(_TIMERS, {"limit": limit})).all()
            for row in rows:
                await apply(connection, TaskKey(row.tenant_id, row.task_id), wake("timer"))
        return len(rows)

    async def tell_ends(self, limit: int) -> int:
        for told in range(limit):
            is_whole = await self._tell_one()
            if is_whole is None:
                self._held_up.clear()  # it was the turn of the others
                return told
            if (
                not is_whole
            ):  # the rest of it comes with a later pass: deadlines and deaths are due too
                return told + 1
        return limit

    async def _tell_one(self) -> bool | None:
        """Whether an end was told to everybody; None when there is none to tell."""
        end: End | None = None
        is_whole = True
        try:
            async with self._database.begin() as connection:
                end = await next_end(connection, [*self._set_aside, *self._held_up])
                if end is not None:
                    is_whole = await tell(connection, end)
        except StoreUnavailable:
            if end is not None:  # somebody holds a row of its own, perhaps: first the others
                self._held_up.append(end.outbox_id)
            raise
        # One end that cannot be told must not keep all others from being heard of.
        except Exception:
            log.exception(
                "an end cannot be told; it is set aside until the dispatcher starts again"
            )
            if end is None:
                raise
            self._set_aside.append(end.outbox_id)
        return None if end is None else is_whole

    async def prune(self, older_than_s: float, limit: int) -> int:
        async with self._database.begin() as connection:
            return await prune(connection, older_than_s, limit)

    async def open_gates(self, limit: int) -> int:
        async with self._database.begin() as connection:
            gates, self._next_gate = await openable(connection, self._next_gate, limit)
        opened = 0
        for gate in gates:  # a transaction each: nobody waits for one gate's lock behind another's
            async with self._database.begin() as connection:
                opened += len(await open_gate(connection, gate, waits=False))
        return opened

    async def free_reservations(self, limit: int) -> int:
        async with self._database.begin() as connection:
            budgets = await with_dead(connection, limit)
        for tenant_id, budget_id in budgets:
            async with self._database.begin() as connection:
                await free_dead(connection, tenant_id, budget_id)
        return len(budgets)

    async def fold_load(self, limit: int) -> int:
        async with self._database.begin() as connection:
            return await fold(connection, limit)

    async def bury_workers(self, limit: int) -> int:
        async with self._database.begin() as connection:
            dead = (await connection.execute(_DEAD, self._death)).all()
            if not dead:
                return 0
            workers = {row.worker_id: row for row in dead}
            orphans = {"workers": list(workers), "limit": limit}
            rows = (await connection.execute(_ORPHANS, orphans)).all()
            for row in rows:
                worker = workers[row.owner]
                move = orphaned(task_of(row), killed=worker.killed, alone=worker.alone)
                await apply(connection, TaskKey(row.tenant_id, row.task_id), move)
            await connection.execute(_FORGET, {"workers": list(workers)})
        return len(rows)
