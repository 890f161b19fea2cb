"""Deliveries on PostgreSQL, as the doors show them: every statement names the tenant."""

from typing import Final

from sqlalchemy import TextClause, text

from ops_core.errors import DeliveryNotFound
from ops_core.store.cursor import next_cursor, read_cursor
from ops_core.store.database import Database
from ops_core.store.webhook_rows import delivery_of
from ops_core.webhooks.model import Delivery, DeliveryPage

# What was sent to a webhook, or of a task: newest first, behind a cursor if there is one. What was made for a
# webhook that was deleted is as good as gone.
# Indexes: webhook_delivery_for_webhook, webhook_delivery_for_task, primary key of webhook.
_OF_WEBHOOK: Final = text(
    """
    SELECT * FROM webhook_delivery d
    WHERE tenant_id = :tenant_id AND webhook_id = :id
      AND EXISTS (SELECT FROM webhook w
                  WHERE w.tenant_id = d.tenant_id AND w.webhook_id = d.webhook_id)
      AND (CAST(:last_at AS timestamptz) IS NULL OR (created_at, delivery_id) < (:last_at, :last_id))
    ORDER BY created_at DESC, delivery_id DESC LIMIT :limit
    """
)
_OF_TASK: Final = text(
    """
    SELECT * FROM webhook_delivery d
    WHERE tenant_id = :tenant_id AND task_id = :id
      AND EXISTS (SELECT FROM webhook w
                  WHERE w.tenant_id = d.tenant_id AND w.webhook_id = d.webhook_id)
      AND (CAST(:last_at AS timestamptz) IS NULL OR (created_at, delivery_id) < (:last_at, :last_id))
    ORDER BY created_at DESC, delivery_id DESC LIMIT :limit
    """
)

# One delivery. Index: primary keys.
_DELIVERY: Final = text(
    """
    SELECT * FROM webhook_delivery d
    WHERE tenant_id = :tenant_id AND delivery_id = :delivery_id
      AND EXISTS (SELECT FROM webhook w
                  WHERE w.tenant_id = d.tenant_id AND w.webhook_id = d.webhook_id)
    """
)

# Makes a delivery due, as if it were new; a request that is under way is not recorded any more.
# Index: primary key.
_REDELIVER: Final = text(
    """
    UPDATE webhook_delivery d SET
        status = 'pending', tries = 0, claim = claim + 1, next_at = ops_now(), asked_at = ops_now(),
        ended_at = NULL
    WHERE tenant_id = :tenant_id AND delivery_id = :delivery_id
      AND EXISTS (SELECT FROM webhook w
                  WHERE w.tenant_id = d.tenant_id AND w.webhook_id = d.webhook_id)
    RETURNING *
    """
)


class SqlSent:
    """What was sent: the part of `WebhookStore` that is about deliveries."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def deliveries(
        self,
        tenant_id: str,
        *,
        webhook_id: str | None = None,
        task_id: str | None = None,
        limit: int,
        cursor: str | None,
    ) -> DeliveryPage:
        query = _OF_TASK if webhook_id is None else _OF_WEBHOOK
        asked: dict[str, object] = {"tenant_id": tenant_id, "id": webhook_id or task_id}
        asked |= {"limit": limit + 1, "last_at": None, "last_id": None}
        if cursor is not None:
            asked["last_at"], asked["last_id"] = read_cursor(cursor)
        async with self._database.begin_for(tenant_id) as connection:
            rows = (await connection.execute(query, asked)).all()
        return DeliveryPage(
            [delivery_of(row) for row in rows[:limit]],
            next_cursor(rows, limit, lambda last: (last.created_at, last.delivery_id)),
        )

    async def delivery(self, tenant_id: str, delivery_id: str) -> Delivery:
        return await self._one(_DELIVERY, tenant_id, delivery_id)

    async def redeliver(self, tenant_id: str, delivery_id: str) -> Delivery:
        return await self._one(_REDELIVER, tenant_id, delivery_id)

    async def _one(self, query: TextClause, tenant_id: str, delivery_id: str) -> Delivery:
        key = {"tenant_id": tenant_id, "delivery_id": delivery_id}
        async with self._database.begin_for(tenant_id) as connection:
            row = (await connection.execute(query, key)).one_or_none()
        if row is None:
            raise DeliveryNotFound(delivery_id)
        return delivery_of(row)
