"""The claim: a worker takes the best due tasks of its queues, by turns from the tenants that have any."""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, Final

from ops_core.budgets.ledger import PERIODS
from ops_core.log import EventType
from ops_core.store.plain import fetch
from ops_core.store.repeated import Connection
from ops_core.store.rows import Record

Lane = tuple[str, str, int]
"""A queue, a tenant and a priority."""

# Takes the best due rows of a worker's queues; rows that another worker is taking are passed over. Only the
# first claim and a claim after a failure begin a new attempt. Index: task_for_fair_claim, which is in the
# order of a claim only within one queue, tenant and priority (a lane): hence a scan a lane. It ends at the
# first row that is not due yet: a million that sleep are not looked through.
#
# The tenants are found by a probe each, and so are the lanes of each, however many rows they hold. One row of
# every tenant comes before the second of any; who was not served for longest is first. Priorities hold within
# a tenant. No tenant is asked for more than its part of the count, from the highest lane down, and no lane
# after the one that fills it: there may be two hundred. The rest comes with another round.
#
# A task under which workers have died is for workers that run alone, and for nobody else; a task whose pins a
# worker does not support is for another one; a task at a gate is for nobody yet.
#
# First every lane's share of the best is counted, without a lock, then each share is locked: what is locked
# here and then not taken would look taken to a worker that was rung for it, and it would not look again.
#
# To plan this takes as long as to do it, so its plan must be one that is kept. What decides how much is read
# comes out of `asked`, whose row the planner never knows: then a plan for what is asked this time promises
# nothing that the kept one would not do. And what goes through an array is taken for ten rows, so that
# the rows are looked up under their keys; of a LIMIT that is not known a tenth of the table is expected.
_CLAIM: Final = """
    WITH RECURSIVE asked AS MATERIALIZED (
        SELECT CAST(:queues AS text[]) AS queues, CAST(:count AS int) AS count,
               CAST(:sharing AS int) AS sharing
    ), me AS (
        -- Holds off a dispatcher that is burying this worker: it must see what is claimed here.
        -- And an operator who wants it drained: after his word nothing is claimed.
        SELECT alone, pins, supports FROM worker
        WHERE worker_id = :worker_id AND drain_at IS NULL FOR KEY SHARE
    ), highest AS (
        SELECT mine.queue, first.tenant_id, first.priority
        FROM asked CROSS JOIN unnest(queues) AS mine (queue) CROSS JOIN LATERAL (
            SELECT tenant_id, priority FROM task
            WHERE queue = mine.queue AND status = 'pending' AND NOT gated
            ORDER BY tenant_id, priority DESC LIMIT 1
        ) AS first
        UNION ALL
        SELECT highest.queue, next.tenant_id, next.priority
        FROM highest CROSS JOIN LATERAL (
            SELECT tenant_id, priority FROM task
            WHERE queue = highest.queue AND status = 'pending' AND NOT gated
              AND tenant_id > highest.tenant_id
            ORDER BY tenant_id, priority DESC LIMIT 1
        ) AS next
    ), part AS (
        SELECT count(DISTINCT tenant_id) AS tenants,
               ceil(CAST(asked.count AS float8)
                    / COALESCE(sharing, count(DISTINCT tenant_id))) AS size
        FROM asked CROSS JOIN highest GROUP BY asked.count, sharing
    ), ahead AS (
        SELECT highest.queue, highest.tenant_id, due.priority, row_number() OVER (
                   PARTITION BY highest.tenant_id
                   ORDER BY due.priority DESC, due.runnable_at, due.task_id) AS round
        FROM me CROSS JOIN part CROSS JOIN highest CROSS JOIN LATERAL (
            WITH RECURSIVE lane AS (
                SELECT highest.priority
                UNION ALL
                SELECT next.priority
                FROM lane CROSS JOIN LATERAL (
                    SELECT priority FROM task
                    WHERE queue = highest.queue AND tenant_id = highest.tenant_id
                      AND status = 'pending' AND NOT gated AND priority < lane.priority
                    ORDER BY priority DESC LIMIT 1
                ) AS next
            )
            -- In the order of the lanes, which are looked for only until there are enough rows.
            SELECT lane.priority, first.runnable_at, first.task_id
            FROM lane CROSS JOIN LATERAL (
                SELECT runnable_at, task_id FROM task
                WHERE queue = highest.queue AND tenant_id = highest.tenant_id
                  AND priority = lane.priority
                  AND status = 'pending' AND NOT gated AND runnable_at <= ops_now()
                  AND (deadline_at IS NULL OR deadline_at > ops_now())
                  AND (deaths >= 2) = me.alone AND (task.pins IS NULL OR task.pins <@ me.supports)
                ORDER BY runnable_at, task_id
                LIMIT part.size
            ) AS first
            WHERE (highest.queue, highest.tenant_id, lane.priority) NOT IN (
                SELECT * FROM unnest(CAST(:beaten_queues AS text[]), CAST(:beaten_tenants AS text[]),
                                     CAST(:beaten_priorities AS int[])))
            LIMIT part.size
        ) AS due
    ), best AS (
        SELECT ahead.queue, ahead.tenant_id, ahead.priority
        FROM ahead LEFT JOIN tenant_turn USING (tenant_id)
        ORDER BY ahead.round, COALESCE(turn, 0), tenant_id
        LIMIT (SELECT count FROM asked)
    ), share AS (
        SELECT queue, tenant_id, priority, count(*) AS size,
               sum(count(*)) OVER (PARTITION BY queue, tenant_id) AS together
        FROM unnest(ARRAY(SELECT ROW(queue, tenant_id, priority) FROM best))
             AS few (queue text, tenant_id text, priority int)
        GROUP BY queue, tenant_id, priority
    ), due AS (
        SELECT tenant_id, task_id, ops_now() AS now FROM unnest(ARRAY(
            SELECT ROW(free.tenant_id, free.task_id)
            FROM me CROSS JOIN share CROSS JOIN LATERAL (
                SELECT tenant_id, task_id FROM task
                WHERE queue = share.queue AND tenant_id = share.tenant_id
                  AND priority = share.priority
                  AND status = 'pending' AND NOT gated AND runnable_at <= ops_now()
                  AND (deadline_at IS NULL OR deadline_at > ops_now())
                  AND (deaths >= 2) = me.alone AND (task.pins IS NULL OR task.pins <@ me.supports)
                ORDER BY runnable_at, task_id
                LIMIT share.size
                FOR NO KEY UPDATE SKIP LOCKED
            ) AS free
        )) AS few (tenant_id text, task_id text)
    ), claimed AS (
        UPDATE task t SET
            status     = 'running',
            attempt    = attempt + (attempt = 0 OR reason IN ('retrying', 'rate_limited'))::int,
            reason     = NULL,
            error      = NULL,
            owner      = :worker_id,
            epoch      = epoch + 1,
            ring_at    = NULL,
            rings      = 0,
            started_at = COALESCE(started_at, now),
            pins       = COALESCE(t.pins, ARRAY(
                             SELECT jsonb_array_elements_text(me.pins -> t.task_type))),
            updated_at = now,
            last_seq   = last_seq + 1
        FROM due CROSS JOIN me
        WHERE t.tenant_id = due.tenant_id AND t.task_id = due.task_id
        RETURNING t.*
    ), logged AS (
        INSERT INTO event (tenant_id, task_id, seq, type, data, at)
        SELECT tenant_id, task_id, last_seq, :type,
               jsonb_build_object('worker', owner, 'attempt', attempt), updated_at
        FROM claimed
    )
    SELECT share.queue AS share_queue, share.tenant_id AS share_tenant,
           share.priority AS share_priority, share.size AS share_size, part.tenants,
           share.together >= part.size AS is_cut, claimed.*,
           -- By their names: a tenant has as many budgets of tasks as it has had tasks with one.
           ARRAY(SELECT budget_id FROM budget
                 WHERE budget.tenant_id = claimed.tenant_id
                   AND budget_id = ANY(CAST(:periods AS text[]))
                 ORDER BY budget_id) AS tenant_budget_ids
    FROM part CROSS JOIN share
    LEFT JOIN claimed ON claimed.queue = share.queue AND claimed.tenant_id = share.tenant_id
                     AND claimed.priority = share.priority
    ORDER BY share.priority DESC, runnable_at, task_id
"""

