"""What webhooks ask of a store, and of the network. The fake store is `ops_core.testing.MemoryWebhooks`."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from pydantic import SecretStr

from ops_core.webhooks.model import (
    Attempt,
    Claimed,
    Delivery,
    DeliveryPage,
    DeliveryStatus,
    HookSpec,
    Webhook,
    WebhookPage,
)


class WebhookStore(Protocol):
    """Subscriptions and deliveries as the doors see them: every call acts for one tenant.

    Raises `StoreUnavailable` when PostgreSQL is away.
    """

    async def create(
        self, tenant_id: str, spec: HookSpec, secret: SecretStr, *, by: str, limit: int
    ) -> Webhook:
        """Raises `TooManyWebhooks` when the tenant has `limit` of them."""
        ...

    async def get(self, tenant_id: str, webhook_id: str) -> Webhook:
        """Raises `WebhookNotFound`."""
        ...

    async def page(self, tenant_id: str, *, limit: int, cursor: str | None) -> WebhookPage:
        """Newest first, stable under inserts. Raises `InvalidRequest` for a cursor it did not give out."""
        ...

    async def change(self, tenant_id: str, webhook_id: str, spec: HookSpec) -> Webhook:
        """Replaces the spec. One that is enabled again starts without failures. Raises `WebhookNotFound`."""
        ...

    async def delete(self, tenant_id: str, webhook_id: str) -> None:
        """With its deliveries, which upkeep forgets. Raises `WebhookNotFound`."""
        ...

    async def rotate(
        self, tenant_id: str, webhook_id: str, secret: SecretStr, *, overlap_s: float
    ) -> Webhook:
        """The secret of before signs as well for `overlap_s`. Raises `WebhookNotFound`."""
        ...

    async def ping(self, tenant_id: str, webhook_id: str) -> Delivery:
        """Makes a delivery that is about no task. Raises `WebhookNotFound`."""
        ...

    async def deliveries(
        self,
        tenant_id: str,
        *,
        webhook_id: str | None = None,
        task_id: str | None = None,
        limit: int,
        cursor: str | None,
    ) -> DeliveryPage:
        """Of a subscription or of a task, newest first. Raises `InvalidRequest` for a wrong cursor."""
        ...

    async def delivery(self, tenant_id: str, delivery_id: str) -> Delivery:
        """Raises `DeliveryNotFound`."""
        ...

    async def redeliver(self, tenant_id: str, delivery_id: str) -> Delivery:
        """Makes it due now, with all its tries before it. Raises `DeliveryNotFound`."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What is to be recorded of an attempt."""

    status: DeliveryStatus
    retry_in_s: float | None = None
    """Only of one that stays pending."""

    disables: str | None = None
    """Why the webhook is disabled with it."""


class Taken(NamedTuple):
    """What one claim came to."""

    claimed: Sequence[Claimed]
    failed: int
    """Due for webhooks that are disabled: there may be more of them in the way of others."""


class DeliveryStore(Protocol):
    """Deliveries as the dispatcher sees them: of all tenants."""

    async def claim(
        self,
        limit: int,
        *,
        busy: Collection[str],
        under_way: Mapping[str, int],
        per_tenant: int,
        lease_s: float,
    ) -> Taken:
        """Takes what is due, but for webhooks that are `busy`; no tenant comes to more than `per_tenant`.

        `under_way`: how many places each tenant has. The tenant with the fewest is next, and of a tenant what
        is overdue for longest.

        A claim is a try. What is not recorded within `lease_s` is due again: its dispatcher has died.
        What is due for a webhook that is disabled fails here, in bulk.
        """
        ...

    async def record(self, claimed: Claimed, attempt: Attempt, outcome: Outcome) -> bool:
        """False when the claim is not ours any more: the lease ran out, or a client asked for it again."""
        ...

    async def prune(self, older_than_s: float, limit: int) -> int:
        """Deletes deliveries that ended so long ago, or whose webhook was deleted; returns how many."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a receiver answered."""

    status_code: int
    body: bytes = b""
    """How it began."""

    cut: bool = False
    """Whether there was more than the sender reads."""

    retry_after_s: float | None = None

    @property
    def is_success(self) -> bool:
        return 200 <= self.status_code < 300


class Refused(Exception):
    """The destination is not allowed; trying again will not help."""


class NoAnswer(Exception):
    """The request went out, or tried to, and no answer came."""


class Undecided(Exception):
    """A receiver answered what decides nothing; the text says why, and repeats nothing of it."""


class Decisions(Protocol):
    """Takes what receivers that may decide answer."""

    async def take(self, claimed: Claimed, answer: Answer) -> str | None:
        """What it came to: the status that it gave to what was asked, or `late`; None when nothing was said.

        Taken again it comes to the same: a claim may be made twice. Raises `Undecided`, `StoreUnavailable`.
        """
        ...


class Sender(Protocol):
    """The way to receivers: it decides where requests may go, how long they may take, what is read."""

    async def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        """Raises `Refused`, `NoAnswer`. Follows no redirect."""
        ...
