"""The stores of doors and workers that tell, after each commit, whose log has grown.

Only after: nothing is published inside a transaction, and what is told returns at once.
"""

from collections.abc import Sequence
from typing import Any, Protocol

from ops_core.moves import Move
from ops_core.ports import Append, Appended, Decide, Ending, Lease, TaskKey
from ops_core.store.client import SqlTaskStore
from ops_core.store.database import Database
from ops_core.store.presence import Presence
from ops_core.store.worker import SqlWorkerStore
from ops_core.task import SETTLED, Task


class Changed(Protocol):
    """`Signals.changed`."""

    def __call__(self, key: TaskKey, *, settled: bool = False) -> None: ...


class TellingTaskStore(SqlTaskStore):
    """As `SqlTaskStore`. A new task is not told of: nobody can watch it yet."""

    def __init__(self, database: Database, changed: Changed, **settings: Any) -> None:
        super().__init__(database, **settings)
        self._changed = changed

    async def cancel(self, tenant_id: str, task_id: str) -> Task:
        return self._told(await super().cancel(tenant_id, task_id))

    async def retry(self, tenant_id: str, task_id: str) -> Task:
        return self._told(await super().retry(tenant_id, task_id))

    async def signal(self, tenant_id: str, task_id: str, decide: Decide) -> Task:
        return self._told(await super().signal(tenant_id, task_id, decide))

    def _told(self, task: Task) -> Task:
        self._changed(TaskKey(task.tenant_id, task.task_id), settled=task.status in SETTLED)
        return task


class TellingWorkerStore(SqlWorkerStore):
    """As `SqlWorkerStore`."""

    def __init__(self, database: Database, changed: Changed, presence: Presence | None) -> None:
        super().__init__(database, presence)
        self._changed = changed

    async def claim(self, worker_id: str, queues: Sequence[str], count: int) -> list[Task]:
        tasks = await super().claim(worker_id, queues, count)
        for task in tasks:
            self._changed(TaskKey(task.tenant_id, task.task_id))
        return tasks

    async def append(self, batch: Sequence[Append]) -> list[Appended]:
        outcomes = await super().append(batch)
        for append, outcome in zip(batch, outcomes, strict=True):
            if outcome is Appended.STORED:
                self._changed(TaskKey(append.lease.tenant_id, append.lease.task_id))
        return outcomes

    async def settle(self, lease: Lease, move: Move) -> Task:
        task = await super().settle(lease, move)
        self._changed(TaskKey(task.tenant_id, task.task_id), settled=task.status in SETTLED)
        return task

    async def end_together(self, batch: Sequence[Ending]) -> list[bool]:
        outcomes = await super().end_together(batch)
        for ending, is_ended in zip(batch, outcomes, strict=True):
            if is_ended:
                key = TaskKey(ending.lease.tenant_id, ending.lease.task_id)
                self._changed(key, settled=True)
        return outcomes
