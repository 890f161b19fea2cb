"""A message: work for the agent, or the answer to what a task of it asks."""

import hashlib
import json

from ops_core.a2a.desk import Call
from ops_core.a2a.errors import UNSUPPORTED, Refusal
from ops_core.a2a.incoming import Message
from ops_core.a2a.views import context_of
from ops_core.errors import FieldError, InvalidRequest, NothingAsked
from ops_core.following import needs_someone
from ops_core.principal import Principal
from ops_core.replies import ApprovalReply, parse_reply
from ops_core.task import Reason, Task


async def taken(call: Call, message: Message) -> tuple[Task, Principal]:
    """The task that the message began, or moved on; and who sent it."""
    if message.task_id:
        return await _answered(call, message)
    return await _begun(call, message)


async def _begun(call: Call, message: Message) -> tuple[Task, Principal]:
    """The id of the message is the idempotency key: sent again, it begins nothing again."""
    who = await call.may("create_task")
    key = f"a2a/{message.message_id}"
    name = hashlib.sha256(f"{call.agent}\n{key}".encode()).hexdigest()[:32]
    request = call.desk.agents.request(
        _words(message), agent=call.agent, thread_id=message.context_id or f"ctx_{name}"
    )
    tasks = call.desk.services.tasks
    submitted = await tasks.submit(request, tenant_id=who.tenant_id, idempotency_key=key)
    return submitted.task, who


async def _answered(call: Call, message: Message) -> tuple[Task, Principal]:
    task, who = await call.task(message.task_id, "get_task")
    if message.context_id not in ("", context_of(task)):
        raise InvalidRequest([FieldError("message.contextId", "is not that of the task")])
    if not needs_someone(task):
        raise NothingAsked(task.task_id, "")
    approval = _open(task, Reason.APPROVAL)
    if _open(task, Reason.INPUT) is not None:
        who = await call.may("send_input", task.task_id)
        tasks, words = call.desk.services.tasks, _words(message)
        answered = tasks.answer(
            task.task_id, words, step=None, tenant_id=who.tenant_id, by=who.subject
        )
        return await answered, who
    if approval is not None:
        return await _decided(call, message, task, approval)
    raise Refusal(UNSUPPORTED, "Only a person can say what came of the call; do so over REST.")


async def _decided(call: Call, message: Message, task: Task, step: str) -> tuple[Task, Principal]:
    """Never by prose: what a model says in passing must not let a call be made."""
    data = message.data()
    if len(data) != 1 or not isinstance(data[0], dict):
        problem = 'the task needs an approval: send {"decision": "approve"} or "reject" as data'
        raise InvalidRequest([FieldError("message.parts", problem)])
    who = await call.may("decide_approval", task.task_id)
    reply = parse_reply(ApprovalReply, data[0])
    decided = call.desk.services.approvals.decide(
        task.task_id, step, reply, tenant_id=who.tenant_id, by=who.subject
    )
    return await decided, who


def _open(task: Task, reason: Reason) -> str | None:
    """The step of the first thing of that kind that the task waits for."""
    waits = task.waiting_for or []
    return next((str(wait["step"]) for wait in waits if wait.get("reason") == reason), None)


def _words(message: Message) -> str:
    texts = [*message.texts(), *(json.dumps(data, ensure_ascii=False) for data in message.data())]
    return "\n".join(texts)
