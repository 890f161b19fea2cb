"""The REST door with the doors beside it that speak of agents, in one application."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from importlib.util import find_spec
from typing import Final
from urllib.parse import urlsplit

from fastapi import FastAPI

from ops_core.agent_tasks import AgentInfo, AgentTasks
from ops_core.api import create_app
from ops_core.api.visitors import LOOPBACK, Visitors
from ops_core.following import polled
from ops_core.mcp.desk import Desk
from ops_core.mcp.door import McpDoor
from ops_core.readiness import Probe
from ops_core.services import Services
from opspawn.agents.contract import AGENT_RUN, AGENT_RUN_TYPE
from opspawn.settings import Settings

_DESCRIPTION: Final = (
    "Works on a goal with the tools that it has, and answers; also when nobody waits for it."
)


def rest_app(settings: Settings, services: Services, probes: Mapping[str, Probe]) -> FastAPI:
    """The application of the REST process."""
    if not (settings.mcp_door and find_spec("mcp")):
        return create_app(services, probes=probes, max_body_bytes=settings.max_body_bytes)
    desk = Desk(services=services, agents=agent_tasks(), follow=polled(services.tasks))
    door = McpDoor(desk, visitors=visitors(settings), max_body_bytes=settings.max_body_bytes)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        async with door.running():
            yield

    app = create_app(
        services, probes=probes, max_body_bytes=settings.max_body_bytes, lifespan=lifespan
    )
    app.router.routes.append(door.route())
    return app


def visitors(settings: Settings) -> Visitors:
    """Whose requests are looked at by doors that a page in a browser could otherwise reach."""
    public = urlsplit(settings.public_url).hostname if settings.public_url else None
    names = frozenset({public} if public else ())
    return Visitors(names=names, local=settings.host in LOOPBACK)


def agent_tasks() -> AgentTasks:
    """The agents, and how a goal for one becomes a task."""
    return AgentTasks(task_type=AGENT_RUN, agents_of=_agents_of)


async def _agents_of(_tenant_id: str) -> Sequence[AgentInfo]:
    return [AgentInfo(name, _DESCRIPTION) for name in sorted(AGENT_RUN_TYPE.agents)]
