"""Request messages, parsed into the same models as the JSON of REST: the same bounds and errors."""

from collections.abc import Callable
from functools import partial
from typing import Any, Final

from google.protobuf.message import Message
from pydantic import ValidationError

from ops_core.errors import FieldError, InvalidRequest
from ops_core.overrides import ForkRequest, parse_fork
from ops_core.query import PageQuery, TaskQuery
from ops_core.request import TaskRequest, invalid, parse_request
from ops_core.rpc.convert import STATUSES, from_struct, from_timestamp
from ops_core.rpc.flow_convert import plain
from ops_core.rpc.v1 import tasks_pb2


def task_id_of(task_id: str) -> str:
    """Raises `InvalidRequest` when it was not sent."""
    if not task_id:
        raise InvalidRequest([FieldError("task_id", "is required")])
    return task_id


def task_request(message: tasks_pb2.CreateTaskRequest) -> TaskRequest:
    """Raises `InvalidRequest` naming each wrong field. A field that is not set keeps its default."""
    data = {
        field.name: _FIELDS[field.name](value)
        for field, value in message.ListFields()
        if field.name in _FIELDS
    }
    return parse_request(data)


def _hook(message: tasks_pb2.TaskWebhook) -> dict[str, Any]:
    data = _set_fields(message)
    return data | {"events": list(message.events)} if message.events else data


def _same(value: Any) -> Any:
    return value


def _set_fields(message: Message) -> dict[str, Any]:
    return {field.name: value for field, value in message.ListFields()}


#: What a field of a request is in JSON. Fields that are not set are not listed, nor is its key, which is sent
#: as a header there.
_FIELDS: Final[dict[str, Callable[[Any], Any]]] = {
    **dict.fromkeys(
        (
            "task_type",
            "name",
            "agent",
            "thread_id",
            "priority",
            "deadline_s",
            "parent_task_id",
            "on_busy",
            "concurrency_key",
        ),
        _same,
    ),
    "input_data": from_struct,
    "output_schema": from_struct,
    "scheduled_at": partial(from_timestamp, "scheduled_at"),
    "retry_policy": _set_fields,
    "budget": plain,
    "depends_on": list,
    "webhook": _hook,
    "labels": dict,
}


def task_query(message: tasks_pb2.ListTasksRequest) -> TaskQuery:
    """Raises `InvalidRequest` naming each wrong field."""
    data: dict[str, Any] = {field.name: value for field, value in message.ListFields()}
    if message.status:
        if message.status not in STATUSES:
            raise InvalidRequest([FieldError("status", "is not a status that is known")])
        data["status"] = STATUSES[message.status]
    if message.HasField("created_after"):
        data["created_after"] = from_timestamp("created_after", message.created_after)
    try:
        return TaskQuery.model_validate(data)
    except ValidationError as error:
        raise invalid(error) from None


def page_query(message: tasks_pb2.ListDeadLettersRequest) -> PageQuery:
    """Raises `InvalidRequest` naming each wrong field."""
    try:
        return PageQuery.model_validate({f.name: value for f, value in message.ListFields()})
    except ValidationError as error:
        raise invalid(error) from None


def fork_request(message: tasks_pb2.ForkTaskRequest) -> ForkRequest:
    """Raises `InvalidRequest` naming each wrong field."""
    data: dict[str, Any] = {"after_seq": message.after_seq}
    if message.HasField("overrides"):
        data["overrides"] = from_struct(message.overrides)
    return parse_fork(data)
