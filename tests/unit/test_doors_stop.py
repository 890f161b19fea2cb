"""Doors that are told to stop while clients follow tasks: streams end at once, and nobody waits for them."""

import asyncio
import socket
import time
from typing import Any

import grpc
import grpc.aio
import httpx2
import pytest

from ops_core.api import create_app
from ops_core.request import parse_request
from ops_core.rpc import create_server
from ops_core.rpc.v1 import tasks_pb2, tasks_pb2_grpc
from ops_core.service import TaskService
from ops_core.services import Services
from ops_core.testing import MemoryStore, services_of
from opspawn.agents.contract import TASK_TYPES
from opspawn.doors import CLOSE_GRACE_S, serve_rest, serve_rpc
from opspawn.streaming import close_at

pytestmark = pytest.mark.unit


@pytest.fixture
def services() -> Services:
    return services_of(TaskService(MemoryStore(), TASK_TYPES, lambda *_: None))


async def submitted(services: Services) -> str:
    request = parse_request({"task_type": "agent_run", "input_data": {"goal": "g"}})
    return (await services.tasks.submit(request, tenant_id="default")).task.task_id


async def test_a_stream_over_sse_does_not_hold_its_process(services: Services) -> None:
    """The client reads its end, with the word that it may come again, long before the grace is over."""
    task_id, stop = await submitted(services), asyncio.Event()
    closing = asyncio.create_task(close_at(stop, services.streams))
    with socket.create_server(("127.0.0.1", 0)) as listening:
        url = f"http://127.0.0.1:{listening.getsockname()[1]}/api/v1/tasks/{task_id}/events"
        serving = asyncio.create_task(serve_rest(create_app(services), listening, stop))
        async with httpx2.AsyncClient(headers={"Accept": "text/event-stream"}) as client:
            async with client.stream("GET", url) as answer:
                lines = answer.aiter_lines()
                while not (await anext(lines)).startswith("id: 1"):
                    continue
                stopped_at = time.monotonic()
                stop.set()
                rest = [line async for line in lines]
            await serving
    assert ": this server stops, come again with Last-Event-ID" in rest
    assert time.monotonic() - stopped_at < CLOSE_GRACE_S / 2
    await closing


async def test_a_watch_over_grpc_does_not_hold_its_process(services: Services) -> None:
    """The same: UNAVAILABLE."""
    task_id, stop = await submitted(services), asyncio.Event()
    closing = asyncio.create_task(close_at(stop, services.streams))
    server = create_server(services)
    port = server.add_insecure_port("127.0.0.1:0")
    serving = asyncio.create_task(serve_rpc(server, stop))
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        stub: Any = tasks_pb2_grpc.TaskServiceStub
        asked = tasks_pb2.WatchTaskRequest(task_id=task_id)
        events = aiter(stub(channel).WatchTask(asked, wait_for_ready=True))
        assert 1 == (await anext(events)).seq
        stopped_at = time.monotonic()
        stop.set()
        with pytest.raises(grpc.aio.AioRpcError) as ended:
            await anext(events)
        await serving
    assert grpc.StatusCode.UNAVAILABLE == ended.value.code()
    assert time.monotonic() - stopped_at < CLOSE_GRACE_S / 2
    await closing
