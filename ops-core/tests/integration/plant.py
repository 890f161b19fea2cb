"""The parts of Opspawn over given servers, each with its own connections, as separate processes have."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from uuid import uuid4

from ops_core.errors import StoreUnavailable
from ops_core.log import EventType, NewEvent
from ops_core.ports import TaskLog, TaskType
from ops_core.queue.bell import BackgroundBell, DramatiqBell
from ops_core.queue.broker import rabbitmq_broker
from ops_core.queue.worker import Worker
from ops_core.request import parse_request
from ops_core.service import TaskService
from ops_core.store import Database, SqlFleetStore, SqlTaskStore, SqlUpkeepStore, SqlWorkerStore
from ops_core.task import JsonObject, Status, Task
from ops_core.upkeep.dispatcher import Dispatcher

WITHIN_S = 20.0


class Steps:
    """Appends as many steps as its input says, then waits for its gate."""

    def __init__(self) -> None:
        self.open = asyncio.Event()
        self.runs: list[str] = []

    async def run(self, task: Task, log: TaskLog) -> JsonObject:
        self.runs.append(task.task_id)
        for number in range(task.input_data.get("steps", 0)):
            await log.append(NewEvent(type=EventType.LLM_COMPLETED, data={"n": number}))
        await self.open.wait()
        return {"by": task.owner}


class Plant:
    """One API, any number of workers, each with its own connections, as separate processes have."""

    def __init__(self, database_url: str, rabbitmq_url: str) -> None:
        self.queue = f"q-{uuid4().hex[:8]}"
        self.steps = Steps()
        self._database_url = database_url
        self._rabbitmq_url = rabbitmq_url

    @asynccontextmanager
    async def service(self) -> AsyncIterator[TaskService]:
        database, broker = Database(self._database_url), rabbitmq_broker(self._rabbitmq_url)
        bell = DramatiqBell(broker)
        background = BackgroundBell(bell)
        ringing = asyncio.create_task(background.run())
        kind = TaskType(name="steps", input_schema={}, queue=self.queue)
        yield TaskService(SqlTaskStore(database), {"steps": kind}, background.ring_soon)
        ringing.cancel()
        bell.close()
        broker.close()
        await database.close()

    @asynccontextmanager
    async def worker(self, *, slots: int = 10) -> AsyncIterator[Worker]:
        database, broker = Database(self._database_url), rabbitmq_broker(self._rabbitmq_url)
        bell = DramatiqBell(broker)
        worker = Worker(
            SqlWorkerStore(database),
            broker,
            bell,
            {"steps": self.steps},
            queues=[self.queue],
            slots=slots,
            heartbeat_s=0.1,
            drain_grace_s=0.1,
        )
        stop = asyncio.Event()
        running = asyncio.create_task(worker.run(stop))
        try:
            yield worker
        finally:
            stop.set()
            await asyncio.wait_for(running, WITHIN_S)
            bell.close()
            broker.close()
            await database.close()

    async def drain(self, worker_id: str) -> None:
        """As an operator asks for it; returns when the worker has nothing any more."""
        database = Database(self._database_url)
        fleet = SqlFleetStore(database)
        await fleet.drain(worker_id)

        async def has_handed_over() -> bool:
            return (await fleet.get(worker_id)).owned_tasks == 0

        await until(has_handed_over)
        await database.close()

    @asynccontextmanager
    async def dispatcher(self) -> AsyncIterator[None]:
        database, broker = Database(self._database_url), rabbitmq_broker(self._rabbitmq_url)
        bell = DramatiqBell(broker)
        store = SqlUpkeepStore(database, ring_grace_s=0.2, ring_grace_max_s=0.5)
        stop = asyncio.Event()
        running = asyncio.create_task(Dispatcher(store, bell, idle_s=0.1).run(stop))
        try:
            yield
        finally:
            stop.set()
            await asyncio.wait_for(running, WITHIN_S)
            bell.close()
            broker.close()
            await database.close()


async def submit(service: TaskService, **input_data: object) -> Task:
    request = parse_request({"task_type": "steps", "input_data": input_data})
    return (await service.submit(request, tenant_id="default")).task


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(WITHIN_S):
        while not await condition():
            await asyncio.sleep(0.01)


async def all_are(service: TaskService, tasks: list[Task], status: Status) -> None:
    async def reached() -> bool:
        try:
            found = [await service.get(task.task_id, tenant_id="default") for task in tasks]
        except StoreUnavailable:
            return False  # what a client is told by a 503: ask again
        return all(task.status is status for task in found)

    await until(reached)
