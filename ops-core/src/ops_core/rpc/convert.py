"""Between protobuf messages and the values of `ops_core`."""

from collections.abc import Iterable
from datetime import UTC, datetime
from functools import cache
from typing import Any, Final

from google.protobuf.json_format import ParseDict
from google.protobuf.message import Message
from google.protobuf.struct_pb2 import Struct, Value
from google.protobuf.timestamp_pb2 import Timestamp
from google.protobuf.unknown_fields import UnknownFieldSet

from ops_core.budgets.ledger import Budget
from ops_core.errors import FieldError, InvalidRequest
from ops_core.rpc.flow_convert import allowance_message
from ops_core.rpc.v1 import tasks_pb2
from ops_core.task import JsonObject, Status, Task

#: Beyond it a double no longer tells one integer from the next, so it cannot stand for one.
_MAX_EXACT: Final = 2.0**53

#: What a `Timestamp` counts from.
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

#: The names of the enum's values are those of ours; UNSPECIFIED has none.
STATUSES: Final = {tasks_pb2.TaskStatus.Value(status.name): status for status in Status}


def task_message(task: Task, budget: Budget | None = None) -> tasks_pb2.Task:
    """Fields that a task does not have (a name, a result) are absent. `budget` is its own."""
    message = tasks_pb2.Task(
        task_id=task.task_id,
        task_type=task.task_type,
        status=task.status.name,
        input_data=struct(task.input_data),
        name=task.name,
        reason=task.reason,
        agent=task.agent,
        thread_id=task.thread_id,
        parent_task_id=task.parent_task_id,
        priority=task.priority,
        labels=task.labels,
        tenant_id=task.tenant_id,
        attempt=task.attempt,
        generation=task.generation,
        usage=_usage(task),
        created_at=timestamp(task.created_at),
        updated_at=timestamp(task.updated_at),
        scheduled_at=timestamp(task.scheduled_at),
        started_at=timestamp(task.started_at),
        completed_at=timestamp(task.completed_at),
        waiting_for=[struct(wait) for wait in task.waiting_for or []],
        dead_letter_at=timestamp(task.dead_letter_at),
        agent_version=task.agent_version,
        concurrency_key=task.concurrency_key,
        budget=allowance_message(task.budget) if task.budget else None,
        budget_left=allowance_message(budget.left) if budget else None,
    )
    if task.result is not None:
        message.result.CopyFrom(struct(task.result))
    if task.error is not None:
        message.error_message = task.error.message
        message.error.type = task.error.type
        message.error.message = task.error.message
        message.error.retryable = task.error.retryable
    return message


def _usage(task: Task) -> tasks_pb2.Usage:
    return tasks_pb2.Usage(
        input_tokens=task.usage.input_tokens,
        output_tokens=task.usage.output_tokens,
        cost_usd=f"{task.usage.cost_usd:f}",
        steps=task.usage.steps,
    )


def timestamp(moment: datetime | None) -> Timestamp | None:
    """The library's own way goes through calendars, and takes longer than the rest of a task."""
    if moment is None:
        return None
    since = moment - _EPOCH
    seconds = since.days * 86_400 + since.seconds
    return Timestamp(seconds=seconds, nanos=since.microseconds * 1000)


def struct(data: JsonObject) -> Struct:
    message = Struct()
    message.update(data)
    return message


def json_value(data: Any) -> Value:
    return ParseDict(data, Value())


def from_struct(message: Struct) -> JsonObject:
    """Whole numbers come back as integers: a Struct knows only doubles, a JSON client would send 17."""
    return {key: from_value(value) for key, value in message.fields.items()}


def from_value(value: Value) -> Any:
    match value.WhichOneof("kind"):
        case "number_value":
            number = value.number_value
            return int(number) if number.is_integer() and abs(number) <= _MAX_EXACT else number
        case "string_value":
            return value.string_value
        case "bool_value":
            return value.bool_value
        case "struct_value":
            return from_struct(value.struct_value)
        case "list_value":
            return [from_value(child) for child in value.list_value.values]
        case _:
            return None


def from_timestamp(path: str, message: Timestamp) -> datetime:
    """Raises `InvalidRequest` for a moment outside of the years 1 to 9999."""
    try:
        return message.ToDatetime(tzinfo=UTC)
    except (ValueError, OverflowError):
        raise InvalidRequest([FieldError(path, "is not a valid timestamp")]) from None


def refuse_unknown_fields(message: Message, path: str = "") -> None:
    """Raises `InvalidRequest` when the client knows a newer contract than this server.

    Protobuf would drop such a field in silence, and with it what the client asked for.
    """
    fields: Any = UnknownFieldSet(message)  # its published types know no iteration
    unknown = {field.field_number for field in fields}
    if unknown:
        raise InvalidRequest(
            [
                FieldError(f"{path}{n}", "is a field number that is not known")
                for n in sorted(unknown)
            ]
        )
    nested = _nested(message.DESCRIPTOR)
    for field, value in message.ListFields() if nested else ():
        if field.name in nested:
            children: Iterable[Message] = value if field.is_repeated else [value]
            for child in children:
                refuse_unknown_fields(child, f"{path}{field.name}.")


@cache
def _nested(kind: Any) -> frozenset[str]:
    """The fields of a kind of message that hold messages. The values of a map are not looked at."""
    return frozenset(
        field.name
        for field in kind.fields
        if field.message_type is not None and not field.message_type.GetOptions().map_entry
    )
