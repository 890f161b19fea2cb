"""`MemoryService` of memories.proto: each method one call of the service."""

from typing import Any, TypeVar

import grpc.aio
from google.protobuf.message import Message
from pydantic import BaseModel, ValidationError

from ops_core.errors import FieldError, InvalidRequest
from ops_core.memories import Memory, MemoryService
from ops_core.memories.request import parse_memory
from ops_core.query import ForgetQuery, MemoryQuery
from ops_core.request import invalid
from ops_core.rpc.calls import principal
from ops_core.rpc.convert import from_struct, struct
from ops_core.rpc.v1 import memories_pb2, memories_pb2_grpc

Context = grpc.aio.ServicerContext[Any, Any]
Query = TypeVar("Query", bound=BaseModel)


class Memories(memories_pb2_grpc.MemoryServiceServicer):
    """Raises our errors as they are: `Calls` turns them into statuses."""

    def __init__(self, service: MemoryService) -> None:
        self._service = service

    async def CreateMemory(  # noqa: N802  # the names are the contract's
        self, request: memories_pb2.CreateMemoryRequest, context: Context
    ) -> memories_pb2.CreateMemoryResponse:
        who = principal(context)
        sent = parse_memory({"text": request.text, **_fields(request)})
        saved = await self._service.create(sent, tenant_id=who.tenant_id, by=who.subject)
        return memories_pb2.CreateMemoryResponse(
            memory=memory_message(saved.memory), created=saved.created
        )

    async def GetMemory(  # noqa: N802
        self, request: memories_pb2.GetMemoryRequest, context: Context
    ) -> memories_pb2.GetMemoryResponse:
        found = await self._service.get(
            _required(request.memory_id), tenant_id=principal(context).tenant_id
        )
        return memories_pb2.GetMemoryResponse(memory=memory_message(found))

    async def ListMemories(  # noqa: N802
        self, request: memories_pb2.ListMemoriesRequest, context: Context
    ) -> memories_pb2.ListMemoriesResponse:
        query = _query(MemoryQuery, request)
        page = await self._service.list(
            query.where(),
            tenant_id=principal(context).tenant_id,
            query=query.query,
            limit=query.limit,
            cursor=query.cursor,
        )
        return memories_pb2.ListMemoriesResponse(
            memories=[memory_message(memory) for memory in page.memories],
            next_cursor=page.next_cursor,
        )

    async def DeleteMemory(  # noqa: N802
        self, request: memories_pb2.DeleteMemoryRequest, context: Context
    ) -> memories_pb2.DeleteMemoryResponse:
        await self._service.forget(
            _required(request.memory_id), tenant_id=principal(context).tenant_id
        )
        return memories_pb2.DeleteMemoryResponse()

    async def DeleteMemories(  # noqa: N802
        self, request: memories_pb2.DeleteMemoriesRequest, context: Context
    ) -> memories_pb2.DeleteMemoriesResponse:
        where = _query(ForgetQuery, request).where()
        forgotten = await self._service.forget_all(where, tenant_id=principal(context).tenant_id)
        return memories_pb2.DeleteMemoriesResponse(forgotten=forgotten)


def memory_message(memory: Memory) -> memories_pb2.Memory:
    return memories_pb2.Memory(
        memory_id=memory.memory_id,
        agent=memory.agent,
        user=memory.user or None,
        text=memory.text,
        source=memory.source,
        metadata=struct(dict(memory.metadata)),
        saved_at=memory.saved_at,
        score=memory.score,
    )


def _query(model: type[Query], message: Message) -> Query:
    """Raises `InvalidRequest` naming each wrong field."""
    try:
        return model.model_validate(_fields(message))
    except ValidationError as error:
        raise invalid(error) from None


def _fields(message: Message) -> dict[str, Any]:
    """What is set, as the JSON of REST has it."""
    said = {field.name: value for field, value in message.ListFields()}
    if "metadata" in said and not isinstance(said["metadata"], str):
        said["metadata"] = from_struct(said["metadata"])
    return said


def _required(memory_id: str) -> str:
    if not memory_id:
        raise InvalidRequest([FieldError("memory_id", "is required")])
    return memory_id
