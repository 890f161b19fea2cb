"""`ScheduleService` of schedules.proto: each method one call of the service."""

from typing import Any

import grpc.aio

from ops_core.errors import FieldError, InvalidRequest
from ops_core.identity.needs import check_webhook
from ops_core.rpc.calls import principal
from ops_core.rpc.convert import task_message
from ops_core.rpc.schedule_messages import (
    firing_message,
    page_query,
    schedule_change,
    schedule_message,
    schedule_request,
)
from ops_core.rpc.v1 import schedules_pb2, schedules_pb2_grpc
from ops_core.schedules.request import parse_pause
from ops_core.schedules.service import ScheduleService

Context = grpc.aio.ServicerContext[Any, Any]


class Schedules(schedules_pb2_grpc.ScheduleServiceServicer):
    """Raises our errors as they are: `Calls` turns them into statuses."""

    def __init__(self, service: ScheduleService) -> None:
        self._service = service

    async def CreateSchedule(  # noqa: N802  # the names are the contract's
        self, request: schedules_pb2.CreateScheduleRequest, context: Context
    ) -> schedules_pb2.CreateScheduleResponse:
        who = principal(context)
        sent = schedule_request(request)
        check_webhook(who, sent.task.get("webhook"))
        made = await self._service.create(sent, tenant_id=who.tenant_id, by=who.subject)
        return schedules_pb2.CreateScheduleResponse(schedule=schedule_message(made))

    async def GetSchedule(  # noqa: N802
        self, request: schedules_pb2.GetScheduleRequest, context: Context
    ) -> schedules_pb2.GetScheduleResponse:
        tenant_id = principal(context).tenant_id
        found = await self._service.get(_id(request), tenant_id=tenant_id)
        return schedules_pb2.GetScheduleResponse(schedule=schedule_message(found))

    async def ListSchedules(  # noqa: N802
        self, request: schedules_pb2.ListSchedulesRequest, context: Context
    ) -> schedules_pb2.ListSchedulesResponse:
        query = page_query(request)
        page = await self._service.list(
            tenant_id=principal(context).tenant_id, limit=query.limit, cursor=query.cursor
        )
        return schedules_pb2.ListSchedulesResponse(
            schedules=[schedule_message(schedule) for schedule in page.schedules],
            total=page.total,
            next_cursor=page.next_cursor,
        )

    async def ChangeSchedule(  # noqa: N802
        self, request: schedules_pb2.ChangeScheduleRequest, context: Context
    ) -> schedules_pb2.ChangeScheduleResponse:
        who = principal(context)
        sent = schedule_change(request)
        check_webhook(who, (sent.task or {}).get("webhook"))
        changed = await self._service.change(_id(request), sent, tenant_id=who.tenant_id)
        return schedules_pb2.ChangeScheduleResponse(schedule=schedule_message(changed))

    async def DeleteSchedule(  # noqa: N802
        self, request: schedules_pb2.DeleteScheduleRequest, context: Context
    ) -> schedules_pb2.DeleteScheduleResponse:
        await self._service.delete(_id(request), tenant_id=principal(context).tenant_id)
        return schedules_pb2.DeleteScheduleResponse()

    async def PauseSchedule(  # noqa: N802
        self, request: schedules_pb2.PauseScheduleRequest, context: Context
    ) -> schedules_pb2.PauseScheduleResponse:
        sent = {"reason": request.reason} if request.HasField("reason") else {}
        paused = await self._service.pause(
            _id(request),
            tenant_id=principal(context).tenant_id,
            reason=parse_pause(sent).reason,
        )
        return schedules_pb2.PauseScheduleResponse(schedule=schedule_message(paused))

    async def ResumeSchedule(  # noqa: N802
        self, request: schedules_pb2.ResumeScheduleRequest, context: Context
    ) -> schedules_pb2.ResumeScheduleResponse:
        tenant_id = principal(context).tenant_id
        resumed = await self._service.resume(_id(request), tenant_id=tenant_id)
        return schedules_pb2.ResumeScheduleResponse(schedule=schedule_message(resumed))

    async def TriggerSchedule(  # noqa: N802
        self, request: schedules_pb2.TriggerScheduleRequest, context: Context
    ) -> schedules_pb2.TriggerScheduleResponse:
        key = request.idempotency_key if request.HasField("idempotency_key") else None
        triggered = await self._service.trigger(
            _id(request), tenant_id=principal(context).tenant_id, idempotency_key=key
        )
        return schedules_pb2.TriggerScheduleResponse(
            task=task_message(triggered.task), replayed=not triggered.created
        )

    async def ListUpcoming(  # noqa: N802
        self, request: schedules_pb2.ListUpcomingRequest, context: Context
    ) -> schedules_pb2.ListUpcomingResponse:
        count = request.count if request.HasField("count") else 10
        times = await self._service.upcoming(
            _id(request), tenant_id=principal(context).tenant_id, count=count
        )
        return schedules_pb2.ListUpcomingResponse(times=times)

    async def ListFirings(  # noqa: N802
        self, request: schedules_pb2.ListFiringsRequest, context: Context
    ) -> schedules_pb2.ListFiringsResponse:
        query = page_query(request)
        page = await self._service.firings(
            _id(request),
            tenant_id=principal(context).tenant_id,
            limit=query.limit,
            cursor=query.cursor,
        )
        return schedules_pb2.ListFiringsResponse(
            firings=[firing_message(firing) for firing in page.firings],
            next_cursor=page.next_cursor,
        )


def _id(request: Any) -> str:
    if not request.schedule_id:
        raise InvalidRequest([FieldError("schedule_id", "is required")])
    schedule_id: str = request.schedule_id
    return schedule_id
