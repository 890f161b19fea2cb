"""The in-memory store as the dispatcher sees it."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta

from ops_core.ports import PutOff, TakenRings
from ops_core.task import Status, Task, cancel, deadline_exceeded, release
from ops_core.testing.memory_state import MemoryState


class MemoryUpkeepStore(MemoryState):
    """`UpkeepStore` over dictionaries."""

    async def take_rings(self, limit: int) -> list[TakenRings]:
        now = self._clock()
        due = [
            (key, row)
            for key, row in self._rows.items()
            if row.task.status is Status.PENDING
            and row.ring_at
            and row.ring_at <= now
            and self._listeners(row.task.queue)
        ]
        taken: defaultdict[str, list[PutOff]] = defaultdict(list)
        for key, row in due[:limit]:
            rest = min(self._grace_s * 2**row.rings, self._grace_max_s)
            row.ring_at, row.rings = now + timedelta(seconds=rest), row.rings + 1
            taken[row.task.queue].append(PutOff(key, row.task.epoch, row.rings))
        return [
            TakenRings(q, min(len(rows), self._listeners(q)), rows) for q, rows in taken.items()
        ]

    async def return_rings(self, rows: Sequence[PutOff]) -> None:
        for key, epoch, rings in rows:
            row = self._rows[key]
            if row.task.status is Status.PENDING and (row.task.epoch, row.rings) == (epoch, rings):
                row.ring_at, row.rings = self._clock(), rings - 1

    async def expire(self, limit: int) -> int:
        now = self._clock()
        expired = [key for key, row in self._rows.items() if self._is_expired(row.task, now)][
            :limit
        ]
        for key in expired:
            self._apply(key, deadline_exceeded())
        return len(expired)

    async def bury_workers(self, limit: int) -> int:
        oldest = self._clock() - self._ttl
        dead = {name for name, worker in self._workers.items() if worker.heartbeat_at < oldest}
        orphans = [(key, row.task) for key, row in self._rows.items() if row.task.owner in dead]
        for key, task in orphans[:limit]:
            self._apply(key, cancel() if task.cancel_requested else release("worker_died"))
        for name in dead:
            self._forget(name)
        return len(orphans[:limit])

    def _listeners(self, queue: str) -> int:
        return sum(
            1
            for worker in self._workers.values()
            if queue in worker.queues
            and worker.running < worker.slots
            and worker.heartbeat_at > self._clock() - self._ttl
        )

    def _is_expired(self, task: Task, now: datetime) -> bool:
        if task.deadline_at is None or task.is_terminal:
            return False
        grace = self._ttl if task.status is Status.RUNNING else timedelta()
        return task.deadline_at + grace <= now
