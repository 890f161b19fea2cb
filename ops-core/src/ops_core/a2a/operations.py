"""What clients may ask that is answered at once, each a call of the services."""

from collections.abc import Awaitable, Callable
from typing import Any, Final

from ops_core.a2a.desk import Call
from ops_core.a2a.errors import NO_EXTENDED_CARD, NOT_CANCELABLE, Refusal
from ops_core.a2a.incoming import GetTask, ListTasks, SendMessage, TaskId, parsed
from ops_core.a2a.pushing import create_config, delete_config, get_config, list_configs
from ops_core.a2a.sending import taken
from ops_core.a2a.streaming import settled
from ops_core.a2a.views import STATES, task_view
from ops_core.errors import FieldError, InvalidRequest, TaskFinished
from ops_core.ports import TaskFilter
from ops_core.task import JsonObject, Status

_UNSPECIFIED: Final = ("", "TASK_STATE_UNSPECIFIED")


async def send_message(call: Call, params: Any) -> JsonObject:
    """Waits for the answer, unless it is asked not to."""
    sent = parsed(SendMessage, params)
    task, who = await taken(call, sent)
    if not sent.configuration.return_immediately:
        task = await settled(call.desk, task, who)
    history = sent.configuration.history_length
    return {"task": task_view(task, history=history)}


async def get_task(call: Call, params: Any) -> JsonObject:
    asked = parsed(GetTask, params)
    task, _ = await call.task(asked.id, "get_task")
    return task_view(task, history=asked.history_length)


async def list_tasks(call: Call, params: Any) -> JsonObject:
    asked = parsed(ListTasks, params)
    who = await call.may("list_tasks")
    where = TaskFilter(
        agent=call.agent,
        thread_id=asked.context_id or None,
        status=_status(asked.status),
        updated_since=asked.status_timestamp_after,
        by_update=True,
    )
    page = await call.desk.services.tasks.list(
        where,
        tenant_id=who.tenant_id,
        limit=asked.page_size,
        cursor=asked.page_token or None,
    )
    return {
        "tasks": [
            task_view(task, history=asked.history_length, artifacts=asked.include_artifacts)
            for task in page.tasks
        ],
        "nextPageToken": page.next_cursor or "",
        "pageSize": len(page.tasks),
        "totalSize": page.total,
    }


async def cancel_task(call: Call, params: Any) -> JsonObject:
    asked = parsed(TaskId, params)
    task, who = await call.task(asked.id, "cancel_task")
    if task.status is not Status.CANCELLED:
        try:
            tasks = call.desk.services.tasks
            task = await tasks.cancel(task.task_id, tenant_id=who.tenant_id)
        except TaskFinished as error:
            raise Refusal(NOT_CANCELABLE, str(error), error.type) from None
    return task_view(task)


async def extended_card(_call: Call, _params: Any) -> JsonObject:
    raise Refusal(NO_EXTENDED_CARD, "There is no other card than the public one.")


OPERATIONS: Final[dict[str, Callable[[Call, Any], Awaitable[JsonObject]]]] = {
    "SendMessage": send_message,
    "GetTask": get_task,
    "ListTasks": list_tasks,
    "CancelTask": cancel_task,
    "CreateTaskPushNotificationConfig": create_config,
    "GetTaskPushNotificationConfig": get_config,
    "ListTaskPushNotificationConfigs": list_configs,
    "DeleteTaskPushNotificationConfig": delete_config,
    "GetExtendedAgentCard": extended_card,
}


def _status(name: str) -> Status | None:
    if name in _UNSPECIFIED:
        return None
    if name not in STATES:
        known = ", ".join(STATES)
        raise InvalidRequest([FieldError("status", f"no task is ever in it; known: {known}")])
    return STATES[name]
