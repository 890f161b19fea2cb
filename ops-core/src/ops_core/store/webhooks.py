"""Webhooks on PostgreSQL, as the doors use them: every statement names the tenant."""

from typing import Final

from pydantic import SecretStr
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from ops_core.errors import DeliveryNotFound, TooManyWebhooks, WebhookNotFound
from ops_core.hook import TaskHook
from ops_core.store.cursor import cursor_of, read_cursor
from ops_core.store.database import Database
from ops_core.store.moves import statement
from ops_core.store.webhook_rows import (
    delivery_of,
    push_parameters,
    spec_parameters,
    webhook_of,
)
from ops_core.webhooks.model import (
    Delivery,
    DeliveryPage,
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

# The webhook of a task that was stored in the same transaction.
_CREATE_FOR_TASK: Final = text(
    """
    INSERT INTO webhook (
        tenant_id, webhook_id, task_id, url, events, decides, secret, config_id, token, scheme,
        credentials, created_by, created_at, updated_at
    )
    VALUES (:tenant_id, :webhook_id, :task_id, :url, :events, :decides, :secret, :config_id, :token,
            :scheme, :credentials, 'task', ops_now(), ops_now())
    """
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


class SqlWebhooks:
    """`WebhookStore` on PostgreSQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

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
        found = [webhook_of(row) for row in rows[:limit]]
        more = len(rows) > limit
        following = cursor_of(found[-1].created_at, found[-1].webhook_id) if more else None
        return WebhookPage(found, total, following)

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
        found = [delivery_of(row) for row in rows[:limit]]
        more = len(rows) > limit
        following = cursor_of(found[-1].created_at, found[-1].delivery_id) if more else None
        return DeliveryPage(found, following)

    async def delivery(self, tenant_id: str, delivery_id: str) -> Delivery:
        return await self._one(_DELIVERY, tenant_id, delivery_id)

    async def redeliver(self, tenant_id: str, delivery_id: str) -> Delivery:
        return await self._one(_REDELIVER, tenant_id, delivery_id)

    async def _one(self, query: object, tenant_id: str, delivery_id: str) -> Delivery:
        key = {"tenant_id": tenant_id, "delivery_id": delivery_id}
        async with self._database.begin_for(tenant_id) as connection:
            row = (await connection.execute(query, key)).one_or_none()  # type: ignore[call-overload]
        if row is None:
            raise DeliveryNotFound(delivery_id)
        return delivery_of(row)


async def hook_task(
    connection: AsyncConnection, tenant_id: str, task_id: str, hook: TaskHook
) -> None:
    """Gives a task that was just stored its webhook. The events after its first ones are sent."""
    secret = None if hook.secret is None else hook.secret.get_secret_value()
    asked: dict[str, object] = {"tenant_id": tenant_id, "task_id": task_id}
    asked |= {"webhook_id": new_webhook_id()}
    asked |= {"url": hook.url, "secret": secret} | push_parameters(hook.push)
    asked |= {"events": list(hook.events), "decides": hook.decides}
    await connection.execute(_CREATE_FOR_TASK, asked)


async def _get(connection: AsyncConnection, tenant_id: str, webhook_id: str) -> Webhook:
    key = {"tenant_id": tenant_id, "webhook_id": webhook_id}
    row = (await connection.execute(_GET, key)).one_or_none()
    if row is None:
        raise WebhookNotFound(webhook_id)
    return webhook_of(row)
