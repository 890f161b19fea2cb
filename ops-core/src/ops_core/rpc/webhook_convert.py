"""Between messages of webhooks.proto and values."""

from typing import Any

from google.protobuf.message import Message
from pydantic import ValidationError

from ops_core.bodies import parsed
from ops_core.errors import FieldError, InvalidRequest
from ops_core.query import PageQuery
from ops_core.request import invalid
from ops_core.rpc.v1 import webhooks_pb2
from ops_core.webhooks.model import Delivery, Webhook
from ops_core.webhooks.request import RotateRequest, WebhookChange, WebhookRequest

#: Where an empty text takes away what was there.
_CLEARED = ("task_type", "agent", "description")


def webhook_message(webhook: Webhook) -> webhooks_pb2.Webhook:
    """Fields that a webhook does not have are absent."""
    spec = webhook.spec
    return webhooks_pb2.Webhook(
        webhook_id=webhook.webhook_id,
        url=spec.url,
        events=spec.events,
        task_type=spec.task_type,
        agent=spec.agent,
        labels=spec.labels,
        enabled=spec.enabled,
        disabled_reason=webhook.disabled_reason,
        failing_since=webhook.failing_since,
        description=spec.description,
        decides=spec.decides,
        tenant_id=webhook.tenant_id,
        created_by=webhook.created_by,
        created_at=webhook.created_at,
        updated_at=webhook.updated_at,
    )


def delivery_message(delivery: Delivery) -> webhooks_pb2.Delivery:
    """Fields that a delivery does not have are absent."""
    return webhooks_pb2.Delivery(
        delivery_id=delivery.delivery_id,
        webhook_id=delivery.webhook_id,
        task_id=delivery.task_id,
        seq=delivery.seq,
        type=delivery.type,
        status=f"DELIVERY_STATUS_{delivery.status.name}",
        tries=delivery.tries,
        next_at=delivery.next_at,
        created_at=delivery.created_at,
        ended_at=delivery.ended_at,
        attempts=[
            webhooks_pb2.DeliveryAttempt(
                at=attempt.at,
                status_code=attempt.status_code,
                duration_s=attempt.duration_s,
                error=attempt.error,
                response=attempt.response,
                decision=attempt.decision,
            )
            for attempt in delivery.attempts
        ],
    )


def webhook_request(message: webhooks_pb2.CreateWebhookRequest) -> WebhookRequest:
    """Raises `InvalidRequest` naming each wrong field, as those below do."""
    return parsed(WebhookRequest, _plain(message))


def webhook_change(message: webhooks_pb2.ChangeWebhookRequest) -> WebhookChange:
    data = _plain(message)
    data.pop("webhook_id", None)
    data |= {name: None for name in _CLEARED if data.get(name) == ""}
    if data.pop("clear_labels", False):
        data["labels"] = {}
    return parsed(WebhookChange, data)


def rotate_request(message: webhooks_pb2.RotateWebhookSecretRequest) -> RotateRequest:
    return parsed(
        RotateRequest, {"overlap_s": message.overlap_s} if message.HasField("overlap_s") else {}
    )


def page_of(
    message: webhooks_pb2.ListWebhooksRequest
    | webhooks_pb2.ListWebhookDeliveriesRequest
    | webhooks_pb2.ListTaskDeliveriesRequest,
) -> PageQuery:
    """Which page a list is asked for."""
    data = {n: getattr(message, n) for n in ("limit", "cursor") if message.HasField(n)}
    try:
        return PageQuery.model_validate(data)
    except ValidationError as error:
        raise invalid(error) from None


def required(name: str, value: str) -> str:
    """An id that a message must have."""
    if not value:
        raise InvalidRequest([FieldError(name, "is required")])
    return value


def _plain(message: Message) -> dict[str, Any]:
    """What is set, as the JSON of REST has it."""
    data = {field.name: value for field, value in message.ListFields()}
    if "events" in data:
        data["events"] = list(data["events"])
    if "labels" in data:
        data["labels"] = dict(data["labels"])
    return data
