"""A webhook, and what was sent to it."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from uuid import uuid4

from pydantic import SecretStr

from ops_core.log import Event
from ops_core.push import Push
from ops_core.task import Task


class DeliveryStatus(StrEnum):
    """Where a delivery stands. Beside each state: who moves it on."""

    PENDING = "pending"
    """Due at `next_at`: a dispatcher sends it, and records what came of that."""

    DELIVERED = "delivered"
    """The receiver has answered 2xx. A client may have it sent again."""

    FAILED = "failed"
    """Given up; `attempts` say why. A client may have it sent again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HookSpec:
    """What a client says of a subscription: where to, and which events of which tasks."""

    url: str
    events: tuple[str, ...]
    task_type: str | None = None
    agent: str | None = None
    labels: dict[str, str] = field(default_factory=dict)
    """A task must have all of them."""

    enabled: bool = True
    description: str | None = None
    decides: bool = False
    """Whether what the receiver answers resolves what tasks ask for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook:
    """A subscription. Its secrets never leave the store but to sign, or once to whoever asked for them."""

    webhook_id: str
    tenant_id: str
    spec: HookSpec
    disabled_reason: str | None
    """Why it was disabled by us: `gone` (the receiver said 410) or `failing` (for days)."""

    failing_since: datetime | None
    """The first failure since the last success."""

    created_by: str
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class Issued:
    """A webhook with the secret that signs from now on, shown this once."""

    webhook: Webhook
    secret: SecretStr


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One request to a receiver, and what came of it. Nothing of a secret or of a URL's query is in it."""

    at: datetime
    status_code: int | None
    """None when no answer came."""

    duration_s: float
    error: str | None
    """Why it did not count; None for a delivery."""

    response: str | None
    """How the answer began, at most `MAX_RESPONSE` characters; not of one that decided."""

    decision: str | None = None
    """What an answer that decides came to: the status that it gave to what was asked, or `late`."""


#: What is kept of an answer. Characters.
MAX_RESPONSE = 1000

#: Attempts that a delivery shows; the counts go on. Newest last.
KEPT_ATTEMPTS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """An event for a webhook, and how far it has come. `delivery_id` is the receiver's `webhook-id`."""

    delivery_id: str
    tenant_id: str
    webhook_id: str
    task_id: str | None
    """None for a test."""

    seq: int | None
    type: str
    status: DeliveryStatus
    tries: int
    """Attempts since it was made, or was last asked for again."""

    next_at: datetime | None
    """When it is sent next; null unless it is pending."""

    created_at: datetime
    ended_at: datetime | None
    attempts: tuple[Attempt, ...] = ()


@dataclass(frozen=True, slots=True)
class WebhookPage:
    webhooks: list[Webhook]
    total: int
    next_cursor: str | None


@dataclass(frozen=True, slots=True)
class DeliveryPage:
    deliveries: list[Delivery]
    next_cursor: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Claimed:
    """A delivery that this dispatcher may send now, with all that it takes."""

    delivery: Delivery
    claim: int
    """Tells this claim from every other of the delivery."""

    url: str
    secrets: tuple[SecretStr, ...]
    """All that sign: the newest first, and until its end the one before. None: not signed."""

    asked_at: datetime
    """When it was made, or was last asked for again: from here on it is counted when to give up."""

    now: datetime
    """The clock that decides, at the claim."""

    failing_since: datetime | None
    """Since when every attempt for the webhook has failed."""

    event: Event | None
    """None for a test, and when the task was deleted meanwhile."""

    task: Task | None
    """As it is now."""

    decides: bool = False
    """Whether its answer may resolve what the event asks for."""

    push: Push | None = None
    """The receiver speaks A2A."""


def new_webhook_id() -> str:
    return f"hook_{uuid4().hex}"


def new_delivery_id() -> str:
    return f"dlv_{uuid4().hex}"
