"""The JSON of webhooks and of what was sent to them."""

from typing import Self

from pydantic import BaseModel, Field

from ops_core.api.views import Time
from ops_core.webhooks.model import (
    Attempt,
    Delivery,
    DeliveryPage,
    DeliveryStatus,
    Issued,
    Webhook,
    WebhookPage,
)


class WebhookView(BaseModel):
    """A subscription. Its secret is only shown when it is made."""

    webhook_id: str = Field(examples=["hook_0123456789abcdef0123456789abcdef"])
    url: str
    events: list[str] = Field(examples=[["task.*"]])
    task_type: str | None
    agent: str | None
    labels: dict[str, str]
    enabled: bool
    disabled_reason: str | None = Field(
        description="`gone` (the receiver said 410) or `failing` (for days), when we disabled it."
    )
    failing_since: Time | None = Field(description="The first failure since the last success.")
    description: str | None
    decides: bool = Field(description="Whether what it answers resolves approvals and inputs.")
    tenant_id: str
    created_by: str
    created_at: Time
    updated_at: Time

    @classmethod
    def of(cls, webhook: Webhook) -> Self:
        return cls(**fields_of(webhook))


class IssuedView(WebhookView):
    """A subscription with its new secret, which is shown this once."""

    secret: str = Field(examples=["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"])

    @classmethod
    def issued(cls, issued: Issued) -> Self:
        return cls(**fields_of(issued.webhook), secret=issued.secret.get_secret_value())


class WebhookPageView(BaseModel):
    """One page of webhooks, newest first."""

    webhooks: list[WebhookView]
    total: int
    next_cursor: str | None = Field(description="Null on the last page.")

    @classmethod
    def of(cls, page: WebhookPage) -> Self:
        found = [WebhookView.of(webhook) for webhook in page.webhooks]
        return cls(webhooks=found, total=page.total, next_cursor=page.next_cursor)


class AttemptView(BaseModel):
    """One request to the receiver."""

    at: Time
    status_code: int | None = Field(description="Null when no answer came.")
    duration_s: float
    error: str | None = Field(description="Why it did not count; null for a delivery.")
    response: str | None = Field(
        description="How the answer began: at most 1,000 characters; null of one that decided."
    )
    decision: str | None = Field(
        description="What an answer that decides came to: the status that it gave to the approval or input, "
        "or `late`."
    )

    @classmethod
    def of(cls, attempt: Attempt) -> Self:
        return cls(
            at=attempt.at,
            status_code=attempt.status_code,
            duration_s=attempt.duration_s,
            error=attempt.error,
            response=attempt.response,
            decision=attempt.decision,
        )


class DeliveryView(BaseModel):
    """An event for a webhook. `delivery_id` is what the receiver sees as `webhook-id`."""

    delivery_id: str = Field(examples=["dlv_0123456789abcdef0123456789abcdef"])
    webhook_id: str
    task_id: str | None = Field(description="Null for a test.")
    seq: int | None
    type: str = Field(examples=["task.completed"])
    status: DeliveryStatus
    tries: int = Field(description="Since it was made, or was last asked for again.")
    next_at: Time | None = Field(description="When it is sent next; null unless it is pending.")
    created_at: Time
    ended_at: Time | None
    attempts: list[AttemptView] = Field(description="The last 20, newest last.")

    @classmethod
    def of(cls, delivery: Delivery) -> Self:
        return cls(
            delivery_id=delivery.delivery_id,
            webhook_id=delivery.webhook_id,
            task_id=delivery.task_id,
            seq=delivery.seq,
            type=delivery.type,
            status=delivery.status,
            tries=delivery.tries,
            next_at=delivery.next_at,
            created_at=delivery.created_at,
            ended_at=delivery.ended_at,
            attempts=[AttemptView.of(attempt) for attempt in delivery.attempts],
        )


class DeliveryPageView(BaseModel):
    """One page of deliveries, newest first."""

    deliveries: list[DeliveryView]
    next_cursor: str | None = Field(description="Null on the last page.")

    @classmethod
    def of(cls, page: DeliveryPage) -> Self:
        found = [DeliveryView.of(delivery) for delivery in page.deliveries]
        return cls(deliveries=found, next_cursor=page.next_cursor)


def fields_of(webhook: Webhook) -> dict[str, object]:
    spec = webhook.spec
    return {
        "webhook_id": webhook.webhook_id,
        "url": spec.url,
        "events": list(spec.events),
        "task_type": spec.task_type,
        "agent": spec.agent,
        "labels": spec.labels,
        "enabled": spec.enabled,
        "disabled_reason": webhook.disabled_reason,
        "failing_since": webhook.failing_since,
        "description": spec.description,
        "decides": spec.decides,
        "tenant_id": webhook.tenant_id,
        "created_by": webhook.created_by,
        "created_at": webhook.created_at,
        "updated_at": webhook.updated_at,
    }