# These tenants were served: they go behind all others. Rows that another claim is writing are passed over,
# for that one says the same, and nobody waits. Index: primary key.
_SERVED: Final = """
    WITH next AS (
        SELECT nextval('claim_turn') AS turn
    ), known AS (
        SELECT tenant_id FROM tenant_turn WHERE tenant_id = ANY(:tenants)
        FOR NO KEY UPDATE SKIP LOCKED
    ), moved AS (
        UPDATE tenant_turn t SET turn = next.turn FROM known, next
        WHERE t.tenant_id = known.tenant_id
    )
    INSERT INTO tenant_turn (tenant_id, turn)
    SELECT served.tenant_id, next.turn
    FROM unnest(CAST(:tenants AS text[])) AS served (tenant_id), next
    ORDER BY served.tenant_id
    ON CONFLICT DO NOTHING
"""


async def claim(
    connection: Connection, worker_id: str, queues: Iterable[str], count: int
) -> list[Record]:
    """Claims at most `count` rows, in one round trip where that is enough.

    A lane that could not fill its share (others were quicker) is empty for now, and the others are asked for
    the rest: else a worker would go to sleep beside tasks that it was rung for. What a first round took is
    committed; should a later one fail, the worker finds that among what it owns, and hands it back.
    """
    asked = {
        "worker_id": worker_id,
        "queues": sorted(queues),
        "type": EventType.TASK_CLAIMED.value,
        "periods": PERIODS,
    }
    beaten, rows, tenants = set[Lane](), list[Record](), 1
    sharing: int | None = None
    while len(rows) < count:
        left = {"count": count - len(rows), "sharing": sharing, **_columns(sorted(beaten))}
        found = await fetch(connection, _CLAIM, asked | left)
        claimed = [row for row in found if row["task_id"] is not None]
        filled = Counter((row["queue"], row["tenant_id"], row["priority"]) for row in claimed)
        shares = {
            (row["share_queue"], row["share_tenant"], row["share_priority"]): row["share_size"]
            for row in found
        }
        short = {lane for lane, size in shares.items() if filled[lane] < size}
        rows += claimed
        tenants = max([tenants, *(row["tenants"] for row in found)])
        cut = {row["share_tenant"] for row in found if row["is_cut"]}
        if not short and not cut:
            break
        beaten |= short
        # The others have no more: their parts would be left over again, one round after the other.
        sharing = max(1, len(cut))
    if tenants > 1 and rows:
        served = sorted({row["tenant_id"] for row in rows})
        await fetch(connection, _SERVED, {"tenants": served})
    return sorted(rows, key=lambda row: (-row["priority"], row["runnable_at"], row["task_id"]))


def _columns(lanes: Sequence[Lane]) -> dict[str, Any]:
    return {
        "beaten_queues": [queue for queue, _, _ in lanes],
        "beaten_tenants": [tenant for _, tenant, _ in lanes],
        "beaten_priorities": [priority for _, _, priority in lanes],
    }
