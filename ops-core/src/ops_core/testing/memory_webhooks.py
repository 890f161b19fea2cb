"""Webhooks in memory, beside the in-memory store of tasks: the fake of both ports, for tests."""

from dataclasses import replace
from datetime import timedelta

from pydantic import SecretStr

from ops_core.errors import TooManyWebhooks, WebhookNotFound
from ops_core.hook import matches
from ops_core.log import Event
from ops_core.ports import TaskKey
from ops_core.task import Task
from ops_core.testing.memory_deliveries import MemoryDeliveries
from ops_core.testing.memory_hooks import Hook
from ops_core.testing.memory_state import MemoryState
from ops_core.testing.pages import page_of
from ops_core.webhooks.model import Delivery, HookSpec, Webhook, WebhookPage
from ops_core.webhooks.payload import TEST


class MemoryWebhooks(MemoryDeliveries):
    """`WebhookStore`, `PushStore` and `DeliveryStore` over dictionaries, hearing of the events of `tasks`."""

    def __init__(self, tasks: MemoryState) -> None:
        super().__init__(tasks)
        tasks.heard_by.append(self._hear)

    async def create(
        self, tenant_id: str, spec: HookSpec, secret: SecretStr, *, by: str, limit: int
    ) -> Webhook:
        if len(self._subscriptions(tenant_id)) >= limit:
            raise TooManyWebhooks(limit)
        return self._new(tenant_id, spec, secret, by=by).webhook

    async def get(self, tenant_id: str, webhook_id: str) -> Webhook:
        return self._hook(tenant_id, webhook_id).webhook

    async def page(self, tenant_id: str, *, limit: int, cursor: str | None) -> WebhookPage:
        found = self._subscriptions(tenant_id)
        page, following = page_of(found, lambda w: (w.created_at, w.webhook_id), limit, cursor)
        return WebhookPage(page, len(found), following)

    async def change(self, tenant_id: str, webhook_id: str, spec: HookSpec) -> Webhook:
        hook = self._hook(tenant_id, webhook_id)
        again = spec.enabled and not hook.webhook.spec.enabled
        hook.webhook = replace(
            hook.webhook,
            spec=spec,
            disabled_reason=None if spec.enabled else hook.webhook.disabled_reason,
            failing_since=None if again else hook.webhook.failing_since,
            updated_at=self._clock(),
        )
        return hook.webhook

    async def delete(self, tenant_id: str, webhook_id: str) -> None:
        self._hook(tenant_id, webhook_id)
        self._forget(tenant_id, webhook_id)

    async def rotate(
        self, tenant_id: str, webhook_id: str, secret: SecretStr, *, overlap_s: float
    ) -> Webhook:
        hook = self._hook(tenant_id, webhook_id)
        now = self._clock()
        if hook.secret is not None and overlap_s > 0:
            hook.previous = (hook.secret, now + timedelta(seconds=overlap_s))
        else:
            hook.previous = None
        hook.secret = secret
        hook.webhook = replace(hook.webhook, updated_at=now)
        return hook.webhook

    async def ping(self, tenant_id: str, webhook_id: str) -> Delivery:
        hook = self._hook(tenant_id, webhook_id)
        return self._make(hook.webhook, TEST, None, None)

    def _hear(self, task: Task, event: Event) -> None:
        self._adopt(TaskKey(task.tenant_id, task.task_id))
        for (tenant_id, _), hook in list(self._hooks.items()):
            spec = hook.webhook.spec
            ours = tenant_id == task.tenant_id and hook.task_id in (None, task.task_id)
            if ours and spec.enabled and matches(spec.events, event.type) and _asks_for(spec, task):
                self._make(hook.webhook, event.type, task.task_id, event.seq)

    def _subscriptions(self, tenant_id: str) -> list[Webhook]:
        return [
            hook.webhook
            for (tenant, _), hook in self._hooks.items()
            if tenant == tenant_id and hook.task_id is None
        ]

    def _hook(self, tenant_id: str, webhook_id: str) -> Hook:
        found = self._hooks.get((tenant_id, webhook_id))
        if found is None or found.task_id is not None:
            raise WebhookNotFound(webhook_id)
        return found


def _asks_for(spec: HookSpec, task: Task) -> bool:
    return (
        spec.task_type in (None, task.task_type)
        and spec.agent in (None, task.agent)
        and spec.labels.items() <= task.labels.items()
    )
