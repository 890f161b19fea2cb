"""`/api/v1/tenants`: all tenants, for callers of the operator's own."""

from typing import Annotated, Final

from fastapi import APIRouter, Depends, Query, Request, Response

from ops_core.api.dependencies import Who, in_query, json_bytes, no_query, once, services_of
from ops_core.api.identity_views import FoundedTenantView, TenantPageView, TenantView
from ops_core.api.openapi import json_body, problems
from ops_core.identity.requests import TenantRequest, parse_asked_json
from ops_core.identity.tenant_service import TenantService
from ops_core.query import PageQuery

PREFIX: Final = "/api/v1/tenants"

router = APIRouter(prefix=PREFIX, tags=["tenants"])


async def _tenants(request: Request) -> TenantService:
    return services_of(request).tenants


async def _tenant_request(request: Request) -> TenantRequest:
    return parse_asked_json(TenantRequest, await json_bytes(request, "tenant"))


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
