"""The tools: each one call of a service, as REST has it, with the same JSON."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final, Self

from pydantic import BaseModel, Field

from ops_core.agent_tasks import answer_of, partial_of, structured_of
from ops_core.api.ask_views import ApprovalView
from ops_core.api.views import ErrorView, TaskPageView, TaskView
from ops_core.identity.needs import check_webhook
from ops_core.mcp.arguments import (
    AnswerTask,
    ListTasks,
    OneTask,
    ResolveApproval,
    RunAgent,
    WaitForTask,
    parsed,
    submit_schema,
    task_and_key,
)
from ops_core.mcp.desk import Call
from ops_core.replies import ApprovalReply
from ops_core.task import JsonObject, Status, Task


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """One tool. `operation` is the function of REST that does the same: who may do that, may do this."""

    name: str
    operation: str
    description: str
    takes: JsonObject
    """JSON Schema of the arguments."""

    gives: type[BaseModel]
    run: Callable[[Call, JsonObject], Awaitable[BaseModel]]
    reads_only: bool = False
    destroys: bool = False
    """Whether what it does cannot be undone: clients ask before they call it."""


class AgentRun(BaseModel):
    """What an agent has come to so far."""

    task_id: str = Field(description="The task that does it, also after this call has ended.")
    status: Status
    answer: str | None = Field(description="Null until the task has completed.")
    structured: Any = Field(description="The answer as JSON, where the agent gives one.")
    error: ErrorView | None
    partial: dict[str, Any] | None = Field(
        description="What there was when a budget or a limit ended the task, in place of an answer."
    )
    waiting_for: list[dict[str, Any]] | None = Field(
        description="What it needs somebody for: answer_task or resolve_approval brings it."
    )

    @classmethod
    def of(cls, task: Task) -> Self:
        return cls(
            task_id=task.task_id,
            status=task.status,
            answer=answer_of(task),
            structured=structured_of(task),
            error=ErrorView.of(task.error) if task.error else None,
            partial=partial_of(task),
            waiting_for=task.waiting_for,
        )


def run_agent(agent: str) -> Callable[[Call, JsonObject], Awaitable[AgentRun]]:
    """Gives work to that agent, and waits a while for its answer."""

    async def run(call: Call, arguments: JsonObject) -> AgentRun:
        work, agents = parsed(RunAgent, arguments), call.desk.agents
        submitted = await call.desk.services.tasks.submit(
            agents.request(work.goal, agent=agent, thread_id=work.thread_id),
            tenant_id=call.who.tenant_id,
            idempotency_key=work.idempotency_key,
        )
        task = await call.settled(submitted.task, work.within_s)
        return AgentRun.of(task)

    return run


async def _submit(call: Call, arguments: JsonObject) -> TaskView:
    request, key = task_and_key(arguments)
    check_webhook(call.who, request.webhook)
    tasks = call.desk.services.tasks
    submitted = await tasks.submit(request, tenant_id=call.who.tenant_id, idempotency_key=key)
    return TaskView.of(submitted.task)


async def _get(call: Call, arguments: JsonObject) -> TaskView:
    return TaskView.of(await _task(call, parsed(OneTask, arguments).task_id))


async def _wait(call: Call, arguments: JsonObject) -> TaskView:
    asked = parsed(WaitForTask, arguments)
    return TaskView.of(await call.settled(await _task(call, asked.task_id), asked.within_s))


async def _cancel(call: Call, arguments: JsonObject) -> TaskView:
    task = await _task(call, parsed(OneTask, arguments).task_id)
    if task.status is not Status.CANCELLED:
        tasks = call.desk.services.tasks
        task = await tasks.cancel(task.task_id, tenant_id=call.who.tenant_id)
    return TaskView.of(task)


async def _list(call: Call, arguments: JsonObject) -> TaskPageView:
    query = parsed(ListTasks, arguments)
    page = await call.desk.services.tasks.list(
        query.where(), tenant_id=call.who.tenant_id, limit=query.limit, cursor=query.cursor
    )
    return TaskPageView.of(page)


async def _answer(call: Call, arguments: JsonObject) -> TaskView:
    said = parsed(AnswerTask, arguments)
    tasks = call.desk.services.tasks
    task = await tasks.answer(
        said.task_id,
        said.answer,
        step=said.step,
        tenant_id=call.who.tenant_id,
        by=call.who.subject,
    )
    return TaskView.of(task)


async def _resolve(call: Call, arguments: JsonObject) -> ApprovalView:
    said = parsed(ResolveApproval, arguments)
    reply = ApprovalReply(
        decision=said.decision, comment=said.comment, arguments=said.arguments, hash=said.hash
    )
    resolved = await call.desk.services.approvals.resolve(
        said.approval_id,
        reply,
        tenant_id=call.who.tenant_id,
        by=call.who.subject,
        idempotency_key=said.idempotency_key,
    )
    return ApprovalView.of(resolved.ask)


async def _task(call: Call, task_id: str) -> Task:
    return await call.desk.services.tasks.get(task_id, tenant_id=call.who.tenant_id)


TOOLS: Final = (
    Tool(
        name="submit_task",
        operation="create_task",
        description="Stores a task, which then runs whatever becomes of this connection.",
        takes=submit_schema(),
        gives=TaskView,
        run=_submit,
    ),
    Tool(
        name="get_task",
        operation="get_task",
        description="Shows a task: its status, its result or its error, what it waits for.",
        takes=OneTask.model_json_schema(),
        gives=TaskView,
        run=_get,
        reads_only=True,
    ),
    Tool(
        name="wait_task",
        operation="get_task",
        description="Waits until a task has ended or needs a person, for at most within_s seconds.",
        takes=WaitForTask.model_json_schema(),
        gives=TaskView,
        run=_wait,
        reads_only=True,
    ),
    Tool(
        name="list_tasks",
        operation="list_tasks",
        description="Lists tasks, newest first.",
        takes=ListTasks.model_json_schema(),
        gives=TaskPageView,
        run=_list,
        reads_only=True,
    ),
    Tool(
        name="cancel_task",
        operation="cancel_task",
        description="Cancels a task, or asks the worker that runs it to stop.",
        takes=OneTask.model_json_schema(),
        gives=TaskView,
        run=_cancel,
        destroys=True,
    ),
    Tool(
        name="answer_task",
        operation="send_input",
        description="Answers a question that a task asks (waiting_for, reason input).",
        takes=AnswerTask.model_json_schema(),
        gives=TaskView,
        run=_answer,
    ),
    Tool(
        name="resolve_approval",
        operation="resolve_approval_by_id",
        description="Approves or rejects a call that a task wants to make (waiting_for, reason approval). "
        "For a person to decide: ask them.",
        takes=ResolveApproval.model_json_schema(),
        gives=ApprovalView,
        run=_resolve,
    ),
)
