"""The store as a worker uses it. The step path is plain asyncpg: one statement commits a whole batch."""

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager, nullcontext, suppress
from dataclasses import asdict, replace
from typing import Final

from sqlalchemy import text

from ops_core.budgets.ledger import IN_THE_WAY, Verdict, Wanted
from ops_core.errors import LostOwnership, StoreUnavailable
from ops_core.log import Event
from ops_core.moves import Move, met
from ops_core.ports import (
    ORDINARY,
    Append,
    Appended,
    ChildEnd,
    Ending,
    Exchange,
    Lease,
    Orders,
    Profile,
    TaskKey,
)
from ops_core.store.agents import definitions
from ops_core.store.ask_projection import open_asks
from ops_core.store.batch import event_columns, lease_columns, task_columns
from ops_core.store.charging import lock_budgets, settle_batch
from ops_core.store.claim import claim
from ops_core.store.database import Database, dump_json
from ops_core.store.endings import end_together
from ops_core.store.gates import Gate, open_gate
from ops_core.store.heartbeat import Heartbeats, beat
from ops_core.store.history import history
from ops_core.store.ledger import Paid, is_in_the_way, put_back, reserve
from ops_core.store.moves import apply
from ops_core.store.presence import Presence
from ops_core.store.repeated import Connection, Key, key_of, keys_of, sort_repeated
from ops_core.store.rows import child_end_of, task_of, task_of_record
from ops_core.store.thread_tasks import earlier
from ops_core.task import TERMINAL, JsonObject, Task

# Appends the events of many tasks in one commit. First the rows are locked, and only where the lease still
# holds: that lock is what makes the epoch a fence. Nobody is waited for, so two batches cannot deadlock. Then
# the events are numbered from the locked rows. Only unindexed columns change. No effect begins here once a
# client was told that its task will be cancelled. Index: primary keys.
#
# Each row is looked up under its key. A plain join becomes, in a plan that is kept, a comparison of each row
# of the worker with each append; and an `=` on owner or status lets the planner look elsewhere. Kept it must
# be, for to plan this takes twice as long as to do it: the first array of each `unnest` is a subquery, so
# that its length is not known, and a plan for this batch promises nothing that the kept one would not do.
# Events name their append by its number in the batch, so that no keys are sent and compared for them.
_APPEND: Final = """
    WITH held AS (
        SELECT t.last_seq, a.*
        FROM unnest((SELECT $1::text[]), $2::text[], $3::text[], $4::bigint[], $5::int[],
                    $6::bigint[], $7::bigint[], $8::text[], $9::int[], $10::bool[], $11::bool[])
          WITH ORDINALITY AS a (tenant_id, task_id, owner, epoch, events, input_tokens,
                                output_tokens, cost_usd, steps, finishes, opens, number)
        CROSS JOIN LATERAL (
            SELECT t.last_seq FROM task t
            WHERE t.tenant_id = a.tenant_id AND t.task_id = a.task_id
              AND t.epoch = a.epoch AND t.owner IS NOT DISTINCT FROM a.owner
              AND t.status IS NOT DISTINCT FROM 'running' AND NOT (a.opens AND t.cancel_requested)
            FOR NO KEY UPDATE SKIP LOCKED
        ) AS t
    ), logged AS (
        INSERT INTO event (tenant_id, task_id, seq, type, v, data, journal, at)
        SELECT h.tenant_id, h.task_id, h.last_seq + e.place, e.type, e.v, e.data, e.journal, ops_now()
        FROM unnest((SELECT $12::bigint[]), $13::int[], $14::text[], $15::int[], $16::jsonb[], $17::jsonb[])
          AS e (number, place, type, v, data, journal)
        JOIN held h ON h.number = e.number
    ), kept AS (
        INSERT INTO blob (tenant_id, task_id, digest, value)
        SELECT DISTINCT h.tenant_id, h.task_id, b.digest, b.value
        FROM unnest((SELECT $18::bigint[]), $19::text[], $20::jsonb[]) AS b (number, digest, value)
        JOIN held h ON h.number = b.number
        ON CONFLICT DO NOTHING
    ), counted AS (
        UPDATE task t SET
            last_seq      = t.last_seq + h.events,
            input_tokens  = t.input_tokens + h.input_tokens,
            output_tokens = t.output_tokens + h.output_tokens,
            cost_usd      = t.cost_usd + h.cost_usd::numeric,
            steps         = t.steps + h.steps,
            deaths        = CASE WHEN h.finishes THEN 0 ELSE t.deaths END,
            updated_at    = ops_now()
        FROM held h
        WHERE t.tenant_id = h.tenant_id AND t.task_id = h.task_id
    )
    SELECT number FROM held
"""

