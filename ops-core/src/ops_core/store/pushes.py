"""Push notification configs on PostgreSQL: webhooks of one task that have a `config_id`."""

from collections.abc import Sequence
from typing import Final

from sqlalchemy import text

from ops_core.hook import TaskHook
from ops_core.store.database import Database
from ops_core.store.webhook_rows import push_of, push_parameters
from ops_core.webhooks.model import new_webhook_id

# Stores one, or takes the place of the one with its id, unless the task has enough others or is gone. Two at
# once may make it one too many. Indexes: webhook_push, and the primary key of task.
_PUT: Final = text(
    """
    INSERT INTO webhook (
        tenant_id, webhook_id, task_id, url, events, config_id, token, scheme, credentials,
        created_by, created_at, updated_at
    )
    SELECT tenant_id, :webhook_id, task_id, :url, :events, :config_id, :token, :scheme, :credentials,
           :by, ops_now(), ops_now()
    FROM task
    WHERE tenant_id = :tenant_id AND task_id = :task_id
      AND (SELECT count(*) FROM webhook w
           WHERE w.tenant_id = :tenant_id AND w.task_id = :task_id
             AND w.config_id IS NOT NULL AND w.config_id <> :config_id) < :most
    ON CONFLICT (tenant_id, task_id, config_id) WHERE config_id IS NOT NULL DO UPDATE SET
        url = excluded.url, events = excluded.events, token = excluded.token,
        scheme = excluded.scheme, credentials = excluded.credentials,
        enabled = true, disabled_reason = NULL, failing_since = NULL, updated_at = ops_now()
    RETURNING webhook_id
    """
)

# Index: webhook_push.
_OF_TASK: Final = text(
    """
    SELECT url, events, config_id, token, scheme, credentials FROM webhook
    WHERE tenant_id = :tenant_id AND task_id = :task_id AND config_id IS NOT NULL
    ORDER BY config_id
    """
)

# Deliveries before their webhook, in the order in which a record locks them.
# Indexes: webhook_push, webhook_delivery_for_webhook.
_FORGET: Final = text(
    """
    DELETE FROM webhook_delivery d USING webhook w
    WHERE w.tenant_id = :tenant_id AND w.task_id = :task_id AND w.config_id = :config_id
      AND d.tenant_id = w.tenant_id AND d.webhook_id = w.webhook_id
    """
)
_DELETE: Final = text(
    """
    DELETE FROM webhook
    WHERE tenant_id = :tenant_id AND task_id = :task_id AND config_id = :config_id
    """
)


class SqlPushes:
    """`PushStore` on PostgreSQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def put_push(
        self, tenant_id: str, task_id: str, hook: TaskHook, *, by: str, limit: int
    ) -> bool:
        asked: dict[str, object] = {"tenant_id": tenant_id, "task_id": task_id}
        asked |= {"webhook_id": new_webhook_id(), "by": by, "most": limit}
        asked |= {"url": hook.url, "events": list(hook.events)}
        asked |= push_parameters(hook.push)
        async with self._database.begin_for(tenant_id) as connection:
            return (await connection.execute(_PUT, asked)).one_or_none() is not None

    async def pushes(self, tenant_id: str, task_id: str) -> Sequence[TaskHook]:
        key = {"tenant_id": tenant_id, "task_id": task_id}
        async with self._database.begin_for(tenant_id) as connection:
            rows = (await connection.execute(_OF_TASK, key)).all()
        return [TaskHook(url=row.url, events=tuple(row.events), push=push_of(row)) for row in rows]

    async def delete_push(self, tenant_id: str, task_id: str, config_id: str) -> None:
        key = {"tenant_id": tenant_id, "task_id": task_id, "config_id": config_id}
        async with self._database.begin_for(tenant_id) as connection:
            await connection.execute(_FORGET, key)
            await connection.execute(_DELETE, key)
