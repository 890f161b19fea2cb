"""`/api/v1/deliveries`: what was sent to webhooks, and sending it again."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query

from ops_core.api.dependencies import TenantId, in_query, no_query, once
from ops_core.api.openapi import problems
from ops_core.api.webhook_views import DeliveryPageView, DeliveryView
from ops_core.api.webhooks import Webhooks
from ops_core.query import PageQuery

router = APIRouter(prefix="/api/v1", tags=["webhooks"])


@router.get(
    "/tasks/{task_id}/deliveries", dependencies=[Depends(once)], responses=problems(404, 422, 503)
)
async def list_task_deliveries(
    task_id: str, service: Webhooks, tenant_id: TenantId, query: Annotated[PageQuery, Query()]
) -> DeliveryPageView:
    """What was sent of a task, to its own webhook and to subscriptions, newest first."""
    with in_query():
        page = await service.task_deliveries(
            task_id, tenant_id=tenant_id, limit=query.limit, cursor=query.cursor
        )
    return DeliveryPageView.of(page)


@router.get(
    "/deliveries/{delivery_id}", dependencies=[Depends(no_query)], responses=problems(404, 422, 503)
)
async def get_delivery(delivery_id: str, service: Webhooks, tenant_id: TenantId) -> DeliveryView:
    """One delivery, with its attempts."""
    return DeliveryView.of(await service.delivery(delivery_id, tenant_id=tenant_id))


@router.post(
    "/deliveries/{delivery_id}/redeliver",
    status_code=202,
    dependencies=[Depends(no_query)],
    responses=problems(404, 422, 503),
)
async def redeliver(delivery_id: str, service: Webhooks, tenant_id: TenantId) -> DeliveryView:
    """Sends it again, however it ended, under the same `webhook-id`."""
    return DeliveryView.of(await service.redeliver(delivery_id, tenant_id=tenant_id))
