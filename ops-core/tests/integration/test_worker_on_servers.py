"""Service, worker and dispatcher over a real PostgreSQL and a real RabbitMQ, as separate parts."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from uuid import uuid4

import pytest

from ops_core.log import EventType, NewEvent
from ops_core.ports import TaskLog, TaskType
from ops_core.queue.bell import BackgroundBell, DramatiqBell
from ops_core.queue.broker import rabbitmq_broker
from ops_core.queue.worker import Worker
from ops_core.request import parse_request
from ops_core.service import TaskService
from ops_core.store import Database, SqlTaskStore, SqlUpkeepStore, SqlWorkerStore
from ops_core.task import JsonObject, Status, Task
from ops_core.upkeep.dispatcher import Dispatcher

pytestmark = pytest.mark.integration

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


@pytest.fixture
def plant(database_url: str, rabbitmq_url: str) -> Plant:
    return Plant(database_url, rabbitmq_url)


async def _submit(service: TaskService, **input_data: object) -> Task:
    request = parse_request({"task_type": "steps", "input_data": input_data})
    return (await service.submit(request, tenant_id="default")).task


async def _until(condition: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(WITHIN_S):
        while not await condition():
            await asyncio.sleep(0.01)


async def _all(service: TaskService, tasks: list[Task], status: Status) -> None:
    async def reached() -> bool:
        found = [await service.get(task.task_id, tenant_id="default") for task in tasks]
        return all(task.status is status for task in found)

    await _until(reached)


async def test_a_submitted_task_is_rung_claimed_and_completed(plant: Plant) -> None:
    """The whole way, without any dispatcher: the submitter's own ring is enough."""
    plant.steps.open.set()
    async with plant.service() as service, plant.worker() as worker:
        task = await _submit(service, steps=3)
        await _all(service, [task], Status.COMPLETED)
        done = await service.get(task.task_id, tenant_id="default")
        events = await service.events(task.task_id, tenant_id="default")
    assert {"by": worker.worker_id} == done.result
    assert list(range(1, 7)) == [event.seq for event in events]


async def test_many_tasks_on_two_workers_run_exactly_once(plant: Plant) -> None:
    """Two hundred tasks over two small workers: each runs once, and none is left."""
    plant.steps.open.set()
    async with AsyncExitStack() as stack:
        service = await stack.enter_async_context(plant.service())
        for _ in range(2):
            await stack.enter_async_context(plant.worker(slots=5))
        tasks = [await _submit(service, steps=2) for _ in range(200)]
        await _all(service, tasks, Status.COMPLETED)
    assert sorted(task.task_id for task in tasks) == sorted(plant.steps.runs)


async def test_a_full_worker_leaves_the_bell_to_another(plant: Plant) -> None:
    """What a full worker cannot take is taken by another one within a second, not after the grace."""
    async with plant.service() as service, plant.worker(slots=1), plant.worker(slots=1):
        tasks = [await _submit(service) for _ in range(2)]
        await _all(service, tasks, Status.RUNNING)
        plant.steps.open.set()
        await _all(service, tasks, Status.COMPLETED)


async def test_a_task_whose_ring_was_lost_is_rung_by_the_dispatcher(plant: Plant) -> None:
    """A submit whose publisher died before it rang is made good."""
    plant.steps.open.set()
    async with plant.service() as service, plant.worker(), plant.dispatcher():
        silent = TaskService(
            service._store,
            {"steps": TaskType(name="steps", input_schema={}, queue=plant.queue)},
            lambda *_: None,
        )
        task = await _submit(silent)
        await _all(service, [task], Status.COMPLETED)


async def test_a_cancelled_task_stops_on_its_worker(plant: Plant) -> None:
    """A cancellation through the service ends a task that a worker is running."""
    async with plant.service() as service, plant.worker():
        task = await _submit(service)
        await _all(service, [task], Status.RUNNING)
        await service.cancel(task.task_id, tenant_id="default")
        await _all(service, [task], Status.CANCELLED)


async def test_a_drained_workers_task_goes_on_at_another(plant: Plant) -> None:
    """A rolling restart hands tasks over: same attempt, next epoch."""
    async with plant.service() as service, plant.dispatcher():
        async with plant.worker():
            task = await _submit(service)
            await _all(service, [task], Status.RUNNING)
        plant.steps.open.set()
        async with plant.worker():
            await _all(service, [task], Status.COMPLETED)
            done = await service.get(task.task_id, tenant_id="default")
    assert (1, 2) == (done.attempt, done.epoch)
