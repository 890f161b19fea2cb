"""`/api/v1/webhooks`: subscriptions to events, each route one call of the service."""

from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Query, Request, Response

from ops_core.api.dependencies import (
    TenantId,
    Who,
    in_query,
    json_bytes,
    no_query,
    once,
    services_of,
)
from ops_core.api.openapi import json_body, problems
from ops_core.api.webhook_views import (
    DeliveryPageView,
    DeliveryView,
    IssuedView,
    WebhookPageView,
    WebhookView,
)
from ops_core.bodies import parsed_json
from ops_core.query import PageQuery
from ops_core.webhooks.request import RotateRequest, WebhookChange, WebhookRequest
from ops_core.webhooks.service import WebhookService

PREFIX: Final = "/api/v1/webhooks"

router = APIRouter(prefix=PREFIX, tags=["webhooks"])

_EXAMPLE: Final[dict[str, Any]] = {"url": "https://example.org/hooks", "events": ["task.*"]}


async def _webhooks(request: Request) -> WebhookService:
    return services_of(request).webhooks


async def _sent(request: Request) -> WebhookRequest:
    return parsed_json(WebhookRequest, await json_bytes(request, "webhook") or b"{}")


async def _change(request: Request) -> WebhookChange:
    return parsed_json(WebhookChange, await json_bytes(request, "change") or b"{}")


async def _rotate(request: Request) -> RotateRequest:
    return parsed_json(RotateRequest, await json_bytes(request, "rotation") or b"{}")


Webhooks = Annotated[WebhookService, Depends(_webhooks)]


@router.post(
    "/",
    status_code=201,
    dependencies=[Depends(no_query)],
    openapi_extra=json_body(WebhookRequest, _EXAMPLE),
    responses=problems(408, 409, 413, 415, 422, 503),
)
async def create_webhook(
    request: Request,
    response: Response,
    service: Webhooks,
    who: Who,
    sent: Annotated[WebhookRequest, Depends(_sent)],
) -> IssuedView:
    """Events from now on are sent there. The answer has the secret, which is not shown again."""
    issued = await service.create(sent, by=who)
    root = request.scope.get("root_path", "")
    response.headers["Location"] = f"{root}{PREFIX}/{issued.webhook.webhook_id}"
    return IssuedView.issued(issued)


@router.get("/", dependencies=[Depends(once)], responses=problems(422, 503))
async def list_webhooks(
    service: Webhooks, tenant_id: TenantId, query: Annotated[PageQuery, Query()]
) -> WebhookPageView:
    """One page of subscriptions, newest first; webhooks of single tasks are not among them."""
    with in_query():
        page = await service.list(tenant_id=tenant_id, limit=query.limit, cursor=query.cursor)
    return WebhookPageView.of(page)


@router.get("/{webhook_id}", dependencies=[Depends(no_query)], responses=problems(404, 422, 503))
async def get_webhook(webhook_id: str, service: Webhooks, tenant_id: TenantId) -> WebhookView:
    """One subscription."""
    return WebhookView.of(await service.get(webhook_id, tenant_id=tenant_id))


@router.patch(
    "/{webhook_id}",
    dependencies=[Depends(no_query)],
    openapi_extra=json_body(WebhookChange, {"enabled": True}),
    responses=problems(404, 408, 413, 415, 422, 503),
)
async def change_webhook(
    webhook_id: str,
    service: Webhooks,
    who: Who,
    sent: Annotated[WebhookChange, Depends(_change)],
) -> WebhookView:
    """Changes what is named. What is due goes where the webhook then leads."""
    return WebhookView.of(await service.change(webhook_id, sent, by=who))


@router.delete(
    "/{webhook_id}",
    status_code=204,
    dependencies=[Depends(no_query)],
    responses=problems(404, 422, 503),
)
async def delete_webhook(webhook_id: str, service: Webhooks, tenant_id: TenantId) -> None:
    """Forgets it, with its deliveries."""
    await service.delete(webhook_id, tenant_id=tenant_id)


@router.post(
    "/{webhook_id}/rotate-secret",
    dependencies=[Depends(no_query)],
    openapi_extra=json_body(RotateRequest, {"overlap_s": 3600}),
    responses=problems(404, 408, 413, 415, 422, 503),
)
async def rotate_webhook_secret(
    webhook_id: str,
    service: Webhooks,
    tenant_id: TenantId,
    sent: Annotated[RotateRequest, Depends(_rotate)],
) -> IssuedView:
    """A new secret, shown this once. The one of before signs as well for `overlap_s`."""
    return IssuedView.issued(await service.rotate(webhook_id, sent, tenant_id=tenant_id))


@router.post(
    "/{webhook_id}/test",
    status_code=202,
    dependencies=[Depends(no_query)],
    responses=problems(404, 422, 503),
)
async def test_webhook(webhook_id: str, service: Webhooks, tenant_id: TenantId) -> DeliveryView:
    """Sends a `webhook.test`; the delivery says what came of it."""
    return DeliveryView.of(await service.test(webhook_id, tenant_id=tenant_id))


@router.get(
    "/{webhook_id}/deliveries", dependencies=[Depends(once)], responses=problems(404, 422, 503)
)
async def list_webhook_deliveries(
    webhook_id: str, service: Webhooks, tenant_id: TenantId, query: Annotated[PageQuery, Query()]
) -> DeliveryPageView:
    """What was sent to it, newest first."""
    with in_query():
        page = await service.deliveries(
            webhook_id, tenant_id=tenant_id, limit=query.limit, cursor=query.cursor
        )
    return DeliveryPageView.of(page)
