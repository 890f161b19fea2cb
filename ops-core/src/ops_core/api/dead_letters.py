"""`/api/v1/dead-letters`: tasks that failed for an operator to look at."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query

from ops_core.api.dependencies import Service, TenantId, in_query, no_query, once
from ops_core.api.openapi import problems
from ops_core.api.views import TaskPageView, TaskView
from ops_core.query import PageQuery

router = APIRouter(prefix="/api/v1/dead-letters", tags=["dead letters"])


@router.get("", dependencies=[Depends(once)], responses=problems(422, 503))
async def list_dead_letters(
    service: Service, tenant_id: TenantId, query: Annotated[PageQuery, Query()]
) -> TaskPageView:
    """One page of tasks that failed as poison or ran out of attempts, newest first."""
    with in_query():
        page = await service.dead_letters(
            tenant_id=tenant_id, limit=query.limit, cursor=query.cursor
        )
    return TaskPageView.of(page)


@router.post(
    "/{task_id}/retry",
    status_code=202,
    dependencies=[Depends(no_query)],
    responses=problems(404, 409, 422, 503),
)
async def retry_dead_letter(task_id: str, service: Service, tenant_id: TenantId) -> TaskView:
    """Opens the next generation of the task, which is no dead letter any more."""
    return TaskView.of(await service.retry_dead_letter(task_id, tenant_id=tenant_id))


@router.post(
    "/{task_id}/discard",
    dependencies=[Depends(no_query)],
    responses=problems(404, 409, 422, 503),
)
async def discard_dead_letter(task_id: str, service: Service, tenant_id: TenantId) -> TaskView:
    """Takes the task off the list; it stays failed, and is pruned with age as others are."""
    return TaskView.of(await service.discard(task_id, tenant_id=tenant_id))
