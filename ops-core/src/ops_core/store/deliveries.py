"""Deliveries on PostgreSQL, as the dispatcher uses them: of all tenants."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

from pydantic import SecretStr
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from ops_core.store.database import Database
from ops_core.store.moves import statement
from ops_core.store.rows import Row, event_of, task_of
from ops_core.store.webhook_rows import attempt_json, delivery_of, push_of
from ops_core.webhooks.model import KEPT_ATTEMPTS, Attempt, Claimed, DeliveryStatus
from ops_core.webhooks.port import Outcome, Taken

#: Of one webhook so many deliveries are taken in one claim; the rest of a long queue comes with the next.
_EACH: Final = 4

#: So many of what is due of a tenant are looked at, and so many fail at once.
_WINDOW: Final = 100

# Takes the oldest due deliveries, a few of each webhook and by turns from the tenants that have any, and
# puts them off by a lease: should this dispatcher die, they are due again when it ends. Rows that another one
# takes are passed over. What is due for a webhook that is disabled, or gone, fails, a
# hundred at a time: a few would stand in the way of the others for hours.
#
# Tenants are found by a probe each, however much is due for them. Who has the fewest requests under way is
# next. Indexes: webhook_delivery_for_turns, primary keys.
_CLAIM: Final = text(
    """
    WITH RECURSIVE lane AS (
        (SELECT tenant_id FROM webhook_delivery WHERE next_at IS NOT NULL ORDER BY tenant_id LIMIT 1)
        UNION ALL
        SELECT next.tenant_id FROM lane CROSS JOIN LATERAL (
            SELECT tenant_id FROM webhook_delivery
            WHERE next_at IS NOT NULL AND tenant_id > lane.tenant_id ORDER BY tenant_id LIMIT 1
        ) AS next
    ), under_way AS (
        SELECT * FROM unnest(CAST(:tenants AS text[]), CAST(:counts AS int[])) AS u (tenant_id, count)
    ), oldest AS (
        SELECT lane.tenant_id, due.delivery_id, due.next_at, due.seq, w.enabled IS TRUE AS enabled,
               row_number() OVER (PARTITION BY lane.tenant_id, due.webhook_id
                                  ORDER BY due.next_at, due.seq) AS place
        FROM lane CROSS JOIN LATERAL (
            SELECT delivery_id, webhook_id, next_at, seq FROM webhook_delivery
            WHERE tenant_id = lane.tenant_id AND next_at <= ops_now() AND webhook_id <> ALL(:busy)
            ORDER BY next_at, seq LIMIT :window
        ) AS due
        LEFT JOIN webhook w ON w.tenant_id = lane.tenant_id AND w.webhook_id = due.webhook_id
    ), queue AS (
        SELECT tenant_id, delivery_id, next_at, seq, COALESCE(under_way.count, 0)
               + row_number() OVER (PARTITION BY tenant_id ORDER BY next_at, seq) AS turn
        FROM oldest LEFT JOIN under_way USING (tenant_id)
        WHERE enabled AND place <= :each
    ), asked AS (
        (SELECT tenant_id, delivery_id FROM queue WHERE turn <= :per_tenant
         ORDER BY turn, next_at, seq LIMIT :limit)
        UNION ALL
        (SELECT tenant_id, delivery_id FROM oldest WHERE NOT enabled LIMIT :window)
    ), free AS (
        SELECT mine.* FROM asked CROSS JOIN LATERAL (
            SELECT d.tenant_id, d.delivery_id, d.webhook_id FROM webhook_delivery d
            WHERE d.tenant_id = asked.tenant_id AND d.delivery_id = asked.delivery_id
              AND d.next_at <= ops_now()
            FOR NO KEY UPDATE SKIP LOCKED
        ) AS mine
    ), taken AS (
        UPDATE webhook_delivery d SET
            tries    = d.tries + 1,
            claim    = d.claim + 1,
            status   = CASE WHEN w.enabled THEN 'pending' ELSE 'failed' END,
            next_at  = CASE WHEN w.enabled THEN ops_now() + :lease_s * interval '1 second' END,
            ended_at = CASE WHEN w.enabled THEN NULL ELSE ops_now() END,
            attempts = CASE WHEN w.enabled THEN d.attempts ELSE d.attempts || jsonb_build_object(
                           'at', ops_now(), 'error', 'the webhook is disabled') END
        FROM free LEFT JOIN webhook w
             ON w.tenant_id = free.tenant_id AND w.webhook_id = free.webhook_id
        WHERE d.tenant_id = free.tenant_id AND d.delivery_id = free.delivery_id
        RETURNING d.*, w.url, w.secret, w.failing_since, w.decides, w.config_id, w.token, w.scheme,
                  w.credentials,
                  CASE WHEN w.previous_until > ops_now() THEN w.previous_secret END AS previous_secret
    )
    SELECT taken.*, ops_now() AS now FROM taken ORDER BY created_at, seq
    """
)

# The events that are to be sent, and their tasks as they are now. Indexes: primary keys of event and task.
_EVENTS: Final = text(
    """
    SELECT e.* FROM unnest(CAST(:tenants AS text[]), CAST(:tasks AS text[]), CAST(:seqs AS bigint[]))
                      AS k (tenant_id, task_id, seq)
    JOIN event e ON e.tenant_id = k.tenant_id AND e.task_id = k.task_id AND e.seq = k.seq
    """
)
_TASKS: Final = text(
    """
    SELECT * FROM task
    WHERE (tenant_id, task_id) IN (
        SELECT * FROM unnest(CAST(:tenants AS text[]), CAST(:tasks AS text[])))
    """
)

# Writes down what came of an attempt, if the claim is still ours and the webhook there. Index: primary keys.
_RECORD: Final = statement(
    """
    UPDATE webhook_delivery d SET
        status   = :status,
        next_at  = CASE WHEN :status = 'pending' THEN ops_now() + :retry_in_s * interval '1 second' END,
        ended_at = CASE WHEN :status <> 'pending' THEN ops_now() END,
        attempts = :attempts
    WHERE tenant_id = :tenant_id AND delivery_id = :delivery_id
      AND claim = :claim AND status = 'pending'
      AND EXISTS (SELECT FROM webhook w
                  WHERE w.tenant_id = d.tenant_id AND w.webhook_id = d.webhook_id)
    """,
    "attempts",
)

# Whether the webhook fails, and since when; only written where that is news. Index: primary key.
_MARK: Final = text(
    """
    UPDATE webhook SET
        failing_since   = CASE WHEN :succeeded THEN NULL ELSE COALESCE(failing_since, ops_now()) END,
        enabled         = enabled AND CAST(:disables AS text) IS NULL,
        disabled_reason = COALESCE(:disables, disabled_reason),
        updated_at      = CASE WHEN CAST(:disables AS text) IS NULL THEN updated_at ELSE ops_now() END
    WHERE tenant_id = :tenant_id AND webhook_id = :webhook_id
      AND ((failing_since IS NULL) <> :succeeded OR (enabled AND CAST(:disables AS text) IS NOT NULL))
    """
)

# Index: webhook_delivery_for_retention.
_PRUNE: Final = text(
    """
    WITH old AS (
        SELECT tenant_id, delivery_id FROM webhook_delivery
        WHERE ended_at < ops_now() - :older_than_s * interval '1 second'
        ORDER BY ended_at LIMIT :limit FOR UPDATE SKIP LOCKED
    )
    DELETE FROM webhook_delivery d USING old
    WHERE d.tenant_id = old.tenant_id AND d.delivery_id = old.delivery_id
    """
)

# A batch of what was made for the first of the webhooks that were deleted. Rows in other hands come with the
# next one. Indexes: primary key of deleted_webhook, webhook_delivery_for_webhook.
_FORGET: Final = text(
    """
    WITH first AS (
        SELECT tenant_id, webhook_id FROM deleted_webhook ORDER BY tenant_id, webhook_id LIMIT 1
    ), old AS (
        SELECT d.tenant_id, d.delivery_id FROM first JOIN webhook_delivery d
               ON d.tenant_id = first.tenant_id AND d.webhook_id = first.webhook_id
        LIMIT :limit FOR UPDATE OF d SKIP LOCKED
    )
    DELETE FROM webhook_delivery d USING old
    WHERE d.tenant_id = old.tenant_id AND d.delivery_id = old.delivery_id
    """
)

# Those of which nothing is left. Indexes: as above.
_FORGOTTEN: Final = text(
    """
    DELETE FROM deleted_webhook g
    WHERE NOT EXISTS (SELECT FROM webhook_delivery d
                      WHERE d.tenant_id = g.tenant_id AND d.webhook_id = g.webhook_id)
    """
)


class SqlDeliveries:
    """`DeliveryStore` on PostgreSQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def claim(
        self,
        limit: int,
        *,
        busy: Collection[str],
        under_way: Mapping[str, int],
        per_tenant: int,
        lease_s: float,
    ) -> Taken:
        asked = {"limit": limit, "busy": list(busy), "lease_s": lease_s, "per_tenant": per_tenant}
        asked |= {"tenants": list(under_way), "counts": list(under_way.values())}
        asked |= {"each": _EACH, "window": _WINDOW}
        async with self._database.begin() as connection:
            rows = (await connection.execute(_CLAIM, asked)).all()
            sent = [row for row in rows if row.status == "pending"]
            return Taken(await _told(connection, sent), len(rows) - len(sent))

    async def record(self, claimed: Claimed, attempt: Attempt, outcome: Outcome) -> bool:
        delivery = claimed.delivery
        kept = [*delivery.attempts, attempt][-KEPT_ATTEMPTS:]
        asked = {
            "tenant_id": delivery.tenant_id,
            "delivery_id": delivery.delivery_id,
            "claim": claimed.claim,
            "status": outcome.status.value,
            "retry_in_s": outcome.retry_in_s,
            "attempts": [attempt_json(each) for each in kept],
        }
        async with self._database.begin() as connection:
            if not (await connection.execute(_RECORD, asked)).rowcount:
                return False
            await _mark(connection, claimed, outcome)
        return True

    async def prune(self, older_than_s: float, limit: int) -> int:
        async with self._database.begin() as connection:
            forgotten = (await connection.execute(_FORGET, {"limit": limit})).rowcount
            await connection.execute(_FORGOTTEN)
            asked = {"older_than_s": older_than_s, "limit": limit - forgotten}
            return forgotten + (await connection.execute(_PRUNE, asked)).rowcount


