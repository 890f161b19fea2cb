"""`/api/v1/approvals`: calls that need a person's leave, of all tasks."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response

from ops_core.api.ask_views import ApprovalPageView, ApprovalView, LinkView
from ops_core.api.dependencies import (
    SentApproval,
    TenantId,
    Who,
    in_query,
    json_bytes,
    no_query,
    once,
    services_of,
)
from ops_core.api.openapi import json_body, problems
from ops_core.api.resolving import Key, resolved
from ops_core.asks.approvals import ApprovalService
from ops_core.asks.links import ApprovalLinks
from ops_core.asks.query import ApprovalQuery
from ops_core.bodies import parsed_json
from ops_core.replies import ApprovalReply, LinkRequest

router = APIRouter(prefix="/api/v1/approvals", tags=["approvals"])


async def _approvals(request: Request) -> ApprovalService:
    return services_of(request).approvals


async def _links(request: Request) -> ApprovalLinks:
    return services_of(request).links


async def _link(request: Request) -> LinkRequest:
    return parsed_json(LinkRequest, await json_bytes(request, "link"))


Approvals = Annotated[ApprovalService, Depends(_approvals)]


@router.get("/", dependencies=[Depends(once)], responses=problems(422, 503))
async def list_approvals(
    approvals: Approvals, tenant_id: TenantId, query: Annotated[ApprovalQuery, Query()]
) -> ApprovalPageView:
    """One page of approvals, newest first, stable under inserts."""
    with in_query():
        page = await approvals.list(
            tenant_id=tenant_id,
            status=query.status,
            task_id=query.task_id,
            limit=query.limit,
            cursor=query.cursor,
        )
    return ApprovalPageView.of(page)


@router.get("/{approval_id}", dependencies=[Depends(no_query)], responses=problems(404, 422, 503))
async def get_approval(approval_id: str, approvals: Approvals, tenant_id: TenantId) -> ApprovalView:
    """One approval."""
    return ApprovalView.of(await approvals.get(approval_id, tenant_id=tenant_id))


@router.post(
    "/{approval_id}/resolve",
    dependencies=[Depends(no_query)],
    openapi_extra=json_body(ApprovalReply, {"decision": "approve", "comment": "Once."}),
    responses=problems(404, 408, 409, 413, 415, 422, 503),
)
async def resolve_approval_by_id(
    approval_id: str,
    response: Response,
    approvals: Approvals,
    who: Who,
    sent: SentApproval,
    idempotency_key: Key = None,
) -> ApprovalView:
    """Approves or rejects a call, once; when this answers 200, the decision is on disk."""
    done = await approvals.resolve(
        approval_id,
        sent,
        tenant_id=who.tenant_id,
        by=who.subject,
        idempotency_key=idempotency_key,
    )
    return ApprovalView.of(resolved(done, response))


@router.post(
    "/{approval_id}/links",
    status_code=201,
    dependencies=[Depends(no_query)],
    openapi_extra=json_body(LinkRequest, {"decisions": ["approve", "reject"]}),
    responses=problems(404, 408, 409, 413, 415, 422, 503),
)
async def create_approval_link(
    approval_id: str,
    request: Request,
    links: Annotated[ApprovalLinks, Depends(_links)],
    who: Who,
    sent: Annotated[LinkRequest, Depends(_link)],
) -> LinkView:
    """A signed link that decides this approval, for somebody who has no other way in."""
    link = await links.make(approval_id, sent, tenant_id=who.tenant_id, by=who.subject)
    return LinkView.of(link, str(request.base_url))
