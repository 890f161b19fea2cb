"""The in-memory store as a worker sees it."""

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import replace

from ops_core.agents.reference import AgentRef
from ops_core.budgets.ledger import PERIODS
from ops_core.errors import LostOwnership
from ops_core.log import Event, EventType, NewEvent
from ops_core.moves import SUSPECT_DEATHS, Move, met
from ops_core.ports import (
    ORDINARY,
    Append,
    Appended,
    ChildEnd,
    Ending,
    Exchange,
    Lease,
    Orders,
    Profile,
    TaskKey,
)
from ops_core.task import JsonObject, Reason, Status, Task
from ops_core.testing.memory_budgets import MemoryLedger
from ops_core.testing.memory_flow import Due, MemoryFlow
from ops_core.testing.memory_state import StoredTask, StoredWorker

#: A claim from these begins a new attempt; any other one goes on with the same.
_AFTER_FAILURE = frozenset({Reason.RETRYING, Reason.RATE_LIMITED})


class MemoryWorkerStore(MemoryFlow, MemoryLedger):
    """`WorkerStore` over dictionaries."""

    async def claim(self, worker_id: str, queues: Sequence[str], count: int) -> list[Task]:
        now = self._clock()
        worker = self._workers.get(worker_id)
        if worker is None or worker.drain_at is not None:
            return []
        waiting = [
            Due(key, row)
            for key, row in self._rows.items()
            if row.task.status is Status.PENDING and row.task.queue in queues and not row.task.gated
        ]
        due = [
            one
            for one in waiting
            if one.row.runnable_at <= now
            and (one.row.task.deadline_at is None or one.row.task.deadline_at > now)
            and _suits(one.row, worker.profile)
        ]
        tenants = {key.tenant_id for key, _ in waiting}
        taken = self._by_turns(due, count, len(tenants))
        for key, row in taken:
            self._own(worker_id, key, row)
            if row.pins is None:
                row.pins = tuple(worker.profile.pins.get(row.task.task_type, ()))
                row.task = replace(row.task, pins=row.pins)
        return [self._with_budgets(row.task) for _, row in taken]

    def _with_budgets(self, task: Task) -> Task:
        own = sorted(p for t, p in self.flow.budgets if t == task.tenant_id and p in PERIODS)
        return replace(task, tenant_budget_ids=tuple(own))

    async def history(self, lease: Lease) -> list[Event]:
        return [*self._log[TaskKey(lease.tenant_id, lease.task_id)]]

    async def append(self, batch: Sequence[Append]) -> list[Appended]:
        return [self._append(append) for append in batch]

    async def settle(self, lease: Lease, move: Move) -> Task:
        key = TaskKey(lease.tenant_id, lease.task_id)
        if not self._holds(lease):
            raise LostOwnership(f"{lease.task_id} is no longer held under epoch {lease.epoch}")
        if not self._apply(key, met(move, self._rows[key].task)):
            raise LostOwnership(f"{lease.task_id} is no longer held under epoch {lease.epoch}")
        settled = self._rows[key].task
        self._open_gate(key.tenant_id, settled.concurrency_key)
        return settled

    async def end_together(self, batch: Sequence[Ending]) -> list[bool]:
        return [self._end(ending) for ending in batch]

    async def children(self, lease: Lease, task_ids: Sequence[str]) -> list[ChildEnd]:
        keys = [TaskKey(lease.tenant_id, task_id) for task_id in task_ids]
        found = [self._rows[key].task for key in keys if key in self._rows]
        return [
            ChildEnd(task_id=t.task_id, status=t.status, result=t.result, error=t.error)
            for t in found
            if t.parent_task_id == lease.task_id and t.is_terminal
        ]

    async def definitions(
        self, tenant_id: str, versions: Sequence[tuple[str, int]]
    ) -> dict[tuple[str, int], JsonObject]:
        found = await self.agents.find(tenant_id, [AgentRef(*version) for version in versions])
        return {(agent.name, agent.version): agent.definition for agent in found.values()}

    async def earlier(self, lease: Lease, limit: int) -> list[Exchange]:
        task = self._row(lease.tenant_id, lease.task_id).task
        if task.thread_id is None:
            return []
        return [
            Exchange(
                task_id=one.task_id,
                status=one.status,
                input_data=one.input_data,
                result=one.result,
            )
            for one in self.threads.earlier(task)[-limit:]
        ]

    async def beat(
        self,
        worker_id: str,
        queues: Sequence[str],
        *,
        slots: int,
        running: int,
        profile: Profile = ORDINARY,
    ) -> Orders:
        now, known = self._clock(), self._workers.get(worker_id)
        first = known.profile if known is not None else profile
        self._workers[worker_id] = worker = StoredWorker(
            frozenset(queues),
            slots,
            running,
            now,
            replace(first, draining=profile.draining),
            known.started_at if known is not None else now,
            known.drain_at if known is not None else None,
        )
        owned = [row.task for row in self._rows.values() if row.task.owner == worker_id]
        return Orders(
            cancelled=frozenset(task.task_id for task in owned if task.cancel_requested),
            owned=frozenset(
                Lease(task.tenant_id, task.task_id, worker_id, task.epoch) for task in owned
            ),
            suspects=any(
                row.task.status is Status.PENDING
                and row.task.deaths >= SUSPECT_DEATHS
                and set(row.pins or ()) <= profile.supports
                and row.task.queue in queues
                and row.runnable_at <= now
                for row in self._rows.values()
            ),
            drain=worker.drain_at is not None,
        )

    def presence(self, worker_id: str) -> AbstractAsyncContextManager[None]:
        """Nothing to hold: what lives in one memory dies with it."""
        return nullcontext()

    async def leave(self, worker_id: str) -> None:
        if worker_id in self._workers:
            self._workers[worker_id].queues = frozenset()
        self._forget(worker_id)

    def _append(self, append: Append) -> Appended:
        if not self._holds(append.lease):
            return Appended.LOST
        key = TaskKey(append.lease.tenant_id, append.lease.task_id)
        if append.is_repeated and self._stored_before(key, append.events[0]):
            return Appended.STORED
        if append.opens_effect and self._rows[key].task.cancel_requested:
            return Appended.CANCELLED
        for event in append.events:
            self._add(key, event)
        if append.settles is not None:
            self._settle_step(append.lease, append.settles)
        row = self._rows[key]
        finishes = any(event.finishes_step for event in append.events)
        row.task = replace(
            row.task,
            usage=row.task.usage + append.usage,
            deaths=0 if finishes else row.task.deaths,
            updated_at=self._clock(),
        )
        return Appended.STORED

    def _end(self, ending: Ending) -> bool:
        key = TaskKey(ending.lease.tenant_id, ending.lease.task_id)
        return self._holds(ending.lease) and self._apply(key, replace(ending.move, doubt=None))

    def _stored_before(self, key: TaskKey, event: NewEvent) -> bool:
        """Whether the event stands in the log of this run, which began with the last claim."""
        for earlier in reversed(self._log[key]):
            if earlier.type == EventType.TASK_CLAIMED:
                return False
            same = (earlier.type, earlier.data, earlier.journal)
            if same == (event.type, event.data, event.journal):
                return True
        return False

    def _own(self, worker_id: str, key: TaskKey, row: StoredTask) -> None:
        now = self._clock()
        begins = row.task.attempt == 0 or row.task.reason in _AFTER_FAILURE
        row.task = replace(
            row.task,
            status=Status.RUNNING,
            reason=None,
            error=None,
            owner=worker_id,
            epoch=row.task.epoch + 1,
            attempt=row.task.attempt + (1 if begins else 0),
            started_at=row.task.started_at or now,
            updated_at=now,
        )
        row.ring_at, row.rings = None, 0
        data = {"worker": worker_id, "attempt": row.task.attempt}
        self._add(key, NewEvent(type=EventType.TASK_CLAIMED, data=data))


def _suits(row: StoredTask, profile: Profile) -> bool:
    suspect = row.task.deaths >= SUSPECT_DEATHS
    return suspect == profile.alone and set(row.pins or ()) <= profile.supports
