"""The webhook that a task brings with it."""

from typing import Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from ops_core.hook import TaskHook
from ops_core.store.webhook_rows import push_parameters
from ops_core.webhooks.model import new_webhook_id

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
