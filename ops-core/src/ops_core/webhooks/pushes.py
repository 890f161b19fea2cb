"""Push notifications: webhooks of one task, for receivers of A2A. The fake is `MemoryWebhooks`."""

from collections.abc import Sequence
from typing import Final, Protocol

from ops_core.errors import FieldError, InvalidRequest, WebhookNotFound
from ops_core.hook import TaskHook
from ops_core.service import TaskService

#: Of one task: each of its events is sent to all of them.
MAX_PUSHES: Final = 10


class PushStore(Protocol):
    """Every hook here has a `push`. Raises `StoreUnavailable` when PostgreSQL is away."""

    async def put_push(
        self, tenant_id: str, task_id: str, hook: TaskHook, *, by: str, limit: int
    ) -> bool:
        """Takes the place of the one with its id, if there is one. False when there are `limit` others."""
        ...

    async def pushes(self, tenant_id: str, task_id: str) -> Sequence[TaskHook]:
        """By their ids."""
        ...

    async def delete_push(self, tenant_id: str, task_id: str, config_id: str) -> None:
        """With what was sent for it. One that is not there is no error."""
        ...


class PushService:
    """`tasks` says whether the task is there."""

    def __init__(self, store: PushStore, tasks: TaskService) -> None:
        self._store = store
        self._tasks = tasks

    async def put(self, task_id: str, hook: TaskHook, *, tenant_id: str, by: str) -> None:
        """Events from now on are sent. Raises `TaskNotFound`, `InvalidRequest`."""
        await self._tasks.get(task_id, tenant_id=tenant_id)
        if not await self._store.put_push(tenant_id, task_id, hook, by=by, limit=MAX_PUSHES):
            problem = f"has {MAX_PUSHES} push notification configs, which is the most: delete one"
            raise InvalidRequest([FieldError("taskId", problem)])

    async def list(self, task_id: str, *, tenant_id: str) -> Sequence[TaskHook]:
        """All of a task. Raises `TaskNotFound`."""
        await self._tasks.get(task_id, tenant_id=tenant_id)
        return await self._store.pushes(tenant_id, task_id)

    async def get(self, task_id: str, config_id: str, *, tenant_id: str) -> TaskHook:
        """Raises `TaskNotFound`, `WebhookNotFound`."""
        for hook in await self.list(task_id, tenant_id=tenant_id):
            if hook.push is not None and hook.push.config_id == config_id:
                return hook
        raise WebhookNotFound(config_id)

    async def delete(self, task_id: str, config_id: str, *, tenant_id: str) -> None:
        """Nothing more is sent there; deleted again it stays so. Raises `TaskNotFound`."""
        await self._tasks.get(task_id, tenant_id=tenant_id)
        await self._store.delete_push(tenant_id, task_id, config_id)
