"""A hundred clients ask for the same at once: one task on a real PostgreSQL, whichever door they take."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc.aio
import httpx2
import pytest
from google.protobuf.struct_pb2 import Struct

from ops_core.api import create_app
from ops_core.ports import TaskFilter, TaskType
from ops_core.rpc import create_server
from ops_core.rpc.v1 import tasks_pb2, tasks_pb2_grpc
from ops_core.service import TaskService
from ops_core.services import Services
from ops_core.store import Database, SqlTaskStore
from ops_core.testing import services_of

pytestmark = pytest.mark.integration

TYPES = {"noop": TaskType(name="noop", input_schema={"type": "object"})}
CLIENTS = 100


@asynccontextmanager
async def stored(database_url: str) -> AsyncIterator[tuple[Services, SqlTaskStore]]:
    database = Database(database_url, pool_size=10)
    store = SqlTaskStore(database)
    try:
        yield services_of(TaskService(store, TYPES, lambda _queue, _task_id: None)), store
    finally:
        await database.close()


async def total(store: SqlTaskStore) -> int:
    return (await store.page("default", TaskFilter(), limit=1, cursor=None)).total


async def test_a_hundred_submits_with_one_key_over_rest_are_one_task(database_url: str) -> None:
    """One is told 201, the others 200 and that it is a replay; all are told the same id."""
    async with stored(database_url) as (services, store):
        transport = httpx2.ASGITransport(create_app(services))
        async with httpx2.AsyncClient(transport=transport, base_url="http://door") as client:
            sent = [
                client.post(
                    "/api/v1/tasks/",
                    json={"task_type": "noop", "input_data": {}},
                    headers={"Idempotency-Key": "the-key"},
                )
                for _ in range(CLIENTS)
            ]
            answers = await asyncio.gather(*sent)
        told = Counter((a.status_code, a.headers.get("Idempotent-Replay")) for a in answers)
        assert {(201, None): 1, (200, "true"): CLIENTS - 1} == told
        assert 1 == len({answer.json()["task_id"] for answer in answers})
        assert 1 == await total(store)


async def test_a_hundred_submits_with_one_key_over_grpc_are_one_task(database_url: str) -> None:
    """As over REST: `replayed` says which one stored it."""
    async with stored(database_url) as (services, store):
        server = create_server(services)
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            stub: Any = tasks_pb2_grpc.TaskServiceStub(channel)
            request = tasks_pb2.CreateTaskRequest(
                task_type="noop", input_data=Struct(), idempotency_key="the-key"
            )
            answers = await asyncio.gather(*(stub.CreateTask(request) for _ in range(CLIENTS)))
        await server.stop(None)
        assert {False: 1, True: CLIENTS - 1} == Counter(answer.replayed for answer in answers)
        assert 1 == len({answer.task.task_id for answer in answers})
        assert 1 == await total(store)
