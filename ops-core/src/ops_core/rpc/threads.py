"""`ThreadService` of threads.proto: each method one call of the service."""

from typing import Any

import grpc.aio
from pydantic import ValidationError

from ops_core.bodies import parsed
from ops_core.errors import FieldError, InvalidRequest
from ops_core.query import AfterQuery
from ops_core.request import invalid
from ops_core.rpc.agents import archive_query
from ops_core.rpc.convert import json_value
from ops_core.rpc.tasks import tenant_id
from ops_core.rpc.v1 import threads_pb2, threads_pb2_grpc
from ops_core.threads import Said, Thread, ThreadService
from ops_core.threads.request import ThreadForkRequest, ThreadRequest

Context = grpc.aio.ServicerContext[Any, Any]


class Threads(threads_pb2_grpc.ThreadServiceServicer):
    """Raises our errors as they are: `Calls` turns them into statuses."""

    def __init__(self, service: ThreadService) -> None:
        self._service = service

    async def CreateThread(  # noqa: N802  # the names are the contract's
        self, request: threads_pb2.CreateThreadRequest, context: Context
    ) -> threads_pb2.CreateThreadResponse:
        sent = parsed(ThreadRequest, _fields(request))
        thread = await self._service.create(sent, tenant_id=tenant_id(context))
        return threads_pb2.CreateThreadResponse(thread=thread_message(thread))

    async def GetThread(  # noqa: N802
        self, request: threads_pb2.GetThreadRequest, context: Context
    ) -> threads_pb2.GetThreadResponse:
        thread = await self._service.get(_id(request), tenant_id=tenant_id(context))
        return threads_pb2.GetThreadResponse(thread=thread_message(thread))

    async def ListThreads(  # noqa: N802
        self, request: threads_pb2.ListThreadsRequest, context: Context
    ) -> threads_pb2.ListThreadsResponse:
        query = archive_query(request)
        page = await self._service.list(
            tenant_id=tenant_id(context),
            archived=query.archived,
            limit=query.limit,
            cursor=query.cursor,
        )
        return threads_pb2.ListThreadsResponse(
            threads=[thread_message(thread) for thread in page.threads],
            next_cursor=page.next_cursor,
        )

    async def ArchiveThread(  # noqa: N802
        self, request: threads_pb2.ArchiveThreadRequest, context: Context
    ) -> threads_pb2.ArchiveThreadResponse:
        thread = await self._service.archive(_id(request), tenant_id=tenant_id(context))
        return threads_pb2.ArchiveThreadResponse(thread=thread_message(thread))

    async def ListMessages(  # noqa: N802
        self, request: threads_pb2.ListMessagesRequest, context: Context
    ) -> threads_pb2.ListMessagesResponse:
        query = _after_query(request)
        page = await self._service.messages(
            _id(request), tenant_id=tenant_id(context), after=query.after, limit=query.limit
        )
        return threads_pb2.ListMessagesResponse(
            messages=[message_of(said) for said in page.messages], next_after=page.next_after
        )

    async def ForkThread(  # noqa: N802
        self, request: threads_pb2.ForkThreadRequest, context: Context
    ) -> threads_pb2.ForkThreadResponse:
        source_id = _id(request)
        asked = {"after_seq": request.after_seq, **_fields(request)}
        del asked["thread_id"]
        if "new_thread_id" in asked:
            asked["thread_id"] = asked.pop("new_thread_id")
        sent = parsed(ThreadForkRequest, asked)
        thread = await self._service.fork(source_id, sent, tenant_id=tenant_id(context))
        return threads_pb2.ForkThreadResponse(thread=thread_message(thread))


def thread_message(thread: Thread) -> threads_pb2.Thread:
    source = thread.forked_from or {}
    return threads_pb2.Thread(
        thread_id=thread.thread_id,
        name=thread.name,
        on_busy=thread.on_busy,
        last_seq=thread.last_seq,
        forked_from_thread_id=source.get("thread_id"),
        forked_from_seq=source.get("seq"),
        created_at=thread.created_at,
        updated_at=thread.updated_at,
        archived_at=thread.archived_at,
    )


def message_of(said: Said) -> threads_pb2.Message:
    """What was not said is absent."""
    found = said.message
    message = threads_pb2.Message(
        seq=found.seq,
        task_id=found.task_id,
        status=found.status.name,
        created_at=found.created_at,
        completed_at=found.completed_at,
    )
    for name, words in (("asked", said.asked), ("answered", said.answered)):
        if words is not None:
            getattr(message, name).CopyFrom(json_value(words))
    return message


def _fields(message: Any) -> dict[str, Any]:
    return {field.name: value for field, value in message.ListFields()}


def _after_query(message: threads_pb2.ListMessagesRequest) -> AfterQuery:
    fields = _fields(message)
    fields.pop("thread_id", None)
    try:
        return AfterQuery.model_validate(fields)
    except ValidationError as error:
        raise invalid(error) from None


def _id(message: Any) -> str:
    thread_id: str = message.thread_id
    if not thread_id:
        raise InvalidRequest([FieldError("thread_id", "is required")])
    return thread_id
