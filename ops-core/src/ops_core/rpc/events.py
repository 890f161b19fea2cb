"""The log of a task over gRPC: page by page, or live."""

from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Final

import grpc.aio

from ops_core.errors import InvalidRequest
from ops_core.log import Event
from ops_core.rpc.admission import identify
from ops_core.rpc.calls import principal
from ops_core.rpc.convert import struct
from ops_core.rpc.requests import task_id_of
from ops_core.rpc.v1 import tasks_pb2
from ops_core.service import TaskService
from ops_core.streams.service import EventStreams
from ops_core.streams.signals import Delta
from ops_core.streams.told import Told

Context = grpc.aio.ServicerContext[Any, Any]

#: The call itself tells when the client goes; this is only how often an idle watch looks up. Seconds.
_LOOK_S: Final = 3600.0


class EventCalls:
    """The methods of `TaskService` that are about events."""

    def __init__(self, service: TaskService, streams: EventStreams) -> None:
        self._service = service
        self._streams = streams

    async def ListEvents(  # noqa: N802  # the names are the contract's
        self, request: tasks_pb2.ListEventsRequest, context: Context
    ) -> tasks_pb2.ListEventsResponse:
        limit = request.limit if request.HasField("limit") else 100
        with _in_our_words():
            events = await self._service.events(
                task_id_of(request.task_id),
                tenant_id=principal(context).tenant_id,
                after=request.after_seq,
                limit=limit,
            )
        return tasks_pb2.ListEventsResponse(
            events=[event_message(event) for event in events],
            next_after_seq=events[-1].seq if events else request.after_seq,
        )

    async def WatchTask(  # noqa: N802
        self, request: tasks_pb2.WatchTaskRequest, context: Context
    ) -> AsyncIterator[tasks_pb2.Event]:
        with _in_our_words():
            watch = await self._streams.watch(
                task_id_of(request.task_id),
                tenant_id=principal(context).tenant_id,
                after=request.after_seq,
                deltas=request.deltas,
                still=lambda: identify(context),
            )
        with watch:
            # Else a client would not know before the first event that it is being served.
            await context.send_initial_metadata(())
            while not watch.over:
                for one in await watch.next(_LOOK_S):
                    if isinstance(one, Told):
                        yield one.written(event_message)
                    else:
                        yield delta_message(one)


@contextmanager
def _in_our_words() -> Iterator[None]:
    """What the service calls `after` is `after_seq` here."""
    try:
        yield
    except InvalidRequest as error:
        raise InvalidRequest(
            [
                replace(field, path="after_seq" if field.path == "after" else field.path)
                for field in error.errors
            ]
        ) from None


def event_message(event: Event) -> tasks_pb2.Event:
    return tasks_pb2.Event(
        seq=event.seq, type=event.type, v=event.v, at=event.at, data=struct(event.data)
    )


def delta_message(delta: Delta) -> tasks_pb2.Event:
    return tasks_pb2.Event(type=delta.type, v=1, data=struct(delta.data))
