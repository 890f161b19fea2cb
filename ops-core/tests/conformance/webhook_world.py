"""Webhooks beside a store of tasks, and the clock of both."""

from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import SecretStr
from store_world import World

from ops_core.webhooks.model import Attempt, Claimed, Delivery, DeliveryStatus, HookSpec, Webhook
from ops_core.webhooks.port import DeliveryStore, Outcome, WebhookStore
from ops_core.webhooks.signing import new_secret

LEASE_S = 45.0
URL = "https://example.org/hook"


@dataclass
class Hooks:
    """Both sides of webhooks: the doors' and the dispatcher's."""

    world: World
    webhooks: WebhookStore
    deliveries: DeliveryStore

    async def subscribe(
        self,
        *events: str,
        tenant_id: str = "default",
        secret: SecretStr | None = None,
        **spec: object,
    ) -> Webhook:
        found = HookSpec(url=URL, events=events or ("*",), **spec)  # type: ignore[arg-type]
        return await self.webhooks.create(
            tenant_id, found, secret or new_secret(), by="somebody", limit=50
        )

    async def claim(
        self,
        limit: int = 10,
        busy: tuple[str, ...] = (),
        under_way: Mapping[str, int] | None = None,
        per_tenant: int = 100,
    ) -> list[Claimed]:
        found = await self.deliveries.claim(
            limit, busy=busy, under_way=under_way or {}, per_tenant=per_tenant, lease_s=LEASE_S
        )
        return list(found.claimed)

    async def claim_one(self) -> Claimed:
        [claimed] = await self.claim()
        return claimed

    async def record(self, claimed: Claimed, status: str, **more: object) -> bool:
        error = None if status == "delivered" else "no"
        outcome = Outcome(status=DeliveryStatus(status), **more)  # type: ignore[arg-type]
        return await self.deliveries.record(claimed, attempt_of(claimed, error), outcome)

    async def types(self, **where: str) -> list[str]:
        """The types of what was made, oldest first."""
        return [delivery.type for delivery in await self.made(**where)]

    async def made(self, **where: str) -> list[Delivery]:
        page = await self.webhooks.deliveries("default", limit=100, cursor=None, **where)
        return sorted(page.deliveries, key=lambda delivery: delivery.seq or 0)


def attempt_of(claimed: Claimed, error: str | None = None) -> Attempt:
    code = 200 if error is None else 500
    return Attempt(at=claimed.now, status_code=code, duration_s=0.1, error=error, response=error)
