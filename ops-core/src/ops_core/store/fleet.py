"""The workers in PostgreSQL: for the operator, and therefore across tenants."""

from typing import Final

from sqlalchemy import text

from ops_core.errors import WorkerNotFound
from ops_core.fleet.port import SeenWorker, WorkerPage, WorkerState
from ops_core.store.cursor import next_cursor, place_of
from ops_core.store.database import Database
from ops_core.store.rows import Row

# A page, newest first, with how many tasks each one owns. An installation has few workers: read in whole and
# sorted. Index of the tasks: task_for_owner.
_PAGE: Final = text(
    """
    SELECT w.*, heartbeat_at < ops_now() - :ttl_s * interval '1 second' AS lost,
           (SELECT count(*) FROM task WHERE owner = w.worker_id) AS owned_tasks
    FROM worker w
    WHERE CAST(:created_at AS timestamptz) IS NULL
       OR (started_at, worker_id) < (:created_at, :last_id)
    ORDER BY started_at DESC, worker_id DESC LIMIT :limit
    """
)

# As above. An id is unique, whoever operates the worker.
_GET: Final = text(
    """
    SELECT w.*, heartbeat_at < ops_now() - :ttl_s * interval '1 second' AS lost,
           (SELECT count(*) FROM task WHERE owner = w.worker_id) AS owned_tasks
    FROM worker w WHERE worker_id = :worker_id
    """
)

# Waits for a claim of it that is under way, and lets the next one find this: what is claimed, is claimed
# before. (A plain UPDATE would not be in the way of the lock that a claim takes.)
_DRAIN: Final = text(
    """
    WITH held AS (
        SELECT tenant_id, worker_id FROM worker WHERE worker_id = :worker_id FOR UPDATE
    )
    UPDATE worker w SET drain_at = COALESCE(drain_at, ops_now())
    FROM held WHERE w.tenant_id = held.tenant_id AND w.worker_id = held.worker_id
    """
)


class SqlFleetStore:
    """`FleetStore` on PostgreSQL. `heartbeat_ttl_s`: of upkeep, in seconds."""

    def __init__(self, database: Database, *, heartbeat_ttl_s: float = 10.0) -> None:
        self._database = database
        self._ttl = {"ttl_s": heartbeat_ttl_s}

    async def page(self, *, limit: int, cursor: str | None) -> WorkerPage:
        asked = self._ttl | place_of(cursor) | {"limit": limit + 1}
        async with self._database.begin() as connection:
            rows = (await connection.execute(_PAGE, asked)).all()
        return WorkerPage(
            [_worker(row) for row in rows[:limit]],
            next_cursor(rows, limit, lambda last: (last.started_at, last.worker_id)),
        )

    async def get(self, worker_id: str) -> SeenWorker:
        asked = self._ttl | {"worker_id": worker_id}
        async with self._database.begin() as connection:
            row = (await connection.execute(_GET, asked)).one_or_none()
        if row is None:
            raise WorkerNotFound(worker_id)
        return _worker(row)

    async def drain(self, worker_id: str) -> SeenWorker:
        async with self._database.begin() as connection:
            await connection.execute(_DRAIN, {"worker_id": worker_id})
        return await self.get(worker_id)


def _worker(row: Row) -> SeenWorker:
    return SeenWorker(
        worker_id=row.worker_id,
        state=_state(row),
        host=row.host,
        pid=row.pid,
        version=row.version,
        queues=row.queues,
        alone=row.alone,
        slots=row.slots,
        running=row.running,
        owned_tasks=row.owned_tasks,
        started_at=row.started_at,
        heartbeat_at=row.heartbeat_at,
        drain_at=row.drain_at,
    )


def _state(row: Row) -> WorkerState:
    """One that has left with tasks serves no queue any more, and waits for upkeep."""
    if row.lost:
        return WorkerState.LOST
    if row.draining or row.drain_at is not None or not row.queues:
        return WorkerState.DRAINING
    return WorkerState.ALIVE
