"""What recorded steps have used is charged to its budgets, in the transaction that records them.

A budget in other hands is never waited for: its steps come with the next batch.
"""

from collections.abc import Sequence
from typing import Final, TypeAlias

from ops_core.ports import Append
from ops_core.store.repeated import Connection, Key, key_of

#: A budget, by its tenant and its id.
_Budget: TypeAlias = tuple[str, str]

# The budgets of a batch of steps, in order. One in other hands is passed over: the steps of all tasks of a
# worker are in one batch, and those that nobody pays for must not wait for it. Index: primary key.
_LOCK_FREE: Final = """
    SELECT b.tenant_id, b.budget_id FROM budget b
    JOIN (SELECT DISTINCT * FROM unnest($1::text[], $2::text[])) AS u (tenant_id, budget_id)
      ON b.tenant_id = u.tenant_id AND b.budget_id = u.budget_id
    ORDER BY b.tenant_id, b.budget_id FOR NO KEY UPDATE OF b SKIP LOCKED
"""

# Which of the others are there: one that was deleted is in nobody's way. Index: primary key.
_THERE: Final = """
    SELECT b.tenant_id, b.budget_id FROM budget b
    JOIN unnest($1::text[], $2::text[]) AS u (tenant_id, budget_id)
      ON b.tenant_id = u.tenant_id AND b.budget_id = u.budget_id
"""

# What recorded steps have used takes the place of what was reserved for them. Indexes: primary keys.
_SETTLE: Final = """
    WITH used AS (
        SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::numeric[],
                             $6::bigint[], $7::bigint[], $8::float8[])
          AS u (tenant_id, budget_id, task_id, path, cost_usd, tokens, steps, seconds)
    ), gone AS (
        DELETE FROM reservation r USING used u
        WHERE r.tenant_id = u.tenant_id AND r.budget_id = u.budget_id
          AND r.task_id = u.task_id AND r.path = u.path
        RETURNING r.*
    ), freed AS (
        SELECT tenant_id, budget_id, sum(cost_usd) AS cost_usd, sum(tokens) AS tokens,
               sum(steps) AS steps, sum(seconds) AS seconds
        FROM gone GROUP BY tenant_id, budget_id
    ), charged AS (
        SELECT tenant_id, budget_id, sum(cost_usd) AS cost_usd, sum(tokens) AS tokens,
               sum(steps) AS steps, sum(seconds) AS seconds
        FROM used GROUP BY tenant_id, budget_id
    )
    UPDATE budget b SET
        spent_cost_usd    = CASE WHEN p.over THEN 0 ELSE spent_cost_usd END + c.cost_usd,
        spent_tokens      = CASE WHEN p.over THEN 0 ELSE spent_tokens END + c.tokens,
        spent_steps       = CASE WHEN p.over THEN 0 ELSE spent_steps END + c.steps,
        spent_seconds     = CASE WHEN p.over THEN 0 ELSE spent_seconds END + c.seconds,
        since             = CASE WHEN p.over THEN ops_now() ELSE since END,
        reserved_cost_usd = reserved_cost_usd - COALESCE(f.cost_usd, 0),
        reserved_tokens   = reserved_tokens - COALESCE(f.tokens, 0),
        reserved_steps    = reserved_steps - COALESCE(f.steps, 0),
        reserved_seconds  = reserved_seconds - COALESCE(f.seconds, 0)
    FROM charged c
    JOIN (SELECT tenant_id, budget_id, ops_period_is_over(period, since) AS over FROM budget) AS p
      USING (tenant_id, budget_id)
    LEFT JOIN freed f USING (tenant_id, budget_id)
    WHERE b.tenant_id = c.tenant_id AND b.budget_id = c.budget_id
"""


async def lock_budgets(connection: Connection, batch: Sequence[Append]) -> list[Append]:
    """Locks what a batch of steps will be settled in, before their tasks are.

    Returns those that can be settled now; the others' budgets are in other hands this moment.
    """
    asked = {budget for append in batch for budget in _budgets_of(append)}
    locked = await _found(connection, _LOCK_FREE, asked)
    busy = await _found(connection, _THERE, asked - locked)
    return [append for append in batch if busy.isdisjoint(_budgets_of(append))]


async def settle_batch(connection: Connection, batch: Sequence[Append], stored: set[Key]) -> None:
    """Charges what those steps of a batch have used that were stored."""
    rows = [
        (append.lease, append.settles, budget_id)
        for append in batch
        if append.settles is not None and key_of(append) in stored
        for budget_id in append.settles.budget_ids
    ]
    if not rows:
        return
    await connection.execute(
        _SETTLE,
        [lease.tenant_id for lease, _, _ in rows],
        [budget_id for _, _, budget_id in rows],
        [lease.task_id for lease, _, _ in rows],
        [settled.path for _, settled, _ in rows],
        [settled.used.cost_usd for _, settled, _ in rows],
        [settled.used.tokens for _, settled, _ in rows],
        [settled.used.steps for _, settled, _ in rows],
        [settled.used.seconds for _, settled, _ in rows],
    )


async def _found(connection: Connection, query: str, asked: set[_Budget]) -> set[_Budget]:
    if not asked:
        return set()
    rows = await connection.fetch(query, [b[0] for b in asked], [b[1] for b in asked])
    return {(row["tenant_id"], row["budget_id"]) for row in rows}


def _budgets_of(append: Append) -> list[_Budget]:
    settled = append.settles.budget_ids if append.settles else ()
    return [(append.lease.tenant_id, budget_id) for budget_id in settled]
