"""The composition root of webhooks: what sends them."""

import asyncio
from collections.abc import Mapping

from ops_core.a2a.notification import notification
from ops_core.asks.deciding import HookDecisions
from ops_core.services import Services
from ops_core.store import Database, SqlDeliveries
from ops_core.webhooks.deliverer import Deliverer
from ops_core.webhooks.port import Answer, Sender
from ops_core.webhooks.verdict import Patience
from opspawn.settings import Settings


def deliverer_of(settings: Settings, database: Database, services: Services) -> Deliverer:
    """What sends them, in the dispatcher's process, and does what their receivers decide."""
    return Deliverer(
        SqlDeliveries(database),
        _SenderWhenNeeded(settings),
        patience=Patience(
            max_attempts=settings.webhook_max_attempts,
            give_up_s=settings.webhook_give_up_s,
            disable_after_s=settings.webhook_disable_after_days * 86_400,
        ),
        concurrency=settings.webhook_concurrency,
        timeout_s=settings.webhook_timeout_s,
        pushed=notification,
        decisions=HookDecisions(services.approvals, services.inputs, gate=services.gate),
    )


class _SenderWhenNeeded:
    """`Sender` that is made at the first delivery: most servers send nothing, and need no client of HTTP."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._making = asyncio.Lock()
        self._sender: Sender | None = None

    async def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        sender = self._sender or await self._prepared()
        return await sender.post(url, body, headers)

    async def _prepared(self) -> Sender:
        async with self._making:  # whoever comes meanwhile waits for the same one
            if self._sender is None:
                self._sender = await asyncio.to_thread(self._made)
            return self._sender

    def _made(self) -> Sender:
        from opspawn.webhook_sender import egress_sender

        return egress_sender(self._settings)
