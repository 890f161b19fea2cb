"""`AgentService` of agents.proto: each method one call of the service."""

from typing import Any

import grpc.aio
from google.protobuf.message import Message
from pydantic import ValidationError

from ops_core.agents import AgentService, AgentVersion
from ops_core.agents.request import AgentRequest, VersionRequest
from ops_core.bodies import parsed
from ops_core.errors import FieldError, InvalidRequest
from ops_core.query import ArchiveQuery, PageQuery
from ops_core.request import invalid
from ops_core.rpc.calls import principal
from ops_core.rpc.convert import from_struct, struct
from ops_core.rpc.v1 import agents_pb2, agents_pb2_grpc

Context = grpc.aio.ServicerContext[Any, Any]


class Agents(agents_pb2_grpc.AgentServiceServicer):
    """Raises our errors as they are: `Calls` turns them into statuses."""

    def __init__(self, service: AgentService) -> None:
        self._service = service

    async def CreateAgent(  # noqa: N802  # the names are the contract's
        self, request: agents_pb2.CreateAgentRequest, context: Context
    ) -> agents_pb2.CreateAgentResponse:
        sent = parsed(AgentRequest, _definition(request) | {"name": request.name})
        who = principal(context)
        saved = await self._service.create(sent, tenant_id=who.tenant_id, by=who.subject)
        return agents_pb2.CreateAgentResponse(
            agent=agent_message(saved.agent), created=saved.created
        )

    async def PutAgent(  # noqa: N802
        self, request: agents_pb2.PutAgentRequest, context: Context
    ) -> agents_pb2.PutAgentResponse:
        sent = parsed(VersionRequest, _definition(request))
        who = principal(context)
        saved = await self._service.put(
            _name(request), sent, tenant_id=who.tenant_id, by=who.subject
        )
        return agents_pb2.PutAgentResponse(agent=agent_message(saved.agent), created=saved.created)

    async def GetAgent(  # noqa: N802
        self, request: agents_pb2.GetAgentRequest, context: Context
    ) -> agents_pb2.GetAgentResponse:
        version = request.version if request.HasField("version") else None
        found = await self._service.get(
            _name(request), version, tenant_id=principal(context).tenant_id
        )
        return agents_pb2.GetAgentResponse(agent=agent_message(found))

    async def ListAgents(  # noqa: N802
        self, request: agents_pb2.ListAgentsRequest, context: Context
    ) -> agents_pb2.ListAgentsResponse:
        query = archive_query(request)
        page = await self._service.list(
            tenant_id=principal(context).tenant_id,
            archived=query.archived,
            limit=query.limit,
            cursor=query.cursor,
        )
        return agents_pb2.ListAgentsResponse(
            agents=[agent_message(agent) for agent in page.agents], next_cursor=page.next_cursor
        )

    async def ListAgentVersions(  # noqa: N802
        self, request: agents_pb2.ListAgentVersionsRequest, context: Context
    ) -> agents_pb2.ListAgentVersionsResponse:
        query = _page_query(request)
        page = await self._service.versions(
            _name(request),
            tenant_id=principal(context).tenant_id,
            limit=query.limit,
            cursor=query.cursor,
        )
        return agents_pb2.ListAgentVersionsResponse(
            agents=[agent_message(agent) for agent in page.agents], next_cursor=page.next_cursor
        )

    async def ArchiveAgent(  # noqa: N802
        self, request: agents_pb2.ArchiveAgentRequest, context: Context
    ) -> agents_pb2.ArchiveAgentResponse:
        found = await self._service.archive(_name(request), tenant_id=principal(context).tenant_id)
        return agents_pb2.ArchiveAgentResponse(agent=agent_message(found))


def agent_message(agent: AgentVersion) -> agents_pb2.Agent:
    return agents_pb2.Agent(
        name=agent.name,
        version=agent.version,
        definition=struct(agent.definition),
        created_at=agent.created_at,
        created_by=agent.created_by,
        archived_at=agent.archived_at,
    )


def archive_query(message: Message) -> ArchiveQuery:
    """Raises `InvalidRequest` naming each wrong field."""
    try:
        return ArchiveQuery.model_validate({f.name: value for f, value in message.ListFields()})
    except ValidationError as error:
        raise invalid(error) from None


def _page_query(message: agents_pb2.ListAgentVersionsRequest) -> PageQuery:
    fields = {f.name: value for f, value in message.ListFields() if f.name != "name"}
    try:
        return PageQuery.model_validate(fields)
    except ValidationError as error:
        raise invalid(error) from None


def _definition(message: Any) -> dict[str, Any]:
    if not message.HasField("definition"):
        return {}
    return {"definition": from_struct(message.definition)}


def _name(message: Any) -> str:
    name: str = message.name
    if not name:
        raise InvalidRequest([FieldError("name", "is required")])
    return name
