"""What a request of this door has at hand."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

from ops_core.agent_tasks import AgentTasks
from ops_core.following import Follow
from ops_core.principal import Principal
from ops_core.services import Services
from ops_core.task import Task


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """The domain, as this door uses it."""

    services: Services
    agents: AgentTasks
    follow: Follow


class May(Protocol):
    """Who asks for that operation, and about what. Raises as `Gate.admit`."""

    async def __call__(self, operation: str, about: str = "") -> Principal: ...


Still = Callable[[], Awaitable[Principal]]
"""Who asks, once more, for what goes on. Raises as `Gate.identify`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One request: to which agent. `may` says who asks, once it is known what for."""

    desk: Desk
    agent: str
    may: May
    still: Still

    async def task(self, task_id: str, operation: str) -> tuple[Task, Principal]:
        """The task, and who asks for it. Raises `TaskNotFound`."""
        who = await self.may(operation, task_id)
        tasks = self.desk.services.tasks
        return await tasks.get(task_id, tenant_id=who.tenant_id), who
