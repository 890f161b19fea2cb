"""Appends whose reply was lost: asked again, each is stored once.

The rows are locked first, in a statement of their own: what an earlier try has stored is visible to the next
one, and a try that is still under way holds its row.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeAlias

import asyncpg

from ops_core.ports import Append
from ops_core.store.blobs import Journaled
from ops_core.store.database import dump_json

Connection: TypeAlias = "asyncpg.Connection[Any]"

#: A task, by its tenant and its id.
Key: TypeAlias = tuple[str, str]

# The tasks of repeated appends, in order (two batches cannot deadlock) and only where the lease still holds.
# Index: primary key.
_LOCK: Final = """
    SELECT t.tenant_id, t.task_id
    FROM task t
    JOIN unnest($1::text[], $2::text[], $3::text[], $4::bigint[])
      AS a (tenant_id, task_id, owner, epoch)
      ON t.tenant_id = a.tenant_id AND t.task_id = a.task_id
    WHERE t.epoch = a.epoch AND t.owner = a.owner AND t.status = 'running'
    ORDER BY t.tenant_id, t.task_id
    FOR NO KEY UPDATE OF t SKIP LOCKED
"""

# Which of them were stored: their first event stands in the log of this run, which began with the last claim.
# Index: primary key of event.
_STORED: Final = """
    SELECT a.tenant_id, a.task_id
    FROM unnest($1::text[], $2::text[], $3::text[], $4::jsonb[], $5::jsonb[])
      AS a (tenant_id, task_id, type, data, journal)
    WHERE EXISTS (
        SELECT 1 FROM event e
        WHERE e.tenant_id = a.tenant_id AND e.task_id = a.task_id
          AND e.seq > (
              SELECT max(c.seq) FROM event c
              WHERE c.tenant_id = a.tenant_id AND c.task_id = a.task_id AND c.type = 'task.claimed')
          AND e.type = a.type AND e.data = a.data AND e.journal IS NOT DISTINCT FROM a.journal
    )
"""


async def sort_repeated(
    connection: Connection, batch: Sequence[Append]
) -> tuple[set[Key], list[Append]]:
    """What an earlier try has stored, and what is to be stored now, in the transaction of the caller.

    A repeated append whose row is in other hands is in neither: it may be its own earlier try.
    """
    repeated = [append for append in batch if append.is_repeated]
    if not repeated:
        return set(), [*batch]
    leases = [append.lease for append in repeated]
    locked = keys_of(
        await connection.fetch(
            _LOCK,
            [lease.tenant_id for lease in leases],
            [lease.task_id for lease in leases],
            [lease.owner for lease in leases],
            [lease.epoch for lease in leases],
        )
    )
    firsts = [(a.lease, a.events[0]) for a in repeated if a.events and key_of(a) in locked]
    stored = keys_of(
        await connection.fetch(
            _STORED,
            [lease.tenant_id for lease, _ in firsts],
            [lease.task_id for lease, _ in firsts],
            [event.type.value for _, event in firsts],
            [dump_json(event.data) for _, event in firsts],
            [Journaled.of(event.journal).column for _, event in firsts],
        )
    )
    now = [a for a in batch if not a.is_repeated or key_of(a) in locked - stored]
    return stored, now


def key_of(append: Append) -> Key:
    return append.lease.tenant_id, append.lease.task_id


def keys_of(rows: Sequence[Mapping[str, Any]]) -> set[Key]:
    return {(row["tenant_id"], row["task_id"]) for row in rows}
