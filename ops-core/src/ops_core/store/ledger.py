"""The ledger in PostgreSQL: what calls may use is reserved before them, and given back if it is not used.

Locks are taken in the order that everybody keeps: budgets by their ids, then tasks. What recorded steps have
used is charged in `charging`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, Final, NamedTuple

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from ops_core.budgets.ledger import IN_THE_WAY, Verdict, Wanted, judge
from ops_core.log import EventType, NewEvent
from ops_core.ports import Lease, TaskKey
from ops_core.store.budgets import budget_of
from ops_core.store.moves import add_events

# The budgets that a call is paid from, in order. Index: primary key.
_LOCK: Final = text(
    """
    SELECT budget_id FROM budget WHERE tenant_id = :tenant_id AND budget_id = ANY(:budget_ids)
    ORDER BY tenant_id, budget_id FOR NO KEY UPDATE
    """
)

# The task, if it is still ours: whoever lost it reserves nothing. Index: primary key.
_HELD: Final = text(
    """
    SELECT task_id FROM task
    WHERE tenant_id = :tenant_id AND task_id = :task_id
      AND status = 'running' AND owner = :owner AND epoch = :epoch
    FOR NO KEY UPDATE
    """
)

# Gives back what was reserved under an epoch that is over: its worker died, its task ended, waits or rests.
# The budgets are locked. Indexes: primary keys.
_FREE_DEAD: Final = text(
    """
    WITH dead AS (
        DELETE FROM reservation r
        WHERE r.tenant_id = :tenant_id AND r.budget_id = ANY(:budget_ids)
          AND NOT EXISTS (
              SELECT FROM task t WHERE t.tenant_id = r.tenant_id AND t.task_id = r.task_id
                                   AND t.status = 'running' AND t.epoch = r.epoch)
        RETURNING r.*
    ), freed AS (
        SELECT budget_id, sum(cost_usd) AS cost_usd, sum(tokens) AS tokens, sum(steps) AS steps,
               sum(seconds) AS seconds
        FROM dead GROUP BY budget_id
    )
    UPDATE budget b SET
        reserved_cost_usd = reserved_cost_usd - f.cost_usd,
        reserved_tokens   = reserved_tokens - f.tokens,
        reserved_steps    = reserved_steps - f.steps,
        reserved_seconds  = reserved_seconds - f.seconds
    FROM freed f WHERE b.tenant_id = :tenant_id AND b.budget_id = f.budget_id
    """
)

# Index: primary key.
_READ: Final = text(
    """
    SELECT *, ops_now() AS now FROM budget
    WHERE tenant_id = :tenant_id AND budget_id = ANY(:budget_ids) ORDER BY budget_id
    """
)

# The budgets as `_READ` will find them when nothing is reserved any more under an epoch that is over, or for
# this very call; and whether the task is still ours. No locks: who waits for others only looks, however
# many they are, for what they wait for needs the rows. Indexes: primary keys.
_LOOK: Final = text(
    """
    SELECT b.budget_id, b.period, b.since, b.max_cost_usd, b.max_tokens, b.max_steps, b.max_seconds,
           b.spent_cost_usd, b.spent_tokens, b.spent_steps, b.spent_seconds,
           b.reserved_cost_usd - g.cost_usd AS reserved_cost_usd,
           b.reserved_tokens - g.tokens AS reserved_tokens,
           b.reserved_steps - g.steps AS reserved_steps,
           b.reserved_seconds - g.seconds AS reserved_seconds,
           ops_now() AS now
    FROM budget b CROSS JOIN LATERAL (
        SELECT COALESCE(sum(r.cost_usd), 0) AS cost_usd, COALESCE(sum(r.tokens), 0) AS tokens,
               COALESCE(sum(r.steps), 0) AS steps, COALESCE(sum(r.seconds), 0) AS seconds
        FROM reservation r
        WHERE r.tenant_id = b.tenant_id AND r.budget_id = b.budget_id
          AND (r.task_id = :task_id AND r.path = :path
               OR NOT EXISTS (
                   SELECT FROM task t WHERE t.tenant_id = r.tenant_id AND t.task_id = r.task_id
                                        AND t.status = 'running' AND t.epoch = r.epoch))
    ) AS g
    WHERE b.tenant_id = :tenant_id AND b.budget_id = ANY(:budget_ids)
      AND EXISTS (SELECT FROM task
                  WHERE tenant_id = :tenant_id AND task_id = :task_id
                    AND status = 'running' AND owner = :owner AND epoch = :epoch)
    ORDER BY b.budget_id
    """
)

# Reserves in every budget, once more guarded by what it holds; a period that is over ends here.
# Index: primary key.
_TAKE: Final = text(
    """
    WITH taken AS (
        UPDATE budget SET
            spent_cost_usd    = CASE WHEN over THEN 0 ELSE spent_cost_usd END,
            spent_tokens      = CASE WHEN over THEN 0 ELSE spent_tokens END,
            spent_steps       = CASE WHEN over THEN 0 ELSE spent_steps END,
            spent_seconds     = CASE WHEN over THEN 0 ELSE spent_seconds END,
            since             = CASE WHEN over THEN ops_now() ELSE since END,
            reserved_cost_usd = reserved_cost_usd + :cost_usd,
            reserved_tokens   = reserved_tokens + :tokens,
            reserved_steps    = reserved_steps + :steps,
            reserved_seconds  = reserved_seconds + :seconds
        FROM (SELECT budget_id AS id, ops_period_is_over(period, since) AS over FROM budget
              WHERE tenant_id = :tenant_id AND budget_id = ANY(:budget_ids)) AS p
        WHERE tenant_id = :tenant_id AND budget_id = p.id
        RETURNING budget_id
    )
    INSERT INTO reservation
        (tenant_id, budget_id, task_id, path, epoch, cost_usd, tokens, steps, seconds)
    SELECT :tenant_id, budget_id, :task_id, :path, :epoch, :cost_usd, :tokens, :steps, :seconds
    FROM taken
    """
)

# Gives back what was reserved for a call that was not made, or not recorded. Indexes: primary keys.
_PUT_BACK: Final = text(
    """
    WITH gone AS (
        DELETE FROM reservation
        WHERE tenant_id = :tenant_id AND budget_id = ANY(:budget_ids) AND task_id = :task_id
          AND path = :path AND epoch = :epoch
        RETURNING *
    )
    UPDATE budget b SET
        reserved_cost_usd = reserved_cost_usd - g.cost_usd,
        reserved_tokens   = reserved_tokens - g.tokens,
        reserved_steps    = reserved_steps - g.steps,
        reserved_seconds  = reserved_seconds - g.seconds
    FROM gone g WHERE b.tenant_id = g.tenant_id AND b.budget_id = g.budget_id
    """
)

# Budgets in which something is reserved under an epoch that is over. Indexes: primary keys.
_WITH_DEAD: Final = text(
    """
    SELECT DISTINCT r.tenant_id, r.budget_id FROM reservation r
    WHERE NOT EXISTS (
        SELECT FROM task t WHERE t.tenant_id = r.tenant_id AND t.task_id = r.task_id
                             AND t.status = 'running' AND t.epoch = r.epoch)
    LIMIT :limit
    """
)

# Locks a budget unless somebody else holds it; one that was deleted is held by nobody. Index: primary key.
_IS_HELD: Final = text(
    """
    WITH free AS (
        SELECT budget_id FROM budget WHERE tenant_id = :tenant_id AND budget_id = ANY(:budget_ids)
        FOR NO KEY UPDATE SKIP LOCKED
    )
    SELECT (SELECT count(*) FROM budget
            WHERE tenant_id = :tenant_id AND budget_id = ANY(:budget_ids))
           > (SELECT count(*) FROM free)
    """
)


class Paid(NamedTuple):
    """Who pays for a call: the budgets of a running task."""

    lease: Lease
    path: str
    budget_ids: Sequence[str]

    @property
    def parameters(self) -> Mapping[str, Any]:
        return {**asdict(self.lease), "path": self.path, "budget_ids": sorted(self.budget_ids)}


async def reserve(connection: AsyncConnection, paid: Paid, wanted: Wanted) -> Verdict | None:
    """Reserves and says so in the log, if the budgets hold it; None when the lease is not good any more."""
    await connection.execute(_LOCK, paid.parameters)
    if (await connection.execute(_HELD, paid.parameters)).one_or_none() is None:
        return None
    await connection.execute(_FREE_DEAD, paid.parameters)
    await connection.execute(_PUT_BACK, paid.parameters)  # a call that is made again
    rows = (await connection.execute(_READ, paid.parameters)).all()
    verdict = judge([budget_of(row) for row in rows], wanted)
    if rows and verdict.is_granted:
        amounts = wanted.amounts
        await connection.execute(_TAKE, {**paid.parameters, **asdict(amounts)})
        data = {"path": paid.path, "budgets": [row.budget_id for row in rows], **amounts.json()}
        key = TaskKey(paid.lease.tenant_id, paid.lease.task_id)
        await add_events(connection, key, [NewEvent(type=EventType.BUDGET_RESERVED, data=data)])
    return verdict


async def is_in_the_way(connection: AsyncConnection, paid: Paid, wanted: Wanted) -> bool:
    """Whether what others have reserved still is; every other verdict needs the locks of `reserve`."""
    rows = (await connection.execute(_LOOK, paid.parameters)).all()
    return judge([budget_of(row) for row in rows], wanted) == IN_THE_WAY


async def put_back(connection: AsyncConnection, paid: Paid) -> None:
    """Gives back what was reserved for a call."""
    await connection.execute(_LOCK, paid.parameters)
    await connection.execute(_PUT_BACK, paid.parameters)


async def with_dead(connection: AsyncConnection, limit: int) -> list[tuple[str, str]]:
    """Budgets, by tenant and id, in which something is reserved under an epoch that is over."""
    rows = (await connection.execute(_WITH_DEAD, {"limit": limit})).all()
    return [(row.tenant_id, row.budget_id) for row in rows]


async def free_dead(connection: AsyncConnection, tenant_id: str, budget_id: str) -> None:
    """Gives that back: one budget in a transaction, whose lock is then the only one. One in other hands comes
    with a later pass.
    """
    asked = {"tenant_id": tenant_id, "budget_ids": [budget_id]}
    if not await connection.scalar(_IS_HELD, asked):
        await connection.execute(_FREE_DEAD, asked)
