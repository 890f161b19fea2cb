"""Webhooks on PostgreSQL, as the doors use them: every statement names the tenant."""

from typing import Final

from pydantic import SecretStr
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from ops_core.errors import TooManyWebhooks, WebhookNotFound
from ops_core.store.cursor import next_cursor, read_cursor
from ops_core.store.moves import statement
from ops_core.store.sent import SqlSent
from ops_core.store.webhook_rows import delivery_of, spec_parameters, webhook_of
from ops_core.webhooks.model import (
    Delivery,
    HookSpec,
    Webhook,
    WebhookPage,
    new_delivery_id,
    new_webhook_id,
)
from ops_core.webhooks.payload import TEST

# Stores a subscription unless the tenant has enough of them. Two at once may make it one too many.
# Index: webhook_for_list.
_CREATE: Final = statement(
    """
    INSERT INTO webhook (
        tenant_id, webhook_id, url, events, task_type, agent, labels, enabled, description, decides,
        secret, created_by, created_at, updated_at
    )
    SELECT :tenant_id, :webhook_id, :url, :events, :task_type, :agent, :labels, :enabled,
           :description, :decides, :secret, :by, ops_now(), ops_now()
    WHERE (SELECT count(*) FROM webhook WHERE tenant_id = :tenant_id AND task_id IS NULL) < :most
    RETURNING *
    """,
    "labels",
)

# One subscription. Index: primary key.
_GET: Final = text(
    """
    SELECT * FROM webhook
    WHERE tenant_id = :tenant_id AND webhook_id = :webhook_id AND task_id IS NULL
    """
)

# The newest subscriptions, all or those behind a cursor. Index: webhook_for_list.
_PAGE: Final = text(
    """
    SELECT * FROM webhook WHERE tenant_id = :tenant_id AND task_id IS NULL
    ORDER BY created_at DESC, webhook_id DESC LIMIT :limit
    """
)
_PAGE_AFTER: Final = text(
    """
    SELECT * FROM webhook
    WHERE tenant_id = :tenant_id AND task_id IS NULL
      AND (created_at, webhook_id) < (:last_at, :last_id)
    ORDER BY created_at DESC, webhook_id DESC LIMIT :limit
    """
)
_COUNT: Final = text(
    "SELECT count(*) FROM webhook WHERE tenant_id = :tenant_id AND task_id IS NULL"
)

# Replaces the spec. What disabled it is forgotten only when a client enables it. Index: primary key.
_CHANGE: Final = statement(
    """
    UPDATE webhook SET
        url = :url, events = :events, task_type = :task_type, agent = :agent, labels = :labels,
        enabled = :enabled, description = :description, decides = :decides,
        disabled_reason = CASE WHEN NOT :enabled THEN disabled_reason END,
        failing_since   = CASE WHEN enabled OR NOT :enabled THEN failing_since END,
        updated_at = ops_now()
    WHERE tenant_id = :tenant_id AND webhook_id = :webhook_id AND task_id IS NULL
    RETURNING *
    """,
    "labels",
)

# The secret that signed so far signs on for a while. Index: primary key.
_ROTATE: Final = text(
    """
    UPDATE webhook SET
        previous_secret = CASE WHEN :overlap_s > 0 THEN secret END,
        previous_until  = CASE WHEN :overlap_s > 0
                               THEN ops_now() + :overlap_s * interval '1 second' END,
        secret = :secret, updated_at = ops_now()
    WHERE tenant_id = :tenant_id AND webhook_id = :webhook_id AND task_id IS NULL
    RETURNING *
    """
)

# Its deliveries are shown no more; upkeep deletes them, a batch at a time. Index: primary keys.
_DELETE: Final = text(
    """
    WITH gone AS (
        DELETE FROM webhook WHERE tenant_id = :tenant_id AND webhook_id = :webhook_id
        RETURNING tenant_id, webhook_id
    )
    INSERT INTO deleted_webhook (tenant_id, webhook_id) SELECT tenant_id, webhook_id FROM gone
    """
)

