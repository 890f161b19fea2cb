"""Webhooks in memory, and among them those of single tasks: the fake of `PushStore`."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from pydantic import SecretStr

from ops_core.hook import TaskHook
from ops_core.ports import TaskKey
from ops_core.push import Push
from ops_core.testing.memory_state import MemoryState
from ops_core.webhooks.model import HookSpec, Webhook, new_webhook_id


@dataclass
class Hook:
    """A webhook with what no door shows."""

    webhook: Webhook
    task_id: str | None
    secret: SecretStr | None
    previous: tuple[SecretStr, datetime] | None = None
    push: Push | None = None


class MemoryHooks:
    """Every webhook, by tenant and id."""

    def __init__(self, tasks: MemoryState) -> None:
        self._tasks = tasks
        self._clock = tasks.now
        self._hooks: dict[tuple[str, str], Hook] = {}

    async def put_push(
        self, tenant_id: str, task_id: str, hook: TaskHook, *, by: str, limit: int
    ) -> bool:
        assert hook.push is not None
        known = self._pushes(tenant_id, task_id)
        others = [config_id for config_id in known if config_id != hook.push.config_id]
        if len(others) >= limit:
            return False
        seen = known.get(hook.push.config_id)
        if seen is None:
            self._hook_task(TaskKey(tenant_id, task_id), hook, by=by)
        else:
            spec = HookSpec(url=hook.url, events=hook.events)
            seen.push, seen.webhook = hook.push, replace(seen.webhook, spec=spec)
        return True

    async def pushes(self, tenant_id: str, task_id: str) -> Sequence[TaskHook]:
        known = self._pushes(tenant_id, task_id)
        return [
            TaskHook(url=h.webhook.spec.url, events=h.webhook.spec.events, push=h.push)
            for _, h in sorted(known.items())
        ]

    async def delete_push(self, tenant_id: str, task_id: str, config_id: str) -> None:
        hook = self._pushes(tenant_id, task_id).get(config_id)
        if hook is not None:
            self._forget(tenant_id, hook.webhook.webhook_id)

    def _forget(self, tenant_id: str, webhook_id: str) -> None:
        del self._hooks[tenant_id, webhook_id]

    def _pushes(self, tenant_id: str, task_id: str) -> dict[str, Hook]:
        self._adopt(TaskKey(tenant_id, task_id))
        return {
            hook.push.config_id: hook
            for (tenant, _), hook in self._hooks.items()
            if tenant == tenant_id and hook.task_id == task_id and hook.push is not None
        }

    def _adopt(self, key: TaskKey) -> None:
        """The webhook that a task was stored with is one from then on."""
        own = self._tasks.hooks.pop(key, None)
        if own is not None:
            self._hook_task(key, own, by="task")

    def _hook_task(self, key: TaskKey, hook: TaskHook, *, by: str) -> None:
        spec = HookSpec(url=hook.url, events=hook.events, decides=hook.decides)
        made = self._new(key.tenant_id, spec, hook.secret, by=by, task_id=key.task_id)
        made.push = hook.push

    def _new(
        self,
        tenant_id: str,
        spec: HookSpec,
        secret: SecretStr | None,
        *,
        by: str,
        task_id: str | None = None,
    ) -> Hook:
        now = self._clock()
        webhook = Webhook(
            webhook_id=new_webhook_id(),
            tenant_id=tenant_id,
            spec=spec,
            disabled_reason=None,
            failing_since=None,
            created_by=by,
            created_at=now,
            updated_at=now,
        )
        hook = self._hooks[tenant_id, webhook.webhook_id] = Hook(webhook, task_id, secret)
        return hook
