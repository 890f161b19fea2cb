"""`/api/v1/agents`: named agents and their versions."""

from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Query, Request, Response

from ops_core.agents import AgentService, Saved
from ops_core.agents.request import AgentRequest, VersionRequest
from ops_core.api.agent_views import AgentPageView, AgentView
from ops_core.api.dependencies import (
    TenantId,
    Who,
    in_query,
    json_bytes,
    no_query,
    once,
    services_of,
)
from ops_core.api.openapi import json_body, problems
from ops_core.bodies import parsed_json
from ops_core.query import ArchiveQuery, PageQuery

PREFIX: Final = "/api/v1/agents"

router = APIRouter(prefix=PREFIX, tags=["agents"])

_DEFINITION: Final[dict[str, Any]] = {
    "instructions": "You answer in one sentence.",
    "tools": ["calculator"],
}
_SAME: Final[dict[int | str, dict[str, Any]]] = {
    200: {"model": AgentView, "description": "The newest version says the same; this is that one."}
}


async def _agents(request: Request) -> AgentService:
    return services_of(request).agents


async def _new_agent(request: Request) -> AgentRequest:
    return parsed_json(AgentRequest, await json_bytes(request, "agent"))


async def _new_version(request: Request) -> VersionRequest:
    return parsed_json(VersionRequest, await json_bytes(request, "definition"))


Agents = Annotated[AgentService, Depends(_agents)]


@router.post(
    "/",
    status_code=201,
    dependencies=[Depends(no_query)],
    openapi_extra=json_body(AgentRequest, {"name": "researcher", "definition": _DEFINITION}),
    responses={**_SAME, **problems(408, 409, 413, 415, 422, 503)},
)
async def create_agent(
    request: Request,
    response: Response,
    agents: Agents,
    who: Who,
    sent: Annotated[AgentRequest, Depends(_new_agent)],
) -> AgentView:
    """Stores a new agent with its first version."""
    saved = await agents.create(sent, tenant_id=who.tenant_id, by=who.subject)
    return _saved(saved, request, response)


@router.get("/", dependencies=[Depends(once)], responses=problems(422, 503))
async def list_agents(
    agents: Agents, tenant_id: TenantId, query: Annotated[ArchiveQuery, Query()]
) -> AgentPageView:
    """One page of agents, each in its newest version, those that were made last first."""
    with in_query():
        page = await agents.list(
            tenant_id=tenant_id, archived=query.archived, limit=query.limit, cursor=query.cursor
        )
    return AgentPageView.of(page)


@router.get("/{name}", dependencies=[Depends(no_query)], responses=problems(404, 422, 503))
async def get_agent(name: str, agents: Agents, tenant_id: TenantId) -> AgentView:
    """The newest version of an agent."""
    return AgentView.of(await agents.get(name, tenant_id=tenant_id))


@router.put(
    "/{name}",
    status_code=201,
    dependencies=[Depends(no_query)],
    openapi_extra=json_body(VersionRequest, {"definition": _DEFINITION}),
    responses={**_SAME, **problems(408, 413, 415, 422, 503)},
)
async def put_agent(
    name: str,
    request: Request,
    response: Response,
    agents: Agents,
    who: Who,
    sent: Annotated[VersionRequest, Depends(_new_version)],
) -> AgentView:
    """Stores the next version of an agent, or its first one; tasks under way keep theirs."""
    saved = await agents.put(name, sent, tenant_id=who.tenant_id, by=who.subject)
    return _saved(saved, request, response)


@router.delete("/{name}", dependencies=[Depends(no_query)], responses=problems(404, 422, 503))
async def archive_agent(name: str, agents: Agents, tenant_id: TenantId) -> AgentView:
    """Takes an agent out of use for new tasks; its versions stay, and the next one puts it back."""
    return AgentView.of(await agents.archive(name, tenant_id=tenant_id))


@router.get("/{name}/versions", dependencies=[Depends(once)], responses=problems(404, 422, 503))
async def list_agent_versions(
    name: str, agents: Agents, tenant_id: TenantId, query: Annotated[PageQuery, Query()]
) -> AgentPageView:
    """One page of the versions of an agent, newest first."""
    with in_query():
        page = await agents.versions(
            name, tenant_id=tenant_id, limit=query.limit, cursor=query.cursor
        )
    return AgentPageView.of(page)


@router.get(
    "/{name}/versions/{version}",
    dependencies=[Depends(no_query)],
    responses=problems(404, 422, 503),
)
async def get_agent_version(
    name: str, version: str, agents: Agents, tenant_id: TenantId
) -> AgentView:
    """One version of an agent."""
    # What is no number that a version can have is that of none.
    is_number = version.isascii() and version.isdecimal() and len(version) < 10
    found = await agents.get(name, int(version) if is_number else 0, tenant_id=tenant_id)
    return AgentView.of(found)


def _saved(saved: Saved, request: Request, response: Response) -> AgentView:
    agent = saved.agent
    root = request.scope.get("root_path", "")
    response.headers["Location"] = f"{root}{PREFIX}/{agent.name}/versions/{agent.version}"
    if not saved.created:
        response.status_code = 200
    return AgentView.of(agent)
