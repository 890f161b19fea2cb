"""What a call of a tool has at hand."""

from collections.abc import Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass

from ops_core.agent_tasks import AgentTasks
from ops_core.following import SETTLING, Follow, is_settled
from ops_core.principal import Principal
from ops_core.services import Services
from ops_core.task import Task

#: Tells the client that something happened: the `seq` of an event, and its type.
Progress = Callable[[int, str], Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """The domain, as the tools use it."""

    services: Services
    agents: AgentTasks
    follow: Follow


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One call: for whom, and whom to tell how it goes."""

    desk: Desk
    who: Principal
    progress: Progress

    async def settled(self, task: Task, within_s: float) -> Task:
        """The task once it has ended or needs a person, or as it is after that time."""
        tasks = self.desk.services.tasks
        if is_settled(task):
            return task
        following = self.desk.follow(
            task.task_id, tenant_id=self.who.tenant_id, after=task.last_seq, within_s=within_s
        )
        async with aclosing(following):
            async for event in following:
                await self.progress(event.seq, event.type)
                if event.type in SETTLING:
                    task = await tasks.get(task.task_id, tenant_id=self.who.tenant_id)
                    if is_settled(task):
                        return task
        return await tasks.get(task.task_id, tenant_id=self.who.tenant_id)
