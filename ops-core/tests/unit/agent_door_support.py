"""The doors that speak of agents, opened for a test over the in-memory store."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx2
from door_support import served, service_over
from mcp import Client

from ops_core.a2a.desk import Desk as A2aDesk
from ops_core.a2a.door import A2aDoor
from ops_core.agent_tasks import AgentInfo, AgentTasks
from ops_core.api import create_app
from ops_core.api.visitors import Visitors
from ops_core.errors import MissingScope, NotAuthenticated
from ops_core.following import watched
from ops_core.identity.gate import Attempt, Gate
from ops_core.mcp.desk import Desk
from ops_core.mcp.door import McpDoor
from ops_core.moves import Move, complete
from ops_core.ports import Lease
from ops_core.principal import EVERYBODY, Principal
from ops_core.service import TaskService
from ops_core.services import Services
from ops_core.task import JsonObject, NewTask, Task
from ops_core.testing import MemoryStore, MemoryWebhooks, services_of

DEFAULT = AgentInfo("default", "Does what it is told.")


async def one_agent(_tenant_id: str) -> Sequence[AgentInfo]:
    return [DEFAULT]


AGENTS = AgentTasks(task_type="agent_run", agents_of=one_agent, default=DEFAULT)


@dataclass(frozen=True)
class Open:
    """What a test has of opened doors."""

    store: MemoryStore
    services: Services
    http: httpx2.AsyncClient
    webhooks: MemoryWebhooks

    @property
    def tasks(self) -> TaskService:
        return self.services.tasks

    async def complete(self, output: str) -> str:
        """Does the one task that is pending, as a worker would; its id."""
        result: JsonObject = {"output": output, "structured": None, "artifacts": []}
        return await self.end(complete(result))

    async def end(self, move: Move) -> str:
        """Ends the one task that is pending, as a worker would; its id."""
        await self.store.beat("w", ["default"], slots=1, running=0)
        [task] = await self.store.claim("w", ["default"], 1)
        await self.store.settle(Lease(task.tenant_id, task.task_id, "w", task.epoch), move)
        return task.task_id


class KeyedGate:
    """Knows one key, which may do everything but what `denied` names; keeps what it was asked."""

    def __init__(self, *denied: str) -> None:
        self.denied = denied
        self.recorded: list[tuple[str, str]] = []

    async def admit(self, attempt: Attempt) -> Principal:
        if attempt.authorization != "Bearer right":
            raise NotAuthenticated
        if attempt.operation in self.denied:
            raise MissingScope("tasks:write")
        return EVERYBODY

    async def identify(self, attempt: Attempt) -> Principal:
        if attempt.authorization != "Bearer right":
            raise NotAuthenticated
        return EVERYBODY

    async def is_open(self, tenant_id: str) -> bool:
        return True

    async def record(self, attempt: Attempt, principal: Principal, object: str) -> None:  # noqa: A002
        self.recorded.append((attempt.operation, object))


class TellingStore(MemoryStore):
    """`submitted` is set once there is a task."""

    def __init__(self) -> None:
        super().__init__()
        self.submitted = asyncio.Event()

    async def submit(self, new: NewTask) -> tuple[Task, bool]:
        stored = await super().submit(new)
        self.submitted.set()
        return stored


@asynccontextmanager
async def opened(
    store: MemoryStore | None = None, gate: Gate | None = None, **visitors: Any
) -> AsyncIterator[Open]:
    """REST with the doors of agents, over a real socket."""
    store = store or MemoryStore()
    webhooks = MemoryWebhooks(store)
    services = services_of(service_over(store), store, gate=gate, webhooks=webhooks)
    follow = watched(services.streams)
    desk = Desk(services=services, agents=AGENTS, follow=follow)
    door = McpDoor(desk, visitors=Visitors(**visitors), max_body_bytes=100_000)
    app = create_app(services, max_body_bytes=100_000)
    a2a = A2aDoor(
        A2aDesk(services=services, agents=AGENTS, follow=follow), visitors=Visitors(**visitors)
    )
    app.router.routes.extend([door.route(), *a2a.routes()])
    async with door.running(), served(app) as http:
        yield Open(store, services, http, webhooks)


def mcp_client(open_: Open, **options: Any) -> Client:
    """The official client."""
    return Client(str(open_.http.base_url.join("/mcp")), **options)
