"""The workers of the in-memory store, as the operator sees them."""

from ops_core.errors import WorkerNotFound
from ops_core.fleet.port import SeenWorker, WorkerPage, WorkerState
from ops_core.testing.memory_state import MemoryState, StoredWorker
from ops_core.testing.pages import page_of


class MemoryFleetStore:
    """`FleetStore` over the state of an in-memory store; alone, over none."""

    def __init__(self, store: MemoryState | None = None) -> None:
        self._store = MemoryState() if store is None else store

    async def page(self, *, limit: int, cursor: str | None) -> WorkerPage:
        seen = [self._seen(worker_id) for worker_id in self._store.workers]
        page, next_cursor = page_of(seen, lambda w: (w.started_at, w.worker_id), limit, cursor)
        return WorkerPage(page, next_cursor)

    async def get(self, worker_id: str) -> SeenWorker:
        return self._seen(worker_id)

    async def drain(self, worker_id: str) -> SeenWorker:
        worker = self._stored(worker_id)
        worker.drain_at = worker.drain_at or self._store.now()
        return self._seen(worker_id)

    def _stored(self, worker_id: str) -> StoredWorker:
        worker = self._store.workers.get(worker_id)
        if worker is None:
            raise WorkerNotFound(worker_id)
        return worker

    def _seen(self, worker_id: str) -> SeenWorker:
        worker = self._stored(worker_id)
        return SeenWorker(
            worker_id=worker_id,
            state=self._state(worker),
            host=worker.profile.host,
            pid=worker.profile.pid,
            version=worker.profile.version,
            queues=sorted(worker.queues),
            alone=worker.profile.alone,
            slots=worker.slots,
            running=worker.running,
            owned_tasks=self._store.owned_by(worker_id),
            started_at=worker.started_at,
            heartbeat_at=worker.heartbeat_at,
            drain_at=worker.drain_at,
        )

    def _state(self, worker: StoredWorker) -> WorkerState:
        if worker.heartbeat_at < self._store.now() - self._store.heartbeat_ttl:
            return WorkerState.LOST
        drains = worker.takes_none or not worker.queues
        return WorkerState.DRAINING if drains else WorkerState.ALIVE
