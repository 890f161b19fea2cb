"""Webhooks: what the server says of them and of what it sent, and the calls."""

from datetime import datetime
from typing import Any

from pydantic import Field, SecretStr

from opspawn.client.call import Call, Json, forget, get, given, patch, post, segment
from opspawn.client.reading import page_of
from opspawn.client.views import Page, View


class Webhook(View):
    """A subscription to the events of tasks."""

    webhook_id: str
    tenant_id: str = "default"
    url: str
    events: list[str]
    task_type: str | None = None
    agent: str | None = None
    labels: dict[str, str] = Field(default_factory=dict)
    enabled: bool = True
    disabled_reason: str | None = None
    failing_since: datetime | None = None
    description: str | None = None
    decides: bool = False
    created_by: str | None = None
    created_at: datetime
    updated_at: datetime


class IssuedWebhook(Webhook):
    """A subscription with the secret that signs from now on: `secret.get_secret_value()`, this once."""

    secret: SecretStr


class Delivery(View):
    """An event for a webhook; a receiver sees `delivery_id` as `webhook-id`."""

    delivery_id: str
    webhook_id: str
    task_id: str | None = None
    seq: int | None = None
    type: str
    status: str
    tries: int = 0
    next_at: datetime | None = None
    created_at: datetime
    ended_at: datetime | None = None
    attempts: list[dict[str, Any]] = Field(default_factory=list)


def create(url: str, fields: Json) -> Call[IssuedWebhook]:
    # The server knows no key here: a second one would be another subscription.
    body = {"url": url, **given(fields)}
    return post("/webhooks/", IssuedWebhook.model_validate, body, repeatable=False)


def webhook(webhook_id: str) -> Call[Webhook]:
    return get(_path(webhook_id), Webhook.model_validate)


def webhooks(where: Json) -> Call[Page[Webhook]]:
    return get("/webhooks/", page_of("webhooks", Webhook), **where)


def change(webhook_id: str, fields: Json) -> Call[Webhook]:
    return patch(_path(webhook_id), Webhook.model_validate, fields)


def remove(webhook_id: str) -> Call[None]:
    return forget(_path(webhook_id))


def rotate(webhook_id: str, overlap_s: float | None) -> Call[IssuedWebhook]:
    # A second one would end the overlap of the secret that receivers still have.
    body = given({"overlap_s": overlap_s})
    path = f"{_path(webhook_id)}/rotate-secret"
    return post(path, IssuedWebhook.model_validate, body, repeatable=False)


def test(webhook_id: str) -> Call[Delivery]:
    return post(f"{_path(webhook_id)}/test", Delivery.model_validate, repeatable=False)


def deliveries(webhook_id: str) -> Call[Page[Delivery]]:
    return get(f"{_path(webhook_id)}/deliveries", page_of("deliveries", Delivery))


def task_deliveries(task_id: str) -> Call[Page[Delivery]]:
    return get(f"/tasks/{segment(task_id)}/deliveries", page_of("deliveries", Delivery))


def delivery(delivery_id: str) -> Call[Delivery]:
    return get(f"/deliveries/{segment(delivery_id)}", Delivery.model_validate)


def redeliver(delivery_id: str) -> Call[Delivery]:
    # Receivers know the delivery by its id, so that a second one does no harm.
    return post(f"/deliveries/{segment(delivery_id)}/redeliver", Delivery.model_validate)


def _path(webhook_id: str) -> str:
    return f"/webhooks/{segment(webhook_id)}"
