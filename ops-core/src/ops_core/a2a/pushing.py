"""Push notification configs: webhooks of a task, whose receivers speak this protocol."""

from typing import Any

from pydantic import SecretStr

from ops_core.a2a.desk import Call
from ops_core.a2a.incoming import PushConfig, PushConfigId, PushConfigs, parsed
from ops_core.a2a.notification import EVENTS
from ops_core.errors import FieldError, InvalidRequest
from ops_core.hook import TaskHook
from ops_core.push import Push
from ops_core.task import JsonObject
from ops_core.webhooks.model import new_webhook_id


async def create_config(call: Call, params: Any) -> JsonObject:
    """Answers with everything that was sent, this once."""
    sent = parsed(PushConfig, params)
    if not sent.task_id:
        raise InvalidRequest([FieldError("taskId", "names no task")])
    hook = hook_of(sent, new_webhook_id())
    await put(call, sent.task_id, hook)
    told = sent.model_dump(
        by_alias=True, include={"token", "authentication"}, exclude_defaults=True
    )
    return _view(sent.task_id, hook) | told


async def get_config(call: Call, params: Any) -> JsonObject:
    asked = parsed(PushConfigId, params)
    who = await call.may("get_webhook", asked.task_id)
    pushes = call.desk.services.pushes
    hook = await pushes.get(asked.task_id, asked.id, tenant_id=who.tenant_id)
    return _view(asked.task_id, hook)


async def list_configs(call: Call, params: Any) -> JsonObject:
    """All of them: a task has few."""
    asked = parsed(PushConfigs, params)
    who = await call.may("list_webhooks", asked.task_id)
    hooks = await call.desk.services.pushes.list(asked.task_id, tenant_id=who.tenant_id)
    return {"configs": [_view(asked.task_id, hook) for hook in hooks], "nextPageToken": ""}


async def delete_config(call: Call, params: Any) -> JsonObject:
    asked = parsed(PushConfigId, params)
    who = await call.may("delete_webhook", asked.task_id)
    await call.desk.services.pushes.delete(asked.task_id, asked.id, tenant_id=who.tenant_id)
    return {}


async def put(call: Call, task_id: str, hook: TaskHook) -> None:
    """Stores it, if whoever asks may have events of the task sent somewhere. Raises `TaskNotFound`."""
    await call.task(task_id, "get_task")
    who = await call.may("create_webhook", task_id)
    pushes = call.desk.services.pushes
    await pushes.put(task_id, hook, tenant_id=who.tenant_id, by=who.subject)


def hook_of(sent: PushConfig, otherwise: str) -> TaskHook:
    """`otherwise`: its id, when the client gives it none."""
    given = sent.authentication
    push = Push(
        config_id=sent.id or otherwise,
        token=SecretStr(sent.token) if sent.token else None,
        scheme=given.scheme if given else None,
        credentials=SecretStr(given.credentials) if given and given.credentials else None,
    )
    return TaskHook(url=sent.url, events=EVENTS, push=push)


def _view(task_id: str, hook: TaskHook) -> JsonObject:
    """Without what the receiver knows us by: whoever may look may not speak as we do."""
    assert hook.push is not None
    view: JsonObject = {"id": hook.push.config_id, "taskId": task_id, "url": hook.url}
    scheme = hook.push.scheme
    return view | ({"authentication": {"scheme": scheme}} if scheme else {})
