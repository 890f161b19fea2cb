"""Between the messages of schedules.proto and the values of `ops_core.schedules`."""

from typing import Any, Final

from google.protobuf.message import Message
from pydantic import ValidationError

from ops_core.query import PageQuery
from ops_core.request import invalid
from ops_core.rpc.convert import from_struct, from_timestamp, struct
from ops_core.rpc.v1 import schedules_pb2
from ops_core.schedules.model import Firing, Schedule
from ops_core.schedules.request import (
    ScheduleChange,
    ScheduleRequest,
    parse_change,
    parse_schedule,
)

_TIMES: Final = ("start_at", "end_at")


def schedule_message(schedule: Schedule) -> schedules_pb2.Schedule:
    """Fields that a schedule does not have are absent."""
    spec = schedule.spec
    return schedules_pb2.Schedule(
        schedule_id=schedule.schedule_id,
        tenant_id=schedule.tenant_id,
        name=spec.name,
        cron=spec.cron,
        every_s=spec.every_s,
        time_zone=spec.time_zone,
        task=struct(spec.task),
        overlap=spec.overlap.value,
        missed=spec.missed.value,
        catchup_window_s=spec.catchup_window_s,
        start_at=spec.start_at,
        end_at=spec.end_at,
        jitter_s=spec.jitter_s,
        labels=dict(spec.labels),
        created_by=schedule.created_by,
        created_at=schedule.created_at,
        updated_at=schedule.updated_at,
        paused_at=schedule.paused_at,
        paused_reason=schedule.paused_reason,
        next_fire_at=schedule.next_fire_at,
        last_fired_at=schedule.last_fired_at,
        last_task_id=schedule.last_task_id,
        queued=schedule.queued,
    )


def firing_message(firing: Firing) -> schedules_pb2.Firing:
    return schedules_pb2.Firing(
        number=firing.number,
        fire_at=firing.fire_at,
        outcome=firing.outcome.value,
        manual=firing.is_manual,
        reason=firing.reason,
        task_id=firing.task_id,
        recorded_at=firing.recorded_at,
    )


def schedule_request(message: schedules_pb2.CreateScheduleRequest) -> ScheduleRequest:
    """Raises `InvalidRequest` naming each wrong field. A field that is not set keeps its default."""
    data: dict[str, Any] = {field.name: value for field, value in message.ListFields()}
    if message.HasField("task"):
        data["task"] = from_struct(message.task)
    if message.labels:
        data["labels"] = dict(message.labels)
    for name in _TIMES:
        if message.HasField(name):
            data[name] = from_timestamp(name, data[name])
    return parse_schedule(data)


def schedule_change(message: schedules_pb2.ChangeScheduleRequest) -> ScheduleChange:
    """Raises `InvalidRequest` naming each wrong field."""
    return parse_change(from_struct(message.change))


def page_query(message: Message) -> PageQuery:
    """Of a message with `limit` and `cursor`. Raises `InvalidRequest` naming each wrong field."""
    names = {"limit", "cursor"}
    sent = {field.name: value for field, value in message.ListFields() if field.name in names}
    try:
        return PageQuery.model_validate(sent)
    except ValidationError as error:
        raise invalid(error) from None
