"""The in-memory store as the dispatcher sees it."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from ops_core.log import EventType, NewEvent
from ops_core.moves import (
    SUSPECT_DEATHS,
    cancel,
    deadline_exceeded,
    dependency_failed,
    orphaned,
    wake,
)
from ops_core.ports import PutOff, TakenRings, TaskKey
from ops_core.task import Reason, Status, Task
from ops_core.testing.memory_budgets import MemoryLedger
from ops_core.testing.memory_flow import MemoryFlow
from ops_core.testing.memory_state import StoredTask


class MemoryUpkeepStore(MemoryFlow, MemoryLedger):
    """`UpkeepStore` over dictionaries."""

    silence_is_death = False
    """Set by a test that plays the death of a process: nobody holds a presence here to lose."""

    async def take_rings(self, limit: int) -> list[TakenRings]:
        now = self._clock()
        due = [
            (key, row)
            for key, row in self._rows.items()
            if row.task.status is Status.PENDING
            and row.ring_at
            and row.ring_at <= now
            and row.task.deaths < SUSPECT_DEATHS
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

    async def open_gates(self, limit: int) -> int:
        waiting = {
            (key.tenant_id, row.task.concurrency_key)
            for key, row in self._rows.items()
            if row.task.gated
        }
        return sum(self._open_gate(*gate) for gate in waiting)

    async def free_reservations(self, limit: int) -> int:
        return len(self._free(set(self.flow.budgets)))

    async def fold_load(self, limit: int) -> int:
        """Nothing to fold: what is under way is counted when it is asked for."""
        return 0

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
            worker = self._workers[task.owner or ""]
            # Workers hold no presence here: what is silent may only be frozen.
            killed = self.silence_is_death and bool(worker.queues)
            self._apply(key, orphaned(task, killed=killed, alone=worker.profile.alone))
        for name in dead:
            self._forget(name)
        return len(orphans[:limit])

    async def wake(self, limit: int) -> int:
        now = self._clock()
        due = [key for key, row in self._rows.items() if row.wait_until and row.wait_until <= now]
        return sum(self._apply(key, wake("timer")) for key in due[:limit])

    async def tell_ends(self, limit: int) -> int:
        told, self._outbox = self._outbox[:limit], self._outbox[limit:]
        for key in told:
            if key in self._rows and self._rows[key].task.is_terminal:
                self._tell(key, self._rows[key].task)
        return len(told)

    async def prune(self, older_than_s: float, limit: int) -> int:
        before = self._clock() - timedelta(seconds=older_than_s)
        old = [
            key
            for key, row in self._rows.items()
            if row.task.completed_at is not None
            and row.task.completed_at < before
            and row.task.dead_letter_at is None
            and TaskKey(key.tenant_id, row.task.parent_task_id or "") not in self._rows
            and key not in self._outbox
        ]
        old.sort(key=lambda key: str(self._rows[key].task.completed_at))
        for key in old[:limit]:
            del self._rows[key], self._log[key], self._asks[key]
            self.hooks.pop(key, None)
            self.flow.budgets.pop((key.tenant_id, key.task_id), None)
            self._keys = {k: v for k, v in self._keys.items() if v[0] != key}
        return len(old[:limit])

    def _tell(self, key: TaskKey, ended: Task) -> None:
        for other, row in sorted(self._rows.items()):
            if other.tenant_id != key.tenant_id or other == key:
                continue
            is_over = row.task.is_terminal
            if other.task_id == ended.parent_task_id and not is_over:
                self._tell_parent(other, row)
            elif row.task.parent_task_id == ended.task_id and not is_over:
                self._cancel_child(other, row)
            elif ended.task_id in row.needs:
                self._tell_dependent(other, row, ended)

    def _tell_parent(self, key: TaskKey, row: StoredTask) -> None:
        self._signal(key)
        if row.children_needed is not None:
            row.children_needed = max(row.children_needed - 1, 0)
            if row.children_needed == 0:
                self._apply(key, wake("child"))

    def _cancel_child(self, key: TaskKey, row: StoredTask) -> None:
        if row.task.status is not Status.RUNNING:
            self._apply(key, cancel())
        elif not row.task.cancel_requested:
            row.task = replace(row.task, cancel_requested=True)
            data = {"why": "parent_ended"}
            self._add(key, NewEvent(type=EventType.TASK_CANCEL_REQUESTED, data=data))

    def _tell_dependent(self, key: TaskKey, row: StoredTask, ended: Task) -> None:
        if ended.status is not Status.COMPLETED and ended.task_id not in row.ends:
            self._apply(key, dependency_failed(ended))
            return
        was_end = ended.task_id in row.ends
        row.needs.discard(ended.task_id)
        row.ends.discard(ended.task_id)
        left = len(row.needs)
        row.task = replace(row.task, dependencies_left=left)
        if row.task.is_terminal:  # its log has its last word; a retry finds the dependency done
            return
        if not left:
            now = self._clock()
            row.runnable_at = max(now, row.task.scheduled_at or now)
            row.ring_at = None if row.task.gated else row.runnable_at
            delayed = row.runnable_at > now
            row.task = replace(row.task, reason=Reason.DELAYED if delayed else Reason.QUEUED)
        if left and was_end:  # of a queue before it only the last end is news
            return
        data = {"task_id": ended.task_id, "left": left}
        self._add(key, NewEvent(type=EventType.DEPENDENCY_FINISHED, data=data))

    def _listeners(self, queue: str) -> int:
        return sum(
            1
            for worker in self._workers.values()
            if queue in worker.queues
            and worker.running < worker.slots
            and not worker.profile.alone
            and not worker.takes_none
            and worker.heartbeat_at > self._clock() - self._ttl
        )

    def _is_expired(self, task: Task, now: datetime) -> bool:
        if task.deadline_at is None or task.is_terminal:
            return False
        grace = self._ttl if task.status is Status.RUNNING else timedelta()
        return task.deadline_at + grace <= now
