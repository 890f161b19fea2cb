"""Service, worker and dispatcher over a real PostgreSQL and a real RabbitMQ, as separate parts."""

from contextlib import AsyncExitStack

import pytest
from plant import Plant, all_are, submit

from ops_core.ports import TaskType
from ops_core.service import TaskService
from ops_core.task import Status

pytestmark = pytest.mark.integration


@pytest.fixture
def plant(database_url: str, rabbitmq_url: str) -> Plant:
    return Plant(database_url, rabbitmq_url)


async def test_a_submitted_task_is_rung_claimed_and_completed(plant: Plant) -> None:
    """The whole way, without any dispatcher: the submitter's own ring is enough."""
    plant.steps.open.set()
    async with plant.service() as service, plant.worker() as worker:
        task = await submit(service, steps=3)
        await all_are(service, [task], Status.COMPLETED)
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
        tasks = [await submit(service, steps=2) for _ in range(200)]
        await all_are(service, tasks, Status.COMPLETED)
    assert sorted(task.task_id for task in tasks) == sorted(plant.steps.runs)


async def test_a_full_worker_leaves_the_bell_to_another(plant: Plant) -> None:
    """What a full worker cannot take is taken by another one within a second, not after the grace."""
    async with plant.service() as service, plant.worker(slots=1), plant.worker(slots=1):
        tasks = [await submit(service) for _ in range(2)]
        await all_are(service, tasks, Status.RUNNING)
        plant.steps.open.set()
        await all_are(service, tasks, Status.COMPLETED)


async def test_a_task_whose_ring_was_lost_is_rung_by_the_dispatcher(plant: Plant) -> None:
    """A submit whose publisher died before it rang is made good."""
    plant.steps.open.set()
    async with plant.service() as service, plant.worker(), plant.dispatcher():
        silent = TaskService(
            service._store,
            {"steps": TaskType(name="steps", input_schema={}, queue=plant.queue)},
            lambda *_: None,
        )
        task = await submit(silent)
        await all_are(service, [task], Status.COMPLETED)


async def test_a_cancelled_task_stops_on_its_worker(plant: Plant) -> None:
    """A cancellation through the service ends a task that a worker is running."""
    async with plant.service() as service, plant.worker():
        task = await submit(service)
        await all_are(service, [task], Status.RUNNING)
        await service.cancel(task.task_id, tenant_id="default")
        await all_are(service, [task], Status.CANCELLED)


async def test_a_drained_workers_task_goes_on_at_another(plant: Plant) -> None:
    """A rolling restart hands tasks over: same attempt, next epoch."""
    async with plant.service() as service, plant.dispatcher():
        async with plant.worker():
            task = await submit(service)
            await all_are(service, [task], Status.RUNNING)
        plant.steps.open.set()
        async with plant.worker():
            await all_are(service, [task], Status.COMPLETED)
            done = await service.get(task.task_id, tenant_id="default")
    assert (1, 2) == (done.attempt, done.epoch)
