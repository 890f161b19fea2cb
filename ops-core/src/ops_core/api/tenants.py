"""`/api/v1/tenants`: all tenants, for callers of the operator's own."""

from typing import Annotated, Final

from fastapi import APIRouter, Depends, Query, Request, Response

from ops_core.api.dependencies import Who, in_query, json_bytes, no_query, once, services_of
from ops_core.api.identity_views import (
    FoundedTenantView,
    TenantLimitsView,
    TenantPageView,
    TenantView,
)
from ops_core.api.openapi import json_body, problems
from ops_core.bodies import parsed_json
from ops_core.identity.requests import TenantLimitsRequest, TenantRequest
from ops_core.identity.tenant_service import TenantService
from ops_core.query import PageQuery

PREFIX: Final = "/api/v1/tenants"

router = APIRouter(prefix=PREFIX, tags=["tenants"])


async def _tenants(request: Request) -> TenantService:
    return services_of(request).tenants


async def _tenant_request(request: Request) -> TenantRequest:
    return parsed_json(TenantRequest, await json_bytes(request, "tenant"))


async def _limits_request(request: Request) -> TenantLimitsRequest:
    return parsed_json(TenantLimitsRequest, await json_bytes(request, "limits"))


Tenants = Annotated[TenantService, Depends(_tenants)]


@router.post(
    "",
    status_code=201,
    dependencies=[Depends(no_query)],
    openapi_extra=json_body(TenantRequest, {"tenant_id": "acme", "name": "Acme Ltd"}),
    responses=problems(408, 409, 413, 415, 422, 503),
)
async def create_tenant(
    request: Request,
    response: Response,
    tenants: Tenants,
    who: Who,
    asked: Annotated[TenantRequest, Depends(_tenant_request)],
) -> FoundedTenantView:
    """Makes a tenant and its first key. When the answer is lost, `opspawn keys create` makes another key."""
    founded = await tenants.create(asked, by=who, request_id=request.state.request_id)
    response.headers["Cache-Control"] = "no-store"
    return FoundedTenantView.of(founded)


@router.get("", dependencies=[Depends(once)], responses=problems(422, 503))
async def list_tenants(
    tenants: Tenants, who: Who, query: Annotated[PageQuery, Query()]
) -> TenantPageView:
    """One page of tenants, newest first."""
    with in_query():
        page = await tenants.page(by=who, limit=query.limit, cursor=query.cursor)
    return TenantPageView.of(page)


@router.post(
    "/{tenant_id}/disable", dependencies=[Depends(no_query)], responses=problems(404, 422, 503)
)
async def disable_tenant(
    tenant_id: str, request: Request, tenants: Tenants, who: Who
) -> TenantView:
    """Lets nobody of the tenant in any more; its tasks go on."""
    tenant = await tenants.disable(tenant_id, by=who, request_id=request.state.request_id)
    return TenantView.of(tenant)


@router.post(
    "/{tenant_id}/enable", dependencies=[Depends(no_query)], responses=problems(404, 422, 503)
)
async def enable_tenant(tenant_id: str, request: Request, tenants: Tenants, who: Who) -> TenantView:
    """Lets the tenant in again."""
    tenant = await tenants.enable(tenant_id, by=who, request_id=request.state.request_id)
    return TenantView.of(tenant)


@router.get(
    "/{tenant_id}/limits", dependencies=[Depends(no_query)], responses=problems(404, 422, 503)
)
async def get_tenant_limits(tenant_id: str, tenants: Tenants, who: Who) -> TenantLimitsView:
    """What the tenant may have under way, where that is not what the settings say."""
    return TenantLimitsView.of(await tenants.get(tenant_id, by=who))


@router.put(
    "/{tenant_id}/limits",
    dependencies=[Depends(no_query)],
    openapi_extra=json_body(TenantLimitsRequest, {"max_unfinished_tasks": 500_000}),
    responses=problems(404, 408, 413, 415, 422, 503),
)
async def put_tenant_limits(
    tenant_id: str,
    request: Request,
    tenants: Tenants,
    who: Who,
    asked: Annotated[TenantLimitsRequest, Depends(_limits_request)],
) -> TenantLimitsView:
    """Sets what the tenant may have under way from its next submit on, at every door."""
    tenant = await tenants.limit(tenant_id, asked, by=who, request_id=request.state.request_id)
    return TenantLimitsView.of(tenant)


@router.delete(
    "/{tenant_id}/limits",
    status_code=204,
    dependencies=[Depends(no_query)],
    responses=problems(404, 422, 503),
)
async def delete_tenant_limits(
    tenant_id: str, request: Request, tenants: Tenants, who: Who
) -> Response:
    """The tenant has the limits of the settings again."""
    await tenants.unlimit(tenant_id, by=who, request_id=request.state.request_id)
    return Response(status_code=204)
