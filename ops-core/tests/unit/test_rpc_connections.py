"""How long connections to the gRPC door live."""

import asyncio

import grpc
from door_support import channel_to, service_over, stub_of

from ops_core.rpc import Connections
from ops_core.rpc.v1 import tasks_pb2
from ops_core.testing import MemoryStore


async def test_an_idle_connection_is_closed_and_the_next_call_opens_another() -> None:
    """A client that has gone to sleep costs nothing, and notices nothing."""
    connections = Connections(max_idle_s=0.2)
    async with channel_to(service_over(MemoryStore()), connections=connections) as channel:
        stub = stub_of(channel)
        await stub.ListTasks(tasks_pb2.ListTasksRequest())
        async with asyncio.timeout(10):
            while channel.get_state() is grpc.ChannelConnectivity.READY:
                await channel.wait_for_state_change(grpc.ChannelConnectivity.READY)
        assert 0 == (await stub.ListTasks(tasks_pb2.ListTasksRequest())).total


async def test_an_old_connection_is_closed_for_the_client_to_find_another_server() -> None:
    """Although it is in use."""
    connections = Connections(max_age_s=0.2)
    async with channel_to(service_over(MemoryStore()), connections=connections) as channel:
        stub = stub_of(channel)
        async with asyncio.timeout(10):
            await stub.ListTasks(tasks_pb2.ListTasksRequest())
            while channel.get_state() is grpc.ChannelConnectivity.READY:
                await stub.ListTasks(tasks_pb2.ListTasksRequest())
