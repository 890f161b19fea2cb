"""Webhooks and their deliveries."""

from ops_core.errors.kinds import CallerError


class WebhookNotFound(CallerError):
    """There is no such webhook, or it belongs to another tenant (the answer is the same)."""

    type = "webhook_not_found"

    def __init__(self, webhook_id: str) -> None:
        super().__init__(f"There is no webhook {webhook_id[:100]!r}.")


class DeliveryNotFound(CallerError):
    """There is no such delivery, or it belongs to another tenant (the answer is the same)."""

    type = "delivery_not_found"

    def __init__(self, delivery_id: str) -> None:
        super().__init__(f"There is no delivery {delivery_id[:100]!r}; old ones are deleted.")


class TooManyWebhooks(CallerError):
    """Each event is compared with every webhook of its tenant, so there is an end to them."""

    type = "too_many_webhooks"

    def __init__(self, limit: int) -> None:
        super().__init__(
            f"There are {limit} webhooks, which is as many as there may be; delete one, "
            "or ask an existing one for more events."
        )
