"""A message: work for the agent, or the answer to what a task of it asks."""

import hashlib
import json

from ops_core.a2a.desk import Call
from ops_core.a2a.errors import UNSUPPORTED, Refusal
from ops_core.a2a.incoming import Message, PushConfig, SendMessage
from ops_core.a2a.pushing import hook_of, put
from ops_core.a2a.views import context_of
from ops_core.bodies import parsed
from ops_core.errors import FieldError, InvalidRequest, NothingAsked
from ops_core.following import needs_someone
from ops_core.principal import Principal
from ops_core.replies import ApprovalReply
from ops_core.task import Reason, Task


async def taken(call: Call, sent: SendMessage) -> tuple[Task, Principal]:
    """The task that the message began, or moved on; and who sent it."""
    message, push = sent.message, sent.push
    if not message.task_id:
        return await _begun(call, message, push)
    if push is not None:
        await put(call, message.task_id, hook_of(push, f"push_{_name(call, message)}"))
    return await _answered(call, message)


async def _begun(call: Call, message: Message, push: PushConfig | None) -> tuple[Task, Principal]:
    """The id of the message is the idempotency key: sent again, it begins nothing again."""
    who = await call.may("create_task")
    name = _name(call, message)
    hook = None
    if push is not None:
        await call.may("create_webhook")
        hook = hook_of(push, f"push_{name}")
    request = call.desk.agents.request(
        _words(message), agent=call.agent, thread_id=message.context_id or f"ctx_{name}"
    )
    tasks = call.desk.services.tasks
    # With its webhook in one transaction: what happens at once is told too.
    submitted = await tasks.submit(
        request, tenant_id=who.tenant_id, idempotency_key=_key(message), hook=hook
    )
    if hook is not None and not submitted.created:
        await put(call, submitted.task.task_id, hook)
    return submitted.task, who


def _key(message: Message) -> str:
    return f"a2a/{message.message_id}"


def _name(call: Call, message: Message) -> str:
    """Of what a message makes: the same each time it is sent."""
    return hashlib.sha256(f"{call.agent}\n{_key(message)}".encode()).hexdigest()[:32]


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
        answered = await tasks.answer(
            task.task_id, words, step=None, tenant_id=who.tenant_id, by=who.subject
        )
        return answered, who
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
    reply = parsed(ApprovalReply, data[0])
    decided = await call.desk.services.approvals.decide(
        task.task_id, step, reply, tenant_id=who.tenant_id, by=who.subject
    )
    return decided, who


def _open(task: Task, reason: Reason) -> str | None:
    """The step of the first thing of that kind that the task waits for."""
    waits = task.waiting_for or []
    return next((str(wait["step"]) for wait in waits if wait.get("reason") == reason), None)


def _words(message: Message) -> str:
    texts = [*message.texts(), *(json.dumps(data, ensure_ascii=False) for data in message.data())]
    return "\n".join(texts)