async def _mark(connection: AsyncConnection, claimed: Claimed, outcome: Outcome) -> None:
    asked: dict[str, Any] = {
        "tenant_id": claimed.delivery.tenant_id,
        "webhook_id": claimed.delivery.webhook_id,
        "succeeded": outcome.status is DeliveryStatus.DELIVERED,
        "disables": outcome.disables,
    }
    await connection.execute(_MARK, asked)


async def _told(connection: AsyncConnection, rows: Sequence[Row]) -> list[Claimed]:
    """Each with its event and its task."""
    of_tasks = [row for row in rows if row.task_id is not None]
    asked = {
        "tenants": [row.tenant_id for row in of_tasks],
        "tasks": [row.task_id for row in of_tasks],
        "seqs": [row.seq for row in of_tasks],
    }
    events = (await connection.execute(_EVENTS, asked)).all() if of_tasks else []
    tasks = (await connection.execute(_TASKS, asked)).all() if of_tasks else []
    event_by = {(row.tenant_id, row.task_id, row.seq): event_of(row) for row in events}
    task_by = {(row.tenant_id, row.task_id): task_of(row) for row in tasks}
    return [
        Claimed(
            delivery=delivery_of(row),
            claim=row.claim,
            url=row.url,
            secrets=tuple(SecretStr(s) for s in (row.secret, row.previous_secret) if s is not None),
            asked_at=row.asked_at,
            now=row.now,
            failing_since=row.failing_since,
            decides=row.decides,
            push=push_of(row),
            event=event_by.get((row.tenant_id, row.task_id, row.seq)),
            task=task_by.get((row.tenant_id, row.task_id)),
        )
        for row in rows
    ]
