"""`TaskService` of tasks.proto: each method one call of the service."""

from typing import Any

import grpc.aio

from ops_core.identity.needs import check_webhook
from ops_core.query import PageQuery, TaskQuery
from ops_core.request import TaskRequest
from ops_core.rpc.calls import principal
from ops_core.rpc.convert import task_message
from ops_core.rpc.events import EventCalls
from ops_core.rpc.requests import (
    fork_request,
    page_query,
    task_id_of,
    task_query,
    task_request,
)
from ops_core.rpc.v1 import tasks_pb2, tasks_pb2_grpc
from ops_core.rpc.waiting import approval_reply, effect_reply, input_reply, step_message
from ops_core.services import Services

Context = grpc.aio.ServicerContext[Any, Any]


class Tasks(EventCalls, tasks_pb2_grpc.TaskServiceServicer):
    """Raises our errors as they are: `Calls` turns them into statuses."""

    def __init__(self, services: Services) -> None:
        super().__init__(services.tasks, services.streams)
        self._approvals = services.approvals
        self._budgets = services.budgets

    async def CreateTask(  # noqa: N802  # the names are the contract's
        self, request: tasks_pb2.CreateTaskRequest, context: Context
    ) -> tasks_pb2.CreateTaskResponse:
        key = request.idempotency_key if request.HasField("idempotency_key") else None
        sent: TaskRequest = task_request(request)
        check_webhook(principal(context), sent.webhook)
        submitted = await self._service.submit(
            sent, tenant_id=tenant_id(context), idempotency_key=key
        )
        return tasks_pb2.CreateTaskResponse(
            task=task_message(submitted.task), replayed=not submitted.created
        )

    async def GetTask(  # noqa: N802
        self, request: tasks_pb2.GetTaskRequest, context: Context
    ) -> tasks_pb2.GetTaskResponse:
        task = await self._service.get(task_id_of(request.task_id), tenant_id=tenant_id(context))
        budget = await self._budgets.of_task(task)
        return tasks_pb2.GetTaskResponse(task=task_message(task, budget))

    async def ListTasks(  # noqa: N802
        self, request: tasks_pb2.ListTasksRequest, context: Context
    ) -> tasks_pb2.ListTasksResponse:
        query: TaskQuery = task_query(request)
        page = await self._service.list(
            query.where(), tenant_id=tenant_id(context), limit=query.limit, cursor=query.cursor
        )
        return tasks_pb2.ListTasksResponse(
            tasks=[task_message(task) for task in page.tasks],
            total=page.total,
            next_cursor=page.next_cursor,
        )

    async def CancelTask(  # noqa: N802
        self, request: tasks_pb2.CancelTaskRequest, context: Context
    ) -> tasks_pb2.CancelTaskResponse:
        task = await self._service.cancel(task_id_of(request.task_id), tenant_id=tenant_id(context))
        return tasks_pb2.CancelTaskResponse(task=task_message(task))

    async def RetryTask(  # noqa: N802
        self, request: tasks_pb2.RetryTaskRequest, context: Context
    ) -> tasks_pb2.RetryTaskResponse:
        task = await self._service.retry(task_id_of(request.task_id), tenant_id=tenant_id(context))
        return tasks_pb2.RetryTaskResponse(task=task_message(task))

    async def ListSteps(  # noqa: N802
        self, request: tasks_pb2.ListStepsRequest, context: Context
    ) -> tasks_pb2.ListStepsResponse:
        limit = request.limit if request.HasField("limit") else 100
        page = await self._service.steps(
            task_id_of(request.task_id),
            tenant_id=tenant_id(context),
            after=request.after,
            limit=limit,
        )
        return tasks_pb2.ListStepsResponse(
            steps=[step_message(step) for step in page.steps],
            total=page.total,
            next_after=request.after + len(page.steps),
        )

    async def SendInput(  # noqa: N802
        self, request: tasks_pb2.SendInputRequest, context: Context
    ) -> tasks_pb2.SendInputResponse:
        sent, who = input_reply(request), principal(context)
        task = await self._service.answer(
            task_id_of(request.task_id),
            sent.answer,
            step=sent.step,
            tenant_id=who.tenant_id,
            by=who.subject,
        )
        return tasks_pb2.SendInputResponse(task=task_message(task))

    async def ResolveEffect(  # noqa: N802
        self, request: tasks_pb2.ResolveEffectRequest, context: Context
    ) -> tasks_pb2.ResolveEffectResponse:
        who = principal(context)
        sent = effect_reply(request)
        task = await self._service.resolve(
            task_id_of(request.task_id),
            request.step,
            sent.outcome,
            sent.result,
            tenant_id=who.tenant_id,
            by=who.subject,
        )
        return tasks_pb2.ResolveEffectResponse(task=task_message(task))

    async def ResolveApproval(  # noqa: N802
        self, request: tasks_pb2.ResolveApprovalRequest, context: Context
    ) -> tasks_pb2.ResolveApprovalResponse:
        who = principal(context)
        task = await self._approvals.decide(
            task_id_of(request.task_id),
            request.step,
            approval_reply(request),
            tenant_id=who.tenant_id,
            by=who.subject,
        )
        return tasks_pb2.ResolveApprovalResponse(task=task_message(task))

    async def ListDeadLetters(  # noqa: N802
        self, request: tasks_pb2.ListDeadLettersRequest, context: Context
    ) -> tasks_pb2.ListDeadLettersResponse:
        query: PageQuery = page_query(request)
        page = await self._service.dead_letters(
            tenant_id=tenant_id(context), limit=query.limit, cursor=query.cursor
        )
        return tasks_pb2.ListDeadLettersResponse(
            tasks=[task_message(task) for task in page.tasks],
            total=page.total,
            next_cursor=page.next_cursor,
        )

    async def DiscardDeadLetter(  # noqa: N802
        self, request: tasks_pb2.DiscardDeadLetterRequest, context: Context
    ) -> tasks_pb2.DiscardDeadLetterResponse:
        task = await self._service.discard(
            task_id_of(request.task_id), tenant_id=tenant_id(context)
        )
        return tasks_pb2.DiscardDeadLetterResponse(task=task_message(task))

    async def ForkTask(  # noqa: N802
        self, request: tasks_pb2.ForkTaskRequest, context: Context
    ) -> tasks_pb2.ForkTaskResponse:
        key = request.idempotency_key if request.HasField("idempotency_key") else None
        forked = await self._service.fork(
            task_id_of(request.task_id),
            fork_request(request),
            tenant_id=tenant_id(context),
            idempotency_key=key,
        )
        return tasks_pb2.ForkTaskResponse(
            task=task_message(forked.task), replayed=not forked.created
        )


def tenant_id(context: Context) -> str:
    return principal(context).tenant_id
