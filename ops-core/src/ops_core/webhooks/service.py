"""What can be done with webhooks: every door is a translation of these methods."""

from dataclasses import asdict
from typing import Final

from ops_core.bodies import parsed
from ops_core.bounds import check_count, checked_id
from ops_core.hook import check_way
from ops_core.identity.needs import check_decides
from ops_core.principal import Principal
from ops_core.service import TaskService
from ops_core.webhooks.model import Delivery, DeliveryPage, HookSpec, Issued, Webhook, WebhookPage
from ops_core.webhooks.port import WebhookStore
from ops_core.webhooks.request import RotateRequest, WebhookChange, WebhookRequest
from ops_core.webhooks.signing import new_secret

#: Subscriptions of one tenant: each event is compared with all of them in the transaction that writes it.
MAX_WEBHOOKS: Final = 50


class WebhookService:
    """`tasks` says whether a task is there whose deliveries are asked for.

    `plain_http`: also a webhook that is reached over http may decide.
    """

    def __init__(
        self, store: WebhookStore, tasks: TaskService, *, plain_http: bool = False
    ) -> None:
        self._store = store
        self._tasks = tasks
        self._plain_http = plain_http

    async def create(self, request: WebhookRequest, *, by: Principal) -> Issued:
        """Events from now on are sent. Raises `TooManyWebhooks`, `MissingScope`, `InvalidRequest`."""
        spec = self._allowed(request, by)
        secret = new_secret()
        webhook = await self._store.create(
            by.tenant_id, spec, secret, by=by.subject, limit=MAX_WEBHOOKS
        )
        return Issued(webhook, secret)

    async def get(self, webhook_id: str, *, tenant_id: str) -> Webhook:
        """Raises `WebhookNotFound`."""
        return await self._store.get(tenant_id, checked_id(webhook_id))

    async def list(
        self, *, tenant_id: str, limit: int = 50, cursor: str | None = None
    ) -> WebhookPage:
        """One page, newest first. Raises `InvalidRequest`."""
        check_count(limit)
        return await self._store.page(tenant_id, limit=limit, cursor=cursor)

    async def change(self, webhook_id: str, change: WebhookChange, *, by: Principal) -> Webhook:
        """What is due goes where the webhook then leads. Of one that decides, only who may decide changes it.

        Raises `WebhookNotFound`, `MissingScope`, `InvalidRequest`.
        """
        seen = await self.get(webhook_id, tenant_id=by.tenant_id)
        now = {**asdict(seen.spec), "events": list(seen.spec.events)}
        request = parsed(WebhookRequest, {**now, **change.sent()})
        # The whole of it is stored: nobody turns another one's change into leave to decide elsewhere.
        return await self._store.change(by.tenant_id, webhook_id, self._allowed(request, by))

    async def delete(self, webhook_id: str, *, tenant_id: str) -> None:
        """Forgets it, and its deliveries with it. Raises `WebhookNotFound`."""
        await self._store.delete(tenant_id, checked_id(webhook_id))

    async def rotate(self, webhook_id: str, request: RotateRequest, *, tenant_id: str) -> Issued:
        """Raises `WebhookNotFound`."""
        secret = new_secret()
        webhook = await self._store.rotate(
            tenant_id, checked_id(webhook_id), secret, overlap_s=request.overlap_s
        )
        return Issued(webhook, secret)

    async def test(self, webhook_id: str, *, tenant_id: str) -> Delivery:
        """Sends a `webhook.test`, which is about no task. Raises `WebhookNotFound`."""
        return await self._store.ping(tenant_id, checked_id(webhook_id))

    async def deliveries(
        self, webhook_id: str, *, tenant_id: str, limit: int = 50, cursor: str | None = None
    ) -> DeliveryPage:
        """What was sent to it, newest first. Raises `WebhookNotFound`, `InvalidRequest`."""
        check_count(limit)
        await self.get(webhook_id, tenant_id=tenant_id)
        return await self._store.deliveries(
            tenant_id, webhook_id=webhook_id, limit=limit, cursor=cursor
        )

    async def task_deliveries(
        self, task_id: str, *, tenant_id: str, limit: int = 50, cursor: str | None = None
    ) -> DeliveryPage:
        """What was sent of a task, newest first. Raises `TaskNotFound`, `InvalidRequest`."""
        check_count(limit)
        await self._tasks.get(task_id, tenant_id=tenant_id)
        return await self._store.deliveries(tenant_id, task_id=task_id, limit=limit, cursor=cursor)

    async def delivery(self, delivery_id: str, *, tenant_id: str) -> Delivery:
        """Raises `DeliveryNotFound`."""
        return await self._store.delivery(tenant_id, checked_id(delivery_id))

    async def redeliver(self, delivery_id: str, *, tenant_id: str) -> Delivery:
        """Sends it again under the same id, however it ended. Raises `DeliveryNotFound`."""
        return await self._store.redeliver(tenant_id, checked_id(delivery_id))

    def _allowed(self, request: WebhookRequest, by: Principal) -> HookSpec:
        check_decides(by, request.decides)
        check_way(request.url, request.decides, "decides", plain=self._plain_http)
        return request.spec()
