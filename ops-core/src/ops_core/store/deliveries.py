"""Deliveries on PostgreSQL, as the dispatcher uses them: of all tenants."""

from collections.abc import Collection, Sequence
from typing import Any, Final

from pydantic import SecretStr
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from ops_core.store.database import Database
from ops_core.store.moves import statement
from ops_core.store.rows import Row, event_of, task_of
from ops_core.store.webhook_rows import attempt_json, delivery_of, push_of
from ops_core.webhooks.model import KEPT_ATTEMPTS, Attempt, Claimed, DeliveryStatus
from ops_core.webhooks.port import Outcome

#: Of one webhook so many deliveries are taken in one claim; the rest of a long queue comes with the next.
_EACH: Final = 4

#: So many of what is due are looked at.
_WINDOW: Final = 500

# Takes the oldest due deliveries, a few of each webhook, and puts them off by a lease: should this dispatcher
# die, they are due again when it ends. Rows that another one takes are passed over. What is due for a webhook
# that is disabled, or gone, fails. Indexes: webhook_delivery_for_sending, primary keys.
_CLAIM: Final = text(
    """
    WITH oldest AS (
        SELECT tenant_id, delivery_id,
               row_number() OVER (PARTITION BY tenant_id, webhook_id ORDER BY next_at, seq) AS place
        FROM (SELECT * FROM webhook_delivery
              WHERE next_at <= ops_now() AND webhook_id <> ALL(:busy)
              ORDER BY next_at, seq LIMIT :window) AS due
    ), free AS (
        SELECT d.tenant_id, d.delivery_id, d.webhook_id
        FROM oldest JOIN webhook_delivery d
             ON d.tenant_id = oldest.tenant_id AND d.delivery_id = oldest.delivery_id
        WHERE oldest.place <= :each AND d.next_at <= ops_now()
        ORDER BY d.next_at, d.seq LIMIT :limit
        FOR NO KEY UPDATE OF d SKIP LOCKED
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
        RETURNING d.*, w.url, w.secret, w.failing_since, w.config_id, w.token, w.scheme,
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

# Writes down what came of an attempt, if the claim is still ours. Index: primary key.
_RECORD: Final = statement(
    """
    UPDATE webhook_delivery SET
        status   = :status,
        next_at  = CASE WHEN :status = 'pending' THEN ops_now() + :retry_in_s * interval '1 second' END,
        ended_at = CASE WHEN :status <> 'pending' THEN ops_now() END,
        attempts = :attempts
    WHERE tenant_id = :tenant_id AND delivery_id = :delivery_id
      AND claim = :claim AND status = 'pending'
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


class SqlDeliveries:
    """`DeliveryStore` on PostgreSQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def claim(
        self, limit: int, *, busy: Collection[str], lease_s: float
    ) -> Sequence[Claimed]:
        asked = {"limit": limit, "busy": list(busy), "lease_s": lease_s}
        asked |= {"each": _EACH, "window": _WINDOW}
        async with self._database.begin() as connection:
            rows = (await connection.execute(_CLAIM, asked)).all()
            return await _told(connection, [row for row in rows if row.status == "pending"])

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
            asked = {"older_than_s": older_than_s, "limit": limit}
            return (await connection.execute(_PRUNE, asked)).rowcount


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
            push=push_of(row),
            event=event_by.get((row.tenant_id, row.task_id, row.seq)),
            task=task_by.get((row.tenant_id, row.task_id)),
        )
        for row in rows
    ]
