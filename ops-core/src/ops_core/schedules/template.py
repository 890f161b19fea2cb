"""The request that each firing of a schedule submits."""

from typing import Final

from ops_core.errors import FieldError, InvalidRequest
from ops_core.request import TaskRequest, parse_request
from ops_core.service import TaskService
from ops_core.task import JsonObject, NewTask

#: What a template cannot say, each with why.
_LEFT_OUT: Final = {
    "scheduled_at": "is given by the schedule; leave it out",
    "parent_task_id": "cannot be named by a schedule: a parent ends",
    "depends_on": "cannot be named by a schedule; overlap says what a firing waits for",
}

#: A template is shown to whoever may read schedules.
_SHOWN: Final = (
    "cannot be kept in a schedule, which is shown as it was sent: leave the webhook out, give the tasks a "
    "label, and subscribe to tasks with that label (POST /api/v1/webhooks), which gets a secret of its own"
)


def template(task: JsonObject) -> TaskRequest:
    """Raises `InvalidRequest` with paths below `task`."""
    wrong = [FieldError(f"task.{name}", why) for name, why in _LEFT_OUT.items() if task.get(name)]
    webhook = task.get("webhook")
    if isinstance(webhook, dict) and webhook.get("secret") is not None:
        wrong.append(FieldError("task.webhook.secret", _SHOWN))
    if wrong:
        raise InvalidRequest(wrong)
    try:
        return parse_request(task)
    except InvalidRequest as error:
        raise _below_task(error) from None


async def prepared(tasks: TaskService, task: JsonObject, *, tenant_id: str) -> NewTask:
    """Judged by the rules of a submit. Raises `InvalidRequest` with paths below `task`."""
    request = template(task)
    try:
        return await tasks.prepare(request, tenant_id=tenant_id)
    except InvalidRequest as error:
        raise _below_task(error) from None


def _below_task(error: InvalidRequest) -> InvalidRequest:
    return InvalidRequest(
        [FieldError(f"task.{e.path}" if e.path else "task", e.message) for e in error.errors]
    )
