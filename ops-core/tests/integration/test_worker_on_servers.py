"""Service, worker and dispatcher over a real PostgreSQL and a real RabbitMQ, as separate parts."""

import asyncio
import json
from contextlib import AsyncExitStack
from typing import Any

import pika
import pytest
from plant import Plant, all_are, submit, until

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


async def test_a_worker_that_an_operator_drains_leaves_the_rest_to_another(
    plant: Plant, rabbitmq_url: str
) -> None:
    """What it ran is handed over, and it hears no ring any more: there is no dispatcher to ring again."""

    async def one_listens() -> bool:
        seen = await asyncio.to_thread(_queue, rabbitmq_url, plant.queue)
        return seen is not None and seen.consumer_count == 1

    async with plant.service() as service, plant.worker() as first:
        running = await submit(service)
        await all_are(service, [running], Status.RUNNING)
        async with plant.worker() as second:
            await plant.drain(first.worker_id)
            await until(one_listens)
            plant.steps.open.set()
            later = [await submit(service) for _ in range(20)]
            await all_are(service, [running, *later], Status.COMPLETED)
            done = [
                await service.get(task.task_id, tenant_id="default") for task in (running, *later)
            ]
    assert {second.worker_id} == {(task.result or {})["by"] for task in done}
    assert [(1, 2), *[(1, 1)] * 20] == [(task.attempt, task.epoch) for task in done]


async def test_nothing_in_the_queue_stops_the_intake(plant: Plant, rabbitmq_url: str) -> None:
    """Whatever somebody has put into the queue, the worker gets past it and hears the rings behind it."""
    plant.steps.open.set()
    ring = {
        "queue_name": plant.queue,
        "actor_name": "ring",
        "args": [],
        "kwargs": {},
        "options": {},
    }
    forged: list[Any] = [
        *(ring | {"actor_name": name} for name in ("nobody", 17, None, ["ring"], {"a": 1}, "")),
        *(ring | {"kwargs": hint} for hint in ({"hint": {"task_id": 1}}, {"hint": "x" * 10**6}, 3)),
        *(None, [], {}, "ring", ring | {"queue_name": 5}, ring | {"more": 1}, ring | {"args": 1}),
    ]
    bodies = [json.dumps(message).encode() for message in (*forged, ring, ring)] + [b"", b"\xff{"]

    async def all_heard() -> bool:
        return await asyncio.to_thread(_waiting, rabbitmq_url, plant.queue) == 0

    async with plant.service() as service, plant.worker():
        await until(all_heard)  # it listens
        await asyncio.to_thread(_publish, rabbitmq_url, plant.queue, bodies)
        await until(all_heard)
        task = await submit(service)
        await all_are(service, [task], Status.COMPLETED)
    assert [task.task_id] == plant.steps.runs


def _publish(url: str, queue: str, bodies: list[bytes]) -> None:
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        for body in bodies:
            channel.basic_publish("", queue, body, mandatory=True)


def _waiting(url: str, queue: str) -> int | None:
    """How many messages wait in the queue; None while there is no such queue."""
    seen = _queue(url, queue)
    return None if seen is None else int(seen.message_count)


def _queue(url: str, queue: str) -> Any:
    """What the broker says of the queue; None while there is no such queue."""
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        try:
            return connection.channel().queue_declare(queue, passive=True).method
        except pika.exceptions.ChannelClosedByBroker:
            return None
