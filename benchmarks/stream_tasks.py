"""Running tasks whose logs the benchmark writes, as a worker would: through the store, with signals."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from uuid import uuid4

from ops_core.log import EventType, NewEvent
from ops_core.ports import Append, Lease
from ops_core.queue.signals import RabbitSignals
from ops_core.store import Database, SqlTaskStore, TellingWorkerStore
from ops_core.task import NewTask, Task, Usage, new_task_id

#: Connections, and submissions under way at once.
POOL = 20

#: About what one step of an agent says.
EVENT = NewEvent(type=EventType.STEP_RECORDED, data={"path": "1/llm", "text": "x" * 500})


@dataclass(slots=True)
class WrittenTask:
    """One running task."""

    store: TellingWorkerStore
    task: Task
    last_seq: int

    @property
    def task_id(self) -> str:
        return self.task.task_id

    async def write(self) -> int:
        """The number of an event that is now on disk."""
        task = self.task
        lease = Lease(task.tenant_id, task.task_id, task.owner or "", task.epoch)
        await self.store.append([Append(lease, [EVENT], Usage())])
        self.last_seq += 1
        return self.last_seq


class WrittenTasks:
    """Starts them."""

    def __init__(self, database: Database, signals: RabbitSignals) -> None:
        self._tasks = SqlTaskStore(database)
        self._store = TellingWorkerStore(database, signals.changed, None)
        self._worker = f"bench-{uuid4().hex}"

    async def idle(self, count: int) -> list[str]:
        """The ids of new tasks in which nothing happens."""
        made: list[str] = []
        while len(made) < count:
            some = min(POOL, count - len(made))
            made += await asyncio.gather(*(self._submit("idle") for _ in range(some)))
        return made

    async def start(self) -> WrittenTask:
        await self._submit(self._worker)
        await self._store.beat(self._worker, [self._worker], slots=1000, running=0)
        [task] = await self._store.claim(self._worker, [self._worker], 1)
        return WrittenTask(self._store, task, task.last_seq)

    async def _submit(self, queue: str) -> str:
        new = NewTask(
            task_id=new_task_id(),
            tenant_id="default",
            task_type="agent_run",
            input_data={},
            queue=queue,
        )
        task, _ = await self._tasks.submit(new)
        return task.task_id


@asynccontextmanager
async def written_tasks(database_url: str, rabbitmq_url: str) -> AsyncIterator[WrittenTasks]:
    database, signals = Database(database_url, pool_size=POOL), RabbitSignals(rabbitmq_url)
    signals.start()
    try:
        yield WrittenTasks(database, signals)
    finally:
        signals.close()
        await database.close()
