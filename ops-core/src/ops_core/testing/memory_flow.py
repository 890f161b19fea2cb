"""Gates and turns of the in-memory store, and the limits of its concurrency keys."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import NamedTuple

from ops_core.flow.key_limit import Bucket, KeyLimit
from ops_core.ports import TaskKey
from ops_core.task import Status
from ops_core.testing.memory_state import MemoryState, StoredTask


class Due(NamedTuple):
    """A row that a worker may claim."""

    key: TaskKey
    row: StoredTask


def best_first(due: Due) -> tuple[int, object, str]:
    return (-due.row.task.priority, due.row.runnable_at, due.key.task_id)


class MemoryFlow(MemoryState):
    """Who may go on, and who comes first."""

    def _open_gate(self, tenant_id: str, key: str | None) -> int:
        """Lets through as many of a key's tasks as there is room for; returns how many."""
        if key is None:
            return 0
        of_key = [
            Due(place, row)
            for place, row in self._rows.items()
            if place.tenant_id == tenant_id and row.task.concurrency_key == key
        ]
        inside = sum(
            not due.row.task.gated and due.row.task.status in {Status.PENDING, Status.RUNNING}
            for due in of_key
        )
        limit = self.flow.limits.get((tenant_id, key), KeyLimit(key=key))
        room = limit.concurrency - inside
        if room <= 0:
            room += self._take_back(of_key)
        bucket = self.flow.buckets.get((tenant_id, key))
        if bucket is not None:
            bucket = bucket.refilled(self._clock())
            room = min(room, bucket.starts)
        now = self._clock()
        waiting = [
            due
            for due in of_key
            if due.row.task.gated and due.row.runnable_at <= now and self._is_served(due.row)
        ]
        opened = sorted(waiting, key=best_first)[: max(room, 0)]
        for due in opened:
            due.row.task = replace(due.row.task, gated=False)
            due.row.ring_at, due.row.rings = now, 0
        if opened and bucket is not None:
            self.flow.buckets[tenant_id, key] = bucket.without(len(opened))
        return len(opened)

    def _take_back(self, of_key: Iterable[Due]) -> int:
        """Places of tasks that no worker would take; how many."""
        idle = [
            due.row
            for due in of_key
            if due.row.task.status is Status.PENDING
            and not due.row.task.gated
            and not self._is_served(due.row)
        ]
        for row in idle:
            row.task, row.ring_at = replace(row.task, gated=True), None
        return len(idle)

    def _is_served(self, row: StoredTask) -> bool:
        """Whether a worker would take it; while there are none nobody knows."""
        serving = [one for one in self._workers.values() if one.queues and not one.takes_none]
        return not serving or any(
            row.task.queue in worker.queues and set(row.pins or ()) <= worker.profile.supports
            for worker in serving
        )

    def _by_turns(self, due: Iterable[Due], count: int, tenants: int) -> list[Due]:
        """The first `count`: one of every tenant before the second of any, longest unserved first."""
        lanes: defaultdict[str, list[Due]] = defaultdict(list)
        for one in sorted(due, key=best_first):
            lanes[one.key.tenant_id].append(one)
        in_turn = sorted(
            (place, self.flow.turns.get(tenant, 0), tenant, one)
            for tenant, lane in lanes.items()
            for place, one in enumerate(lane)
        )
        taken = [one for *_, one in in_turn[:count]]
        if tenants > 1 and taken:
            self.flow.turn += 1
            self.flow.turns |= {one.key.tenant_id: self.flow.turn for one in taken}
        return sorted(taken, key=best_first)


class MemoryLimitStore:
    """`LimitStore` over the state of an in-memory store; alone, over none."""

    def __init__(self, store: MemoryState | None = None) -> None:
        self._flow = (MemoryState() if store is None else store).flow

    async def put(self, tenant_id: str, limit: KeyLimit, *, at_most: int) -> bool:
        others = sum(t == tenant_id and key != limit.key for t, key in self._flow.limits)
        if others >= at_most:
            return False
        place = (tenant_id, limit.key)
        self._flow.limits[place] = limit
        self._flow.buckets.pop(place, None)
        if limit.rate is not None:
            self._flow.buckets[place] = Bucket.full(limit.rate, self._flow.clock())
        return True

    async def get(self, tenant_id: str, key: str) -> KeyLimit | None:
        return self._flow.limits.get((tenant_id, key))

    async def delete(self, tenant_id: str, key: str) -> bool:
        self._flow.buckets.pop((tenant_id, key), None)
        return self._flow.limits.pop((tenant_id, key), None) is not None

    async def page(self, tenant_id: str, *, after: str, limit: int) -> Sequence[KeyLimit]:
        found = sorted(key for t, key in self._flow.limits if t == tenant_id and key > after)
        return [self._flow.limits[tenant_id, key] for key in found[:limit]]
