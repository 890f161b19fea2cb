"""What a PostgreSQL or a RabbitMQ that goes away costs: time, never a task."""

import asyncio
import time
from collections.abc import Callable

import pytest
from plant import Plant, all_are, submit, until

from ops_core.errors import StoreUnavailable
from ops_core.task import Status
from opspawn import migrate
from support.postgres_server import PostgresServer
from support.rabbitmq_server import RabbitmqServer

pytestmark = pytest.mark.integration

#: A submit that waited for a broker would take as long as the broker is away.
SOON_S = 2.0


@pytest.fixture
async def postgres(own_postgres: Callable[[], PostgresServer]) -> PostgresServer:
    server = own_postgres()
    await asyncio.to_thread(migrate.upgrade, server.url)
    return server


async def test_a_database_restart_steals_no_task(
    postgres: PostgresServer, rabbitmq_url: str
) -> None:
    """Tasks that run while PostgreSQL restarts are finished by their owner, on the same attempt."""
    plant = Plant(postgres.url, rabbitmq_url)
    async with plant.service() as service, plant.worker() as worker, plant.dispatcher():
        tasks = [await submit(service) for _ in range(5)]
        await all_are(service, tasks, Status.RUNNING)
        await asyncio.to_thread(postgres.kill)
        with pytest.raises(StoreUnavailable):
            await submit(service)
        await asyncio.to_thread(postgres.start)
        plant.steps.open.set()
        await all_are(service, tasks, Status.COMPLETED)
        done = [await service.get(task.task_id, tenant_id="default") for task in tasks]
    assert [({"by": worker.worker_id}, 1, 1)] * 5 == [
        (task.result, task.attempt, task.epoch) for task in done
    ]


async def test_clients_are_served_again_when_the_database_is_back(
    postgres: PostgresServer, rabbitmq_url: str
) -> None:
    """Neither the API nor a worker needs a restart after PostgreSQL was away."""
    plant = Plant(postgres.url, rabbitmq_url)
    plant.steps.open.set()
    async with plant.service() as service, plant.worker(), plant.dispatcher():
        await all_are(service, [await submit(service)], Status.COMPLETED)
        await asyncio.to_thread(postgres.stop)
        await asyncio.to_thread(postgres.start)

        async def accepted() -> bool:
            try:
                await all_are(service, [await submit(service)], Status.COMPLETED)
            except StoreUnavailable:
                return False  # a connection of before the restart: a client is told to try again
            return True

        await until(accepted)


@pytest.mark.parametrize("how", ["kill", "freeze"])
async def test_submits_do_not_wait_for_a_broker_that_is_away(
    database_url: str, own_rabbitmq: Callable[[], RabbitmqServer], how: str
) -> None:
    """With RabbitMQ dead or frozen submits are accepted at once; when it is back everything runs."""
    rabbitmq = own_rabbitmq()
    plant = Plant(database_url, rabbitmq.url)
    plant.steps.open.set()
    async with plant.service() as service, plant.worker(), plant.dispatcher():
        await all_are(service, [await submit(service)], Status.COMPLETED)
        await asyncio.to_thread(rabbitmq.kill if how == "kill" else rabbitmq.freeze)
        started = time.monotonic()
        tasks = [await submit(service) for _ in range(20)]
        assert time.monotonic() - started < SOON_S
        await asyncio.to_thread(rabbitmq.start if how == "kill" else rabbitmq.thaw)
        await all_are(service, tasks, Status.COMPLETED)
