"""Applies a move: the one guarded UPDATE through which every task changes its state."""

from collections.abc import Mapping, Sequence
from typing import Final

from sqlalchemy import TextClause, bindparam, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncConnection

from ops_core.ask import CLOSES
from ops_core.effects import unknown_effects
from ops_core.log import NewEvent
from ops_core.moves import Move, error_json
from ops_core.ports import Lease, TaskKey
from ops_core.store.ask_projection import close_ask
from ops_core.store.blobs import Journaled
from ops_core.store.database import dump_json
from ops_core.store.history import history
from ops_core.store.rows import Row
from ops_core.task import TERMINAL


def statement(sql: str, *json: str) -> TextClause:
    """A statement whose named parameters in `json` are sent as JSONB."""
    return text(sql).bindparams(*(bindparam(name, type_=JSONB(none_as_null=True)) for name in json))


# Moves one task and appends the event that says so. The guard is the whole rule: the state it may come
# from and, for an owner, the epoch. No row back means that the move was not allowed. An end that others must
# hear of goes to the outbox with it: no other task is locked here. What it asked of people ends with it.
# Indexes: primary key, ask_open.
_APPLY: Final = statement(
    """
    WITH moved AS (
        UPDATE task SET
            status       = :to_status,
            -- What still depends on others is runnable when upkeep frees it.
            reason       = CASE WHEN :pending AND dependencies_left > 0 THEN 'delayed'
                                ELSE :reason END,
            result       = :result,
            error        = :error,
            owner        = NULL,
            cancel_requested = false,
            waiting_for  = :waiting_for,
            wait_until   = :wait_until,
            children_needed = :children_needed,
            deaths       = CASE WHEN :opens_generation THEN 0
                                ELSE deaths + CAST(:died AS boolean)::int END,
            dead_letter_at = CASE WHEN :dead_letter THEN ops_now() END,
            generation   = generation + CAST(:opens_generation AS boolean)::int,
            attempt      = CASE WHEN :opens_generation THEN 0 ELSE attempt END,
            -- Its own begins anew; that of a parent which is still under way holds. LEAST ignores NULL.
            deadline_at  = CASE WHEN :opens_generation THEN LEAST(
                               ops_now() + (
                                   SELECT (data ->> 'deadline_s')::float8 FROM event
                                   WHERE tenant_id = :tenant_id AND task_id = :task_id AND seq = 1
                               ) * interval '1 second',
                               (SELECT parent.deadline_at FROM task parent
                                WHERE parent.tenant_id = task.tenant_id
                                  AND parent.task_id = task.parent_task_id
                                  AND parent.completed_at IS NULL)
                           ) ELSE deadline_at END,
            runnable_at  = CASE WHEN :pending AND dependencies_left > 0 THEN 'infinity'
                                WHEN :pending THEN ops_now() + :delay * interval '1 second'
                                ELSE runnable_at END,
            -- With a concurrency key it stands at the gate again, where nobody rings for it.
            gated        = :pending AND concurrency_key IS NOT NULL,
            ring_at      = CASE WHEN :pending AND dependencies_left = 0 AND concurrency_key IS NULL
                                THEN ops_now() + :delay * interval '1 second' END,
            rings        = 0,
            completed_at = CASE WHEN :terminal THEN ops_now() END,
            updated_at   = ops_now(),
            last_seq     = last_seq + 1
        WHERE tenant_id = :tenant_id AND task_id = :task_id
          AND status = ANY(:sources)
          AND (:any_owner OR (owner = :owner AND epoch = :epoch))
        RETURNING *
    ), logged AS (
        INSERT INTO event (tenant_id, task_id, seq, type, v, data, journal, at)
        SELECT tenant_id, task_id, last_seq, :type, :v, :data, :journal, updated_at FROM moved
    ), told AS (
        INSERT INTO outbox (tenant_id, task_id)
        SELECT tenant_id, task_id FROM moved
        WHERE :terminal AND (parent_task_id IS NOT NULL OR watched OR children > 0)
    ), unanswered AS (
        UPDATE ask SET status = 'cancelled', resolved_at = moved.updated_at FROM moved
        WHERE :terminal AND ask.tenant_id = moved.tenant_id AND ask.task_id = moved.task_id
          AND ask.status = 'pending'
    )
    SELECT * FROM moved
    """,
    "result",
    "error",
    "waiting_for",
    "data",
    "journal",
)


