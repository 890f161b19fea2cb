"""`/api/v1/tasks`: each route one call of the service."""

from typing import Annotated, Final

from fastapi import APIRouter, Depends, Header, Query, Request, Response

from ops_core.api.dependencies import (
    SentTask,
    Service,
    TenantId,
    Who,
    in_query,
    no_query,
    once,
    services_of,
)
from ops_core.api.openapi import json_body, problems
from ops_core.api.prefer import Holding
from ops_core.api.views import TaskPageView, TaskView
from ops_core.bounds import MAX_KEY_LENGTH
from ops_core.identity.needs import check_webhook
from ops_core.principal import Principal
from ops_core.query import PageQuery, TaskQuery
from ops_core.request import TaskRequest
from ops_core.service import Submitted
from ops_core.services import Services
from ops_core.task import Status, Task

PREFIX: Final = "/api/v1/tasks"

_SUBMIT: Final = {
    "task_type": "agent_run",
    "input_data": {"goal": "What is 17 * 23?"},
    "labels": {"team": "a"},
}

router = APIRouter(prefix=PREFIX, tags=["tasks"])


async def accepted(
    services: Services, who: Principal, sent: TaskRequest, idempotency_key: str | None
) -> Submitted:
    """A task of somebody who was let in, stored if he may ask for it: by the route, and on the short way."""
    check_webhook(who, sent.webhook)
    return await services.tasks.submit(
        sent, tenant_id=who.tenant_id, idempotency_key=idempotency_key
    )


async def shown(services: Services, task: Task) -> TaskView:
    """A task that was asked for alone."""
    return TaskView.of(task, await services.budgets.of_task(task))


@router.post(
    "/",
    status_code=201,
    dependencies=[Depends(no_query)],
    openapi_extra=json_body(TaskRequest, _SUBMIT),
    responses={
        200: {
            "model": TaskView,
            "description": "The Idempotency-Key had stored it before: `Idempotent-Replay: true`.",
        },
        **problems(408, 409, 413, 415, 422, 429, 503),
    },
)
async def create_task(
    request: Request,
    response: Response,
    who: Who,
    sent: SentTask,
    holding: Holding,
    idempotency_key: Annotated[
        str | None,
        Header(
            alias="Idempotency-Key",
            description=f"1 to {MAX_KEY_LENGTH} printable characters. The same key with the same "
            "body is the same task; with another body it is a conflict.",
        ),
    ] = None,
) -> TaskView:
    """Stores a task; when this answers 201, the task is on disk."""
    submitted = await accepted(services_of(request), who, sent, idempotency_key)
    root = request.scope.get("root_path", "")
    response.headers["Location"] = f"{root}{PREFIX}/{submitted.task.task_id}"
    if not submitted.created:
        response.status_code = 200
        response.headers["Idempotent-Replay"] = "true"
    return TaskView.of(await holding.settled(submitted.task, response))


@router.get("/", dependencies=[Depends(once)], responses=problems(422, 503))
async def list_tasks(
    service: Service, tenant_id: TenantId, query: Annotated[TaskQuery, Query()]
) -> TaskPageView:
    """One page of tasks, newest first, stable under inserts."""
    with in_query():
        page = await service.list(
            query.where(), tenant_id=tenant_id, limit=query.limit, cursor=query.cursor
        )
    return TaskPageView.of(page)


@router.get("/{task_id}", dependencies=[Depends(no_query)], responses=problems(404, 422, 503))
async def get_task(
    task_id: str,
    request: Request,
    response: Response,
    service: Service,
    tenant_id: TenantId,
    holding: Holding,
) -> TaskView:
    """One task."""
    task = await holding.settled(await service.get(task_id, tenant_id=tenant_id), response)
    return await shown(services_of(request), task)


@router.post(
    "/{task_id}/cancel",
    status_code=202,
    dependencies=[Depends(no_query)],
    responses={
        200: {"model": TaskView, "description": "The task was cancelled before."},
        **problems(404, 409, 422, 503),
    },
)
async def cancel_task(
    task_id: str, response: Response, service: Service, tenant_id: TenantId
) -> TaskView:
    """Cancels a task that nobody runs at once, and asks the worker of a running one to stop."""
    before = await service.get(task_id, tenant_id=tenant_id)
    if before.status is Status.CANCELLED:
        response.status_code = 200
        return TaskView.of(before)
    return TaskView.of(await service.cancel(task_id, tenant_id=tenant_id))


@router.post(
    "/{task_id}/retry",
    status_code=202,
    dependencies=[Depends(no_query)],
    responses=problems(404, 409, 422, 503),
)
async def retry_task(task_id: str, service: Service, tenant_id: TenantId) -> TaskView:
    """Opens the next generation of a failed or cancelled task; finished steps are not made again."""
    return TaskView.of(await service.retry(task_id, tenant_id=tenant_id))


@router.get("/{task_id}/children", dependencies=[Depends(once)], responses=problems(404, 422, 503))
async def list_children(
    task_id: str, service: Service, tenant_id: TenantId, query: Annotated[PageQuery, Query()]
) -> TaskPageView:
    """One page of the tasks that this one started, newest first."""
    with in_query():
        page = await service.children(
            task_id, tenant_id=tenant_id, limit=query.limit, cursor=query.cursor
        )
    return TaskPageView.of(page)