# Of the rows that a batch did not get: those whose lease still holds were only locked by somebody else.
_STILL_HELD: Final = """
    SELECT t.tenant_id, t.task_id, t.cancel_requested
    FROM task t
    JOIN unnest($1::text[], $2::text[], $3::text[], $4::bigint[])
      AS a (tenant_id, task_id, owner, epoch)
      ON t.tenant_id = a.tenant_id AND t.task_id = a.task_id
    WHERE t.epoch = a.epoch AND t.owner = a.owner AND t.status = 'running'
"""

# The children of a task that have ended. Index: primary key.
_CHILDREN: Final = text(
    """
    SELECT task_id, status, result, error FROM task
    WHERE tenant_id = :tenant_id AND task_id = ANY(:task_ids) AND parent_task_id = :task_id
      AND completed_at IS NOT NULL
    """
)

# A task that its owner settles: locked, so that nothing slips in before the move. Index: primary key.
_HELD: Final = text(
    """
    SELECT * FROM task
    WHERE tenant_id = :tenant_id AND task_id = :task_id
      AND status = 'running' AND owner = :owner AND epoch = :epoch
    FOR NO KEY UPDATE
    """
)

# A worker that still owns tasks stays on the list, so that upkeep will find it dead and give them back; but
# it serves no queue any more, which tells its end from a death that its tasks could have caused.
_LEFT: Final = text("UPDATE worker SET queues = '{}' WHERE worker_id = :worker_id")
_LEAVE: Final = text(
    """
    DELETE FROM worker WHERE worker_id = :worker_id
       AND NOT EXISTS (SELECT 1 FROM task WHERE owner = :worker_id)
    """
)