_PING: Final = text(
    """
    INSERT INTO webhook_delivery (
        tenant_id, delivery_id, webhook_id, type, next_at, created_at, asked_at
    )
    VALUES (:tenant_id, :delivery_id, :webhook_id, :type, ops_now(), ops_now(), ops_now())
    RETURNING *
    """
)


class SqlWebhooks(SqlSent):
    """`WebhookStore` on PostgreSQL."""

    async def create(
        self, tenant_id: str, spec: HookSpec, secret: SecretStr, *, by: str, limit: int
    ) -> Webhook:
        key = {"tenant_id": tenant_id, "webhook_id": new_webhook_id()}
        new = {"secret": secret.get_secret_value(), "by": by, "most": limit}
        async with self._database.begin_for(tenant_id) as connection:
            found = await connection.execute(_CREATE, key | new | spec_parameters(spec))
            row = found.one_or_none()
        if row is None:
            raise TooManyWebhooks(limit)
        return webhook_of(row)

    async def get(self, tenant_id: str, webhook_id: str) -> Webhook:
        async with self._database.begin_for(tenant_id) as connection:
            return await _get(connection, tenant_id, webhook_id)

    async def page(self, tenant_id: str, *, limit: int, cursor: str | None) -> WebhookPage:
        asked: dict[str, object] = {"tenant_id": tenant_id, "limit": limit + 1}
        query = _PAGE
        if cursor is not None:
            query = _PAGE_AFTER
            asked["last_at"], asked["last_id"] = read_cursor(cursor)
        async with self._database.begin_for(tenant_id) as connection:
            total = (await connection.execute(_COUNT, asked)).scalar_one()
            rows = (await connection.execute(query, asked)).all()
        return WebhookPage(
            [webhook_of(row) for row in rows[:limit]],
            total,
            next_cursor(rows, limit, lambda last: (last.created_at, last.webhook_id)),
        )

    async def change(self, tenant_id: str, webhook_id: str, spec: HookSpec) -> Webhook:
        asked = {"tenant_id": tenant_id, "webhook_id": webhook_id} | spec_parameters(spec)
        async with self._database.begin_for(tenant_id) as connection:
            row = (await connection.execute(_CHANGE, asked)).one_or_none()
        if row is None:
            raise WebhookNotFound(webhook_id)
        return webhook_of(row)

    async def delete(self, tenant_id: str, webhook_id: str) -> None:
        key = {"tenant_id": tenant_id, "webhook_id": webhook_id}
        async with self._database.begin_for(tenant_id) as connection:
            await _get(connection, tenant_id, webhook_id)
            await connection.execute(_DELETE, key)

    async def rotate(
        self, tenant_id: str, webhook_id: str, secret: SecretStr, *, overlap_s: float
    ) -> Webhook:
        key = {"tenant_id": tenant_id, "webhook_id": webhook_id}
        asked = {"secret": secret.get_secret_value(), "overlap_s": overlap_s}
        async with self._database.begin_for(tenant_id) as connection:
            row = (await connection.execute(_ROTATE, key | asked)).one_or_none()
        if row is None:
            raise WebhookNotFound(webhook_id)
        return webhook_of(row)

    async def ping(self, tenant_id: str, webhook_id: str) -> Delivery:
        asked = {"tenant_id": tenant_id, "webhook_id": webhook_id}
        asked |= {"delivery_id": new_delivery_id(), "type": TEST}
        async with self._database.begin_for(tenant_id) as connection:
            await _get(connection, tenant_id, webhook_id)
            return delivery_of((await connection.execute(_PING, asked)).one())


async def _get(connection: AsyncConnection, tenant_id: str, webhook_id: str) -> Webhook:
    key = {"tenant_id": tenant_id, "webhook_id": webhook_id}
    row = (await connection.execute(_GET, key)).one_or_none()
    if row is None:
        raise WebhookNotFound(webhook_id)
    return webhook_of(row)
