"""`WebhookService` of webhooks.proto: each method one call of the service."""

from typing import Any

import grpc.aio

from ops_core.rpc.calls import principal
from ops_core.rpc.v1 import webhooks_pb2, webhooks_pb2_grpc
from ops_core.rpc.webhook_convert import (
    delivery_message,
    page_of,
    required,
    rotate_request,
    webhook_change,
    webhook_message,
    webhook_request,
)
from ops_core.webhooks.service import WebhookService

Context = grpc.aio.ServicerContext[Any, Any]


class Webhooks(webhooks_pb2_grpc.WebhookServiceServicer):
    """Raises our errors as they are: `Calls` turns them into statuses."""

    def __init__(self, service: WebhookService) -> None:
        self._service = service

    async def CreateWebhook(  # noqa: N802  # the names are the contract's
        self, request: webhooks_pb2.CreateWebhookRequest, context: Context
    ) -> webhooks_pb2.CreateWebhookResponse:
        who = principal(context)
        issued = await self._service.create(webhook_request(request), by=who)
        return webhooks_pb2.CreateWebhookResponse(
            webhook=webhook_message(issued.webhook), secret=issued.secret.get_secret_value()
        )

    async def GetWebhook(  # noqa: N802
        self, request: webhooks_pb2.GetWebhookRequest, context: Context
    ) -> webhooks_pb2.GetWebhookResponse:
        webhook = await self._service.get(
            required("webhook_id", request.webhook_id), tenant_id=principal(context).tenant_id
        )
        return webhooks_pb2.GetWebhookResponse(webhook=webhook_message(webhook))

    async def ListWebhooks(  # noqa: N802
        self, request: webhooks_pb2.ListWebhooksRequest, context: Context
    ) -> webhooks_pb2.ListWebhooksResponse:
        query = page_of(request)
        page = await self._service.list(
            tenant_id=principal(context).tenant_id, limit=query.limit, cursor=query.cursor
        )
        return webhooks_pb2.ListWebhooksResponse(
            webhooks=[webhook_message(webhook) for webhook in page.webhooks],
            total=page.total,
            next_cursor=page.next_cursor,
        )

    async def ChangeWebhook(  # noqa: N802
        self, request: webhooks_pb2.ChangeWebhookRequest, context: Context
    ) -> webhooks_pb2.ChangeWebhookResponse:
        webhook = await self._service.change(
            required("webhook_id", request.webhook_id),
            webhook_change(request),
            by=principal(context),
        )
        return webhooks_pb2.ChangeWebhookResponse(webhook=webhook_message(webhook))

    async def DeleteWebhook(  # noqa: N802
        self, request: webhooks_pb2.DeleteWebhookRequest, context: Context
    ) -> webhooks_pb2.DeleteWebhookResponse:
        await self._service.delete(
            required("webhook_id", request.webhook_id), tenant_id=principal(context).tenant_id
        )
        return webhooks_pb2.DeleteWebhookResponse()

    async def RotateWebhookSecret(  # noqa: N802
        self, request: webhooks_pb2.RotateWebhookSecretRequest, context: Context
    ) -> webhooks_pb2.RotateWebhookSecretResponse:
        issued = await self._service.rotate(
            required("webhook_id", request.webhook_id),
            rotate_request(request),
            tenant_id=principal(context).tenant_id,
        )
        return webhooks_pb2.RotateWebhookSecretResponse(
            webhook=webhook_message(issued.webhook), secret=issued.secret.get_secret_value()
        )

    async def TestWebhook(  # noqa: N802
        self, request: webhooks_pb2.TestWebhookRequest, context: Context
    ) -> webhooks_pb2.TestWebhookResponse:
        delivery = await self._service.test(
            required("webhook_id", request.webhook_id), tenant_id=principal(context).tenant_id
        )
        return webhooks_pb2.TestWebhookResponse(delivery=delivery_message(delivery))

    async def ListWebhookDeliveries(  # noqa: N802
        self, request: webhooks_pb2.ListWebhookDeliveriesRequest, context: Context
    ) -> webhooks_pb2.ListWebhookDeliveriesResponse:
        query = page_of(request)
        page = await self._service.deliveries(
            required("webhook_id", request.webhook_id),
            tenant_id=principal(context).tenant_id,
            limit=query.limit,
            cursor=query.cursor,
        )
        return webhooks_pb2.ListWebhookDeliveriesResponse(
            deliveries=[delivery_message(delivery) for delivery in page.deliveries],
            next_cursor=page.next_cursor,
        )

    async def ListTaskDeliveries(  # noqa: N802
        self, request: webhooks_pb2.ListTaskDeliveriesRequest, context: Context
    ) -> webhooks_pb2.ListTaskDeliveriesResponse:
        query = page_of(request)
        page = await self._service.task_deliveries(
            required("task_id", request.task_id),
            tenant_id=principal(context).tenant_id,
            limit=query.limit,
            cursor=query.cursor,
        )
        return webhooks_pb2.ListTaskDeliveriesResponse(
            deliveries=[delivery_message(delivery) for delivery in page.deliveries],
            next_cursor=page.next_cursor,
        )

    async def GetDelivery(  # noqa: N802
        self, request: webhooks_pb2.GetDeliveryRequest, context: Context
    ) -> webhooks_pb2.GetDeliveryResponse:
        delivery = await self._service.delivery(
            required("delivery_id", request.delivery_id), tenant_id=principal(context).tenant_id
        )
        return webhooks_pb2.GetDeliveryResponse(delivery=delivery_message(delivery))

    async def Redeliver(  # noqa: N802
        self, request: webhooks_pb2.RedeliverRequest, context: Context
    ) -> webhooks_pb2.RedeliverResponse:
        delivery = await self._service.redeliver(
            required("delivery_id", request.delivery_id), tenant_id=principal(context).tenant_id
        )
        return webhooks_pb2.RedeliverResponse(delivery=delivery_message(delivery))
