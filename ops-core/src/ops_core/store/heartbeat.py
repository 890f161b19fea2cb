"""A worker's heartbeat: its sign of life, and what it owns, which is read only when that has changed."""

from collections.abc import Mapping
from functools import reduce
from operator import xor
from sys import intern
from typing import Any, Final, NamedTuple

from ops_core.ports import Lease, Orders
from ops_core.store.plain import fetch
from ops_core.store.repeated import Connection

# A worker's sign of life; it learns whether it is to drain, and of suspects that wait for a worker of their
# own, such as it could start. Index: task_for_isolation.
_BEAT: Final = """
    INSERT INTO worker (worker_id, queues, slots, running, alone, pins, supports, host, pid, version,
                        draining, started_at, heartbeat_at)
    VALUES (:worker_id, :queues, :slots, :running, :alone, :pins, :supports, :host, :pid, :version,
            :draining, ops_now(), ops_now())
    ON CONFLICT (tenant_id, worker_id) DO UPDATE SET
        queues = EXCLUDED.queues, slots = EXCLUDED.slots, running = EXCLUDED.running,
        draining = EXCLUDED.draining, heartbeat_at = EXCLUDED.heartbeat_at
    RETURNING drain_at IS NOT NULL AS drain, EXISTS (
        SELECT 1 FROM task
        WHERE status = 'pending' AND deaths >= 2 AND queue = ANY(CAST(:queues AS text[]))
          AND runnable_at <= ops_now()
          AND (task.pins IS NULL OR task.pins <@ CAST(:supports AS text[]))
    ) AS suspects
"""

# What a worker owns and what of it was asked to stop, as one number: ten thousand tasks that wait for models
# are the same ten thousand at the next beat. Index: task_for_owner.
_DIGEST: Final = """
    SELECT count(*) AS tasks,
           bit_xor(hashtextextended(tenant_id || ' ' || task_id, epoch * 2 + cancel_requested::int))
             AS digest
    FROM task WHERE owner = :worker_id
"""

# The same, task by task. Index: task_for_owner.
_OWNED: Final = """
    SELECT tenant_id, task_id, epoch, cancel_requested,
           hashtextextended(tenant_id || ' ' || task_id, epoch * 2 + cancel_requested::int) AS digest
    FROM task WHERE owner = :worker_id
"""

_Digest = tuple[int, int]


class Told(NamedTuple):
    """What its row brings a worker, as in `Orders`."""

    suspects: bool
    drain: bool


async def beat(connection: Connection, worker: Mapping[str, Any]) -> Told:
    """Writes the worker's row."""
    [row] = await fetch(connection, _BEAT, worker)
    return Told(row["suspects"], row["drain"])


class Heartbeats:
    """What the workers of this process were last told."""

    def __init__(self) -> None:
        self._told: dict[str, tuple[_Digest, Orders]] = {}

    async def owned(self, connection: Connection, worker_id: str) -> Orders:
        """What it owns and what of that was cancelled: the very sets of the last time, if they still hold."""
        asked = {"worker_id": worker_id}
        [found] = await fetch(connection, _DIGEST, asked)
        told = self._told.get(worker_id)
        if told is None or told[0] != (found["tasks"], found["digest"] or 0):
            # With digests of their own: what they are of may have changed between the two statements.
            rows = await fetch(connection, _OWNED, asked)
            digest = reduce(xor, (row["digest"] for row in rows), 0)
            told = self._told[worker_id] = ((len(rows), digest), _orders(worker_id, rows))
        return told[1]

    def forget(self, worker_id: str) -> None:
        self._told.pop(worker_id, None)


def _orders(worker_id: str, rows: list[Any]) -> Orders:
    return Orders(
        cancelled=frozenset(row["task_id"] for row in rows if row["cancel_requested"]),
        owned=frozenset(
            Lease(intern(row["tenant_id"]), row["task_id"], worker_id, row["epoch"]) for row in rows
        ),
    )
