"""How the in-memory installation stands."""

from collections import Counter, defaultdict
from datetime import datetime

from ops_core.metrics.port import COUNTED, MOST, Figures, QueueFigures
from ops_core.task import Status
from ops_core.testing.memory_fleet import MemoryFleetStore
from ops_core.testing.memory_state import MemoryState
from ops_core.testing.memory_webhooks import MemoryWebhooks


class MemoryFiguresStore:
    """`FiguresStore` over the state of an in-memory store, and the webhooks beside it."""

    def __init__(self, store: MemoryState, webhooks: MemoryWebhooks | None = None) -> None:
        self._store = store
        self._webhooks = webhooks

    async def figures(self) -> Figures:
        fleet = await MemoryFleetStore(self._store).page(limit=MOST, cursor=None)
        waiting = self._webhooks.waiting() if self._webhooks else []
        late_s = max((self._since(at) for at in waiting), default=0.0)
        return Figures(
            queues=self._queues(),
            workers=Counter(worker.state for worker in fleet.workers),
            dead_letters=sum(row.task.dead_letter_at is not None for row in self._store.stored()),
            ends_waiting=self._store.ends_waiting,
            deliveries_waiting=len(waiting),
            oldest_delivery_s=late_s,
        )

    def _queues(self) -> dict[str, QueueFigures]:
        found = defaultdict[str, QueueFigures](QueueFigures)
        for row in self._store.stored():
            if row.task.status in COUNTED:
                found[row.task.queue].tasks[row.task.status] += 1
            if row.task.status is Status.PENDING and not row.task.gated:
                queue = found[row.task.queue]
                queue.oldest_due_s = max(queue.oldest_due_s, self._since(row.runnable_at))
        for worker in self._store.workers.values():
            silent = worker.heartbeat_at < self._store.now() - self._store.heartbeat_ttl
            if not (silent or worker.takes_none or worker.profile.alone):
                for name in worker.queues:
                    found[name].slots += worker.slots
                    found[name].free_slots += max(worker.slots - worker.running, 0)
        return dict(found)

    def _since(self, at: datetime) -> float:
        return max((self._store.now() - at).total_seconds(), 0.0)