# Adds events to the log of a task whose row the caller has locked. `signals`: how many of them came from
# outside for its handler. Index: primary key.
_ADD: Final = text(
    """
    WITH numbered AS (
        UPDATE task SET last_seq = last_seq + :count, signals = signals + :signals,
                        updated_at = ops_now()
        WHERE tenant_id = :tenant_id AND task_id = :task_id
        RETURNING *
    ), logged AS (
        INSERT INTO event (tenant_id, task_id, seq, type, v, data, journal, at)
        SELECT n.tenant_id, n.task_id, n.last_seq - :count + e.place, e.type, e.v,
               CAST(e.data AS jsonb), CAST(e.journal AS jsonb), n.updated_at
        FROM numbered n,
             unnest(CAST(:types AS text[]), CAST(:versions AS int[]), CAST(:data AS text[]),
                    CAST(:journals AS text[]))
             WITH ORDINALITY AS e (type, v, data, journal, place)
    ), kept AS (
        INSERT INTO blob (tenant_id, task_id, digest, value)
        SELECT DISTINCT n.tenant_id, n.task_id, b.digest, CAST(b.value AS jsonb)
        FROM numbered n, unnest(CAST(:digests AS text[]), CAST(:values AS text[])) AS b (digest, value)
        ON CONFLICT DO NOTHING
    )
    SELECT * FROM numbered
    """
)


async def add_events(
    connection: AsyncConnection, key: TaskKey, events: Sequence[NewEvent], *, signals: int = 0
) -> Row:
    """Adds events to a task that the caller has locked, and returns its row.

    Raises `AlreadyResolved` for an answer to what has expired.
    """
    journals = [Journaled.of(event.journal) for event in events]
    blobs = {j.digest: j.value for j in journals if j.digest is not None}
    parameters = {
        "tenant_id": key.tenant_id,
        "task_id": key.task_id,
        "count": len(events),
        "signals": signals,
        "types": [event.type.value for event in events],
        "versions": [event.v for event in events],
        "data": [dump_json(event.data) for event in events],
        "journals": [journal.column for journal in journals],
        "digests": list(blobs),
        "values": list(blobs.values()),
    }
    row = (await connection.execute(_ADD, parameters)).one()
    if any(event.type in CLOSES for event in events):
        await close_ask(connection, row)
    return row


async def apply(
    connection: AsyncConnection, key: TaskKey, move: Move, lease: Lease | None = None
) -> Row | None:
    """Applies the move if the task is where it may start (and owned as `lease` says); None if not.

    A move that leaves calls in doubt needs the row locked by the caller.
    """
    if move.doubt is not None:
        doubts = unknown_effects(await history(connection, key), move.doubt)
        if doubts:
            await add_events(connection, key, doubts)
    untils = [wait.until for wait in move.waits if wait.until is not None]
    needed = [wait.children_needed for wait in move.waits if wait.children_needed is not None]
    parameters: Mapping[str, object] = {
        "tenant_id": key.tenant_id,
        "task_id": key.task_id,
        "to_status": move.to.value,
        "sources": sorted(move.sources),
        "reason": move.reason.value if move.reason else None,
        "result": move.result,
        "error": error_json(move.error) if move.error else None,
        "pending": move.to == "pending",
        "terminal": move.to in TERMINAL,
        "delay": move.delay_s,
        "opens_generation": move.opens_generation,
        "waiting_for": [wait.public() for wait in move.waits] or None,
        "wait_until": min(untils, default=None),
        "children_needed": min(needed, default=None),
        "died": move.died,
        "dead_letter": move.dead_letter,
        "any_owner": lease is None,
        "owner": lease.owner if lease else None,
        "epoch": lease.epoch if lease else 0,
        "type": move.event.type.value,
        "v": move.event.v,
        "data": move.event.data,
        "journal": move.event.journal,
    }
    return (await connection.execute(_APPLY, parameters)).one_or_none()