class SqlWorkerStore:
    """`WorkerStore` on PostgreSQL. `presence`: None where a worker and its upkeep share one process."""

    def __init__(self, database: Database, presence: Presence | None = None) -> None:
        self._database = database
        self._presence = presence
        self._heartbeats = Heartbeats()

    async def claim(self, worker_id: str, queues: Sequence[str], count: int) -> list[Task]:
        async with self._database.driver() as connection:
            rows = await claim(connection, worker_id, queues, count)
        return [task_of_record(row) for row in rows]

    async def history(self, lease: Lease) -> list[Event]:
        async with self._database.begin() as connection:
            return await history(connection, TaskKey(lease.tenant_id, lease.task_id))

    async def append(self, batch: Sequence[Append]) -> list[Appended]:
        async with self._database.driver() as connection:
            stored, tried = set[Key](), batch
            if any(append.is_repeated or append.asks or append.settles for append in batch):
                async with connection.transaction():
                    payable = await lock_budgets(connection, batch)
                    stored, tried = await sort_repeated(connection, payable)
                    now = await _append(connection, tried)
                    await open_asks(connection, [a for a in tried if key_of(a) in now])
                    await settle_batch(connection, tried, now)
                    stored |= now
            else:
                stored = await _append(connection, batch)
            if len(stored) == len(batch):
                return [Appended.STORED] * len(batch)
            rest = [append.lease for append in batch if key_of(append) not in stored]
            held = await connection.fetch(_STILL_HELD, *lease_columns(rest))
        cancelled = keys_of([row for row in held if row["cancel_requested"]])
        refused = {key_of(append) for append in tried if append.opens_effect} & cancelled
        return [_outcome(key_of(append), stored, refused, keys_of(held)) for append in batch]

    async def settle(self, lease: Lease, move: Move) -> Task:
        async with self._database.begin() as connection:
            if move.to not in TERMINAL or move.doubt is not None:
                held = (await connection.execute(_HELD, asdict(lease))).one_or_none()
                if held is None:
                    raise _lost(lease)
                move = met(move, task_of(held))
            row = await apply(connection, TaskKey(lease.tenant_id, lease.task_id), move, lease)
        if row is None:
            raise _lost(lease)
        if row.concurrency_key is not None:
            await self._open_gate(Gate(row.tenant_id, row.concurrency_key))
        return task_of(row)

    async def end_together(self, batch: Sequence[Ending]) -> list[bool]:
        async with self._database.driver() as connection:
            ended = await end_together(connection, batch)
        return [(one.lease.tenant_id, one.lease.task_id) in ended for one in batch]

    async def _open_gate(self, gate: Gate) -> None:
        """Lets in who waited for this task to end. If that fails, upkeep does it."""
        with suppress(StoreUnavailable):
            async with self._database.begin() as connection:
                await open_gate(connection, gate)

    async def reserve(
        self,
        lease: Lease,
        path: str,
        wanted: Wanted,
        budget_ids: Sequence[str],
        *,
        waited: bool = False,
    ) -> Verdict:
        paid = Paid(lease, path, budget_ids)
        async with self._database.begin() as connection:
            if waited and await is_in_the_way(connection, paid, wanted):
                return IN_THE_WAY
            verdict = await reserve(connection, paid, wanted)
        if verdict is None:
            raise _lost(lease)
        return verdict

    async def put_back(self, lease: Lease, path: str, budget_ids: Sequence[str]) -> None:
        async with self._database.begin() as connection:
            await put_back(connection, Paid(lease, path, budget_ids))

    async def children(self, lease: Lease, task_ids: Sequence[str]) -> list[ChildEnd]:
        asked = {"tenant_id": lease.tenant_id, "task_id": lease.task_id, "task_ids": list(task_ids)}
        async with self._database.begin() as connection:
            rows = (await connection.execute(_CHILDREN, asked)).all()
        return [child_end_of(row) for row in rows]

    async def definitions(
        self, tenant_id: str, versions: Sequence[tuple[str, int]]
    ) -> dict[tuple[str, int], JsonObject]:
        async with self._database.begin() as connection:
            return await definitions(connection, tenant_id, versions)

    async def earlier(self, lease: Lease, limit: int) -> list[Exchange]:
        async with self._database.begin() as connection:
            return await earlier(connection, TaskKey(lease.tenant_id, lease.task_id), limit)

    async def beat(
        self,
        worker_id: str,
        queues: Sequence[str],
        *,
        slots: int,
        running: int,
        profile: Profile = ORDINARY,
    ) -> Orders:
        row = {
            "worker_id": worker_id,
            "queues": list(queues),
            "slots": slots,
            "running": running,
            "alone": profile.alone,
            "pins": dump_json({kind: list(pins) for kind, pins in profile.pins.items()}),
            "supports": sorted(profile.supports),
            "host": profile.host,
            "pid": profile.pid,
            "version": profile.version,
            "draining": profile.draining,
        }
        async with self._database.driver() as connection:
            told = await beat(connection, row)
            owned = await self._heartbeats.owned(connection, worker_id)
        return replace(owned, suspects=told.suspects, drain=told.drain)

    def presence(self, worker_id: str) -> AbstractAsyncContextManager[None]:
        return nullcontext() if self._presence is None else self._presence.held(worker_id)

    async def leave(self, worker_id: str) -> None:
        self._heartbeats.forget(worker_id)
        async with self._database.begin() as connection:
            await connection.execute(_LEFT, {"worker_id": worker_id})
            await connection.execute(_LEAVE, {"worker_id": worker_id})


def _lost(lease: Lease) -> LostOwnership:
    return LostOwnership(f"{lease.task_id} is no longer held under epoch {lease.epoch}")


async def _append(connection: Connection, batch: Sequence[Append]) -> set[Key]:
    """The tasks whose events were stored."""
    rows = await connection.fetch(_APPEND, *task_columns(batch), *event_columns(batch))
    return {key_of(batch[row["number"] - 1]) for row in rows}


def _outcome(key: Key, stored: set[Key], refused: set[Key], held: set[Key]) -> Appended:
    if key in stored:
        return Appended.STORED
    if key in refused:
        return Appended.CANCELLED
    return Appended.BUSY if key in held else Appended.LOST
