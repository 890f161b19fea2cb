"""`/api/v1/limits`: how many tasks of a concurrency key run at once, and how many may start in a while."""

from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Query, Request, Response

from ops_core.api.dependencies import TenantId, json_bytes, no_query, once, services_of
from ops_core.api.flow_views import LimitPageView, LimitView
from ops_core.api.openapi import json_body, problems
from ops_core.flow.request import LimitRequest, parse_limit_json
from ops_core.flow.service import LimitService
from ops_core.query import PageQuery

router = APIRouter(prefix="/api/v1/limits", tags=["limits"])

_EXAMPLE: Final[dict[str, Any]] = {"concurrency": 2, "rate": {"count": 100, "per_s": 60}}


async def _service(request: Request) -> LimitService:
    return services_of(request).limits


async def _sent(request: Request) -> LimitRequest:
    return parse_limit_json(await json_bytes(request, "limit"))


Limits = Annotated[LimitService, Depends(_service)]


@router.get("", dependencies=[Depends(once)], responses=problems(422, 503))
async def list_limits(
    service: Limits, tenant_id: TenantId, query: Annotated[PageQuery, Query()]
) -> LimitPageView:
    """One page of the limits that are set, by key; any other key has a concurrency of 1."""
    page = await service.list(tenant_id=tenant_id, limit=query.limit, cursor=query.cursor)
    return LimitPageView.of(page)


@router.get("/{key}", dependencies=[Depends(no_query)], responses=problems(404, 422, 503))
async def get_limit(key: str, service: Limits, tenant_id: TenantId) -> LimitView:
    """The limit of one key."""
    return LimitView.of(await service.get(key, tenant_id=tenant_id))


@router.put(
    "/{key}",
    dependencies=[Depends(no_query)],
    openapi_extra=json_body(LimitRequest, _EXAMPLE),
    responses=problems(408, 413, 415, 422, 503),
)
async def put_limit(
    key: str,
    service: Limits,
    tenant_id: TenantId,
    sent: Annotated[LimitRequest, Depends(_sent)],
) -> LimitView:
    """Sets the limit of a key, from the next start on; what runs is not stopped."""
    return LimitView.of(await service.put(key, sent, tenant_id=tenant_id))


@router.delete(
    "/{key}",
    status_code=204,
    dependencies=[Depends(no_query)],
    responses=problems(404, 422, 503),
)
async def delete_limit(key: str, service: Limits, tenant_id: TenantId) -> Response:
    """The key has a concurrency of 1 again."""
    await service.delete(key, tenant_id=tenant_id)
    return Response(status_code=204)
