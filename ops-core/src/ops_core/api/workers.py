"""`/api/v1/workers`: the workers of all tenants, for callers of the operator's own."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request

from ops_core.api.dependencies import Who, in_query, no_query, once, services_of
from ops_core.api.openapi import problems
from ops_core.api.worker_views import WorkerPageView, WorkerView
from ops_core.fleet import FleetService
from ops_core.query import PageQuery

router = APIRouter(prefix="/api/v1/workers", tags=["workers"])


async def _fleet(request: Request) -> FleetService:
    return services_of(request).fleet


Fleet = Annotated[FleetService, Depends(_fleet)]


@router.get("/", dependencies=[Depends(once)], responses=problems(422, 503))
async def list_workers(
    fleet: Fleet, who: Who, query: Annotated[PageQuery, Query()]
) -> WorkerPageView:
    """One page of workers, newest first; those that have stopped are not among them."""
    with in_query():
        page = await fleet.page(by=who, limit=query.limit, cursor=query.cursor)
    return WorkerPageView.of(page)


@router.get("/{worker_id}", dependencies=[Depends(no_query)], responses=problems(404, 422, 503))
async def get_worker(worker_id: str, fleet: Fleet, who: Who) -> WorkerView:
    """One worker."""
    return WorkerView.of(await fleet.get(worker_id, by=who))


@router.post(
    "/{worker_id}/drain",
    status_code=202,
    dependencies=[Depends(no_query)],
    responses=problems(404, 422, 503),
)
async def drain_worker(worker_id: str, fleet: Fleet, who: Who) -> WorkerView:
    """Lets it hand over what it runs and claim nothing more, until its process is started again."""
    return WorkerView.of(await fleet.drain(worker_id, by=who))
