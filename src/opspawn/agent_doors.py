"""The REST door with the doors beside it that speak of agents, in one application."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, nullcontext
from typing import Final
from urllib.parse import urlsplit

from fastapi import FastAPI

from ops_core.a2a.desk import Desk as A2aDesk
from ops_core.a2a.door import A2aDoor
from ops_core.a2a.security import OPEN, bearers
from ops_core.agent_tasks import AgentInfo, AgentTasks
from ops_core.agents import AgentService
from ops_core.agents.port import AgentVersion
from ops_core.api import create_app
from ops_core.api.visitors import Visitors
from ops_core.following import watched
from ops_core.mcp.desk import Desk as McpDesk
from ops_core.mcp.door import McpDoor
from ops_core.readiness import Probe
from ops_core.services import Services
from ops_core.task import JsonObject
from opspawn.agents.contract import AGENT_RUN
from opspawn.preconditions import is_loopback
from opspawn.settings import Settings

_DESCRIPTION: Final = (
    "Works on a goal with the tools that it has, and answers; also when nobody waits for it."
)

_DEFAULT: Final = AgentInfo("default", _DESCRIPTION)

#: Of the agents that were made last, so many are tools; others can be named in submit_task.
MAX_AGENTS: Final = 100


def rest_app(settings: Settings, services: Services, probes: Mapping[str, Probe]) -> FastAPI:
    """The application of the REST process."""
    mcp = _mcp(settings, services) if settings.mcp_door else None

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        async with mcp.running() if mcp else nullcontext():
            yield

    app = create_app(
        services,
        probes=probes,
        # A key is something that a page in a browser does not have; without keys it needs none.
        visitors=visitors(settings) if settings.auth == "none" else None,
        max_body_bytes=settings.max_body_bytes,
        lifespan=lifespan,
    )
    if mcp is not None:
        app.router.routes.append(mcp.route())
    if settings.a2a_door:
        app.router.routes.extend(_a2a(settings, services).routes())
    return app


def _mcp(settings: Settings, services: Services) -> McpDoor:
    desk = McpDesk(
        services=services, agents=agent_tasks(services.agents), follow=watched(services.streams)
    )
    return McpDoor(desk, visitors=visitors(settings), max_body_bytes=settings.max_body_bytes)


def _a2a(settings: Settings, services: Services) -> A2aDoor:
    desk = A2aDesk(
        services=services, agents=agent_tasks(services.agents), follow=watched(services.streams)
    )
    return A2aDoor(
        desk,
        visitors=visitors(settings),
        public_url=settings.public_url,
        security=_security(settings),
    )


def _security(settings: Settings) -> JsonObject:
    """How to come in, for cards."""
    if settings.auth == "none":
        return OPEN
    return bearers(issuer=settings.jwt_issuer, audience=settings.jwt_audience)


def visitors(settings: Settings) -> Visitors:
    """Whose requests are looked at by doors that a page in a browser could otherwise reach."""
    public = urlsplit(settings.public_url).hostname if settings.public_url else None
    local = is_loopback(settings.host)
    names = frozenset(name for name in (public, settings.host if local else None) if name)
    return Visitors(names=names, local=local)


def agent_tasks(agents: AgentService) -> AgentTasks:
    """The agents, and how a goal for one becomes a task."""

    async def agents_of(tenant_id: str) -> Sequence[AgentInfo]:
        page = await agents.list(tenant_id=tenant_id, limit=MAX_AGENTS)
        return [_DEFAULT, *(_shown(agent) for agent in page.agents)]

    return AgentTasks(task_type=AGENT_RUN, agents_of=agents_of, default=_DEFAULT)


def _shown(agent: AgentVersion) -> AgentInfo:
    return AgentInfo(agent.name, agent.definition.get("description") or _DESCRIPTION)
