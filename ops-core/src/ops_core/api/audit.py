"""`/api/v1/audit`: who was let in to do what in the caller's tenant, and who was not."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request

from ops_core.api.dependencies import TenantId, in_query, once, services_of
from ops_core.api.identity_views import AuditPageView
from ops_core.api.openapi import problems
from ops_core.query import AuditQuery

router = APIRouter(prefix="/api/v1/audit", tags=["audit"])


@router.get("", dependencies=[Depends(once)], responses=problems(422, 503))
async def list_audit(
    request: Request, tenant_id: TenantId, query: Annotated[AuditQuery, Query()]
) -> AuditPageView:
    """One page of the audit log, newest first."""
    with in_query():
        page = await services_of(request).audit.page(
            query.where(), tenant_id=tenant_id, limit=query.limit, cursor=query.cursor
        )
    return AuditPageView.of(page)
