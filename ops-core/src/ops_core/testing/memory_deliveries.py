"""Deliveries in memory: the fake of `DeliveryStore`, for tests."""

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from ops_core.errors import DeliveryNotFound
from ops_core.ports import TaskKey
from ops_core.testing.memory_hooks import Hook, MemoryHooks
from ops_core.testing.memory_state import MemoryState
from ops_core.testing.pages import page_of
from ops_core.webhooks.model import (
    KEPT_ATTEMPTS,
    Attempt,
    Claimed,
    Delivery,
    DeliveryPage,
    DeliveryStatus,
    Webhook,
    new_delivery_id,
)
from ops_core.webhooks.port import Outcome, Taken

#: As the store on PostgreSQL takes of one webhook at once, and looks at.
EACH = 4
WINDOW = 100


@dataclass
class _Sent:
    delivery: Delivery
    asked_at: datetime
    claim: int = 0


class MemoryDeliveries(MemoryHooks):
    """`DeliveryStore` over a dictionary, and what doors show of it."""

    def __init__(self, tasks: MemoryState) -> None:
        super().__init__(tasks)
        self._sent: dict[tuple[str, str], _Sent] = {}

    def waiting(self) -> list[datetime]:
        """When each delivery that was not made yet is made next."""
        planned = [sent.delivery.next_at for sent in self._sent.values()]
        return [at for at in planned if at is not None]

    async def deliveries(
        self,
        tenant_id: str,
        *,
        webhook_id: str | None = None,
        task_id: str | None = None,
        limit: int,
        cursor: str | None,
    ) -> DeliveryPage:
        found = [
            sent.delivery
            for (tenant, _), sent in self._sent.items()
            if tenant == tenant_id
            and webhook_id in (None, sent.delivery.webhook_id)
            and task_id in (None, sent.delivery.task_id)
        ]
        return DeliveryPage(*page_of(found, lambda d: (d.created_at, d.delivery_id), limit, cursor))

    async def delivery(self, tenant_id: str, delivery_id: str) -> Delivery:
        return self._one(tenant_id, delivery_id).delivery

    async def redeliver(self, tenant_id: str, delivery_id: str) -> Delivery:
        sent = self._one(tenant_id, delivery_id)
        now = self._clock()
        sent.claim, sent.asked_at = sent.claim + 1, now
        sent.delivery = replace(
            sent.delivery, status=DeliveryStatus.PENDING, tries=0, next_at=now, ended_at=None
        )
        return sent.delivery

    async def claim(
        self,
        limit: int,
        *,
        busy: Collection[str],
        under_way: Mapping[str, int],
        per_tenant: int,
        lease_s: float,
    ) -> Taken:
        now = self._clock()
        due = [
            (key, sent)
            for key, sent in self._sent.items()
            if sent.delivery.next_at is not None
            and sent.delivery.next_at <= now
            and sent.delivery.webhook_id not in busy
        ]
        due.sort(key=lambda found: (found[1].delivery.next_at or now, found[1].delivery.seq or 0))
        taken, turns = Counter[str](), Counter(under_way)
        looked_at: Counter[str] = Counter()
        queue, failed = [], 0
        for (tenant_id, _), sent in due:
            webhook_id = sent.delivery.webhook_id
            hook = self._hooks.get((tenant_id, webhook_id))
            looked_at[tenant_id] += 1
            if looked_at[tenant_id] > WINDOW:
                continue
            if hook is None or not hook.webhook.spec.enabled:
                if failed < WINDOW:
                    self._fail(sent, now)
                    failed += 1
            elif taken[webhook_id] < EACH and turns[tenant_id] < per_tenant:
                taken[webhook_id] += 1
                turns[tenant_id] += 1
                queue.append((turns[tenant_id], tenant_id, hook, sent))
        queue.sort(key=lambda found: found[0])
        claimed = [
            self._claimed(tenant_id, hook, sent, now, lease_s)
            for _, tenant_id, hook, sent in queue[:limit]
        ]
        return Taken(claimed, failed)

    async def record(self, claimed: Claimed, attempt: Attempt, outcome: Outcome) -> bool:
        delivery = claimed.delivery
        sent = self._sent.get((delivery.tenant_id, delivery.delivery_id))
        if sent is None or sent.claim != claimed.claim:
            return False
        now = self._clock()
        pending = outcome.status is DeliveryStatus.PENDING
        sent.delivery = replace(
            sent.delivery,
            status=outcome.status,
            next_at=now + timedelta(seconds=outcome.retry_in_s or 0.0) if pending else None,
            ended_at=None if pending else now,
            attempts=(*sent.delivery.attempts, attempt)[-KEPT_ATTEMPTS:],
        )
        self._mark(delivery, outcome, now)
        return True

    async def prune(self, older_than_s: float, limit: int) -> int:
        before = self._clock() - timedelta(seconds=older_than_s)
        old = [
            k for k, s in self._sent.items() if s.delivery.ended_at and s.delivery.ended_at < before
        ]
        for key in old[:limit]:
            del self._sent[key]
        return len(old[:limit])

    def _forget(self, tenant_id: str, webhook_id: str) -> None:
        super()._forget(tenant_id, webhook_id)
        self._sent = {k: s for k, s in self._sent.items() if s.delivery.webhook_id != webhook_id}

    def _make(self, webhook: Webhook, type_: str, task_id: str | None, seq: int | None) -> Delivery:
        now = self._clock()
        delivery = Delivery(
            delivery_id=new_delivery_id(),
            tenant_id=webhook.tenant_id,
            webhook_id=webhook.webhook_id,
            task_id=task_id,
            seq=seq,
            type=str(type_),
            status=DeliveryStatus.PENDING,
            tries=0,
            next_at=now,
            created_at=now,
            ended_at=None,
        )
        self._sent[webhook.tenant_id, delivery.delivery_id] = _Sent(delivery, now)
        return delivery

    def _fail(self, sent: _Sent, now: datetime) -> None:
        error = "the webhook is disabled"
        said = Attempt(at=now, status_code=None, duration_s=0.0, error=error, response=None)
        sent.claim += 1
        sent.delivery = replace(
            sent.delivery,
            tries=sent.delivery.tries + 1,
            status=DeliveryStatus.FAILED,
            next_at=None,
            ended_at=now,
            attempts=(*sent.delivery.attempts, said),
        )

    def _claimed(
        self, tenant_id: str, hook: Hook, sent: _Sent, now: datetime, lease_s: float
    ) -> Claimed:
        sent.claim += 1
        next_at = now + timedelta(seconds=lease_s)
        sent.delivery = replace(sent.delivery, tries=sent.delivery.tries + 1, next_at=next_at)
        previous = [hook.previous[0]] if hook.previous and hook.previous[1] > now else []
        key = TaskKey(tenant_id, sent.delivery.task_id or "")
        event, task = self._tasks.event_of(key, sent.delivery.seq or 0)
        return Claimed(
            delivery=sent.delivery,
            claim=sent.claim,
            url=hook.webhook.spec.url,
            secrets=(*([hook.secret] if hook.secret else []), *previous),
            asked_at=sent.asked_at,
            now=now,
            failing_since=hook.webhook.failing_since,
            event=event,
            task=task,
            decides=hook.webhook.spec.decides,
            push=hook.push,
        )

    def _mark(self, delivery: Delivery, outcome: Outcome, now: datetime) -> None:
        hook = self._hooks.get((delivery.tenant_id, delivery.webhook_id))
        if hook is None:
            return
        succeeded = outcome.status is DeliveryStatus.DELIVERED
        since = None if succeeded else hook.webhook.failing_since or now
        hook.webhook = replace(hook.webhook, failing_since=since)
        if outcome.disables is not None:
            spec = replace(hook.webhook.spec, enabled=False)
            hook.webhook = replace(hook.webhook, spec=spec, disabled_reason=outcome.disables)

    def _one(self, tenant_id: str, delivery_id: str) -> _Sent:
        found = self._sent.get((tenant_id, delivery_id))
        if found is None:
            raise DeliveryNotFound(delivery_id)
        return found
